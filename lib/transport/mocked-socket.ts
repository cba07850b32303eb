import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { builtinModule } from '../base/builtin-modules.js'
import { destroyUnused } from './check-socket.js'
import type { Onread, OnreadSource } from './connector.js'

/** The `net.Socket.prototype.connect` that was last found to be replaced by a mock. */
let mockedConnect: unknown = null

/** Whether a socket is mocked, by nock or `@mswjs/interceptors`. Mocks replace `_read` during `connect`. */
export function isMocked(socket: Duplex): boolean {
  return Object.hasOwn(socket, '_read')
}

type Open<Made> = (options?: { onread: Onread }) => Made

/**
 * Opens a socket with the `onread` option of `reader`, unless a mock replaces the connection. A mock pushes its response
 * into the stream, but a socket with `onread` reads only from its handle, which is not connected then.
 */
export function openWithOnread<Made extends Socket>(reader: OnreadSource | undefined, open: Open<Made>): Made {
  if (reader === undefined) return open()
  const { connect } = builtinModule('node:net').Socket.prototype
  if (connect === mockedConnect) return open()
  const socket = open({ onread: reader.onread })
  if (!isMocked(socket)) return socket
  mockedConnect = connect
  destroyUnused(socket)
  return open()
}
