import type { Socket } from 'node:net'
import { setImmediate } from '../base/clock.js'

/** Sockets whose last bytes are being read. */
const listening = new WeakSet<Socket>()

/**
 * A server that wants no more of an upload answers and closes, and the write that comes too late fails. Node would
 * destroy the socket at once, with the answer unread: here it is read first (RFC 9112 §9.5).
 */
export function hearLastWords(socket: Socket): void {
  socket.destroy = destroyLater
}

/** One function for all sockets: one for each would give each a shape of its own. */
function destroyLater(this: Socket, error?: NodeJS.ErrnoException): Socket {
  const { destroy } = Object.getPrototypeOf(this) as Socket
  if (error?.syscall !== 'write') return destroy.call(this, error)
  // One that failed may be followed by others.
  if (listening.has(this)) return this
  listening.add(this)
  // Of two turns of the loop one has its poll phase before it: all that had come by now is read there.
  setImmediate(() => setImmediate(() => destroy.call(this, error)))
  return this
}
