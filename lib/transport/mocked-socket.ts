import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { builtinModule } from '../base/builtin-modules.js'
import { destroyUnused } from './check-socket.js'
import type { Onread, OnreadSource } from './connector.js'

/** The last `connect` of `net.Socket` that turned out to be a mock's. */
let mockedConnect: unknown = null

/** Whether a mock (nock, @mswjs/interceptors) answers instead of a server: it replaces `_read` in `connect`. */
export function isMocked(socket: Duplex): boolean {
  return Object.hasOwn(socket, '_read')
}

type Open<Made> = (options?: { onread: Onread }) => Made

/**
 * Opens a socket that `reader` reads directly, unless it is mocked. What a mock answers is pushed into the stream, and a
 * socket with `onread` reads from its handle instead, which is not connected.
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
