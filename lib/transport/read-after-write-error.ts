import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setImmediate } from '../base/clock.js'

/** Sockets whose write failed and whose received bytes are still being read. */
const failedWrites = new WeakSet<Socket>()

/**
 * Delays the destruction of a socket after a failed write until the received bytes were read. A server that rejects an
 * upload responds and closes, so a later write fails, and Node would destroy the socket with the response unread
 * (RFC 9112 §9.5). Reverted by {@link restoreDestroy}.
 */
export function readAfterWriteErrors(socket: Duplex): void {
  // An own `destroy` property of the stream is not replaced.
  if ('setNoDelay' in socket && !Object.hasOwn(socket, 'destroy')) (socket as Socket).destroy = destroyLater
}

/** Restores the original `destroy` method of a socket. */
export function restoreDestroy(socket: Duplex): void {
  const own = Object.getOwnPropertyDescriptor(socket, 'destroy')
  if (own?.value === destroyLater) delete (socket as Partial<Socket>).destroy
}

/** Shared by all sockets: a function per socket would give each socket its own hidden class. */
function destroyLater(this: Socket, error?: NodeJS.ErrnoException): Socket {
  const { destroy } = Object.getPrototypeOf(this) as Socket
  if (error?.syscall !== 'write') return destroy.call(this, error)
  // Several writes may fail one after the other.
  if (failedWrites.has(this)) return this
  failedWrites.add(this)
  // The second callback runs after a complete poll phase, in which everything received so far is read.
  setImmediate(() => setImmediate(() => destroy.call(this, error)))
  return this
}
