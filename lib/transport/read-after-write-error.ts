import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setImmediate } from '../base/clock.js'

/** Sockets whose last bytes are being read. */
const failedWrites = new WeakSet<Socket>()

/**
 * Reads what the server sent before a failed write destroys the socket, until {@link restoreDestroy}. A server that
 * refuses an upload answers and closes, and the write that comes too late fails. Node would destroy the socket at
 * once, with the response unread (RFC 9112 §9.5).
 */
export function readAfterWriteErrors(socket: Duplex): void {
  // A stream with a `destroy` of its own keeps it.
  if ('setNoDelay' in socket && !Object.hasOwn(socket, 'destroy')) (socket as Socket).destroy = destroyLater
}

/** Restores the `destroy` method of the socket. */
export function restoreDestroy(socket: Duplex): void {
  const own = Object.getOwnPropertyDescriptor(socket, 'destroy')
  if (own?.value === destroyLater) delete (socket as Partial<Socket>).destroy
}

/** One function for all sockets: one for each would give each a shape of its own. */
function destroyLater(this: Socket, error?: NodeJS.ErrnoException): Socket {
  const { destroy } = Object.getPrototypeOf(this) as Socket
  if (error?.syscall !== 'write') return destroy.call(this, error)
  // One that failed may be followed by others.
  if (failedWrites.has(this)) return this
  failedWrites.add(this)
  // Of two turns of the loop one has its poll phase before it: all that had come by now is read there.
  setImmediate(() => setImmediate(() => destroy.call(this, error)))
  return this
}
