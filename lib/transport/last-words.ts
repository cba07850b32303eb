import type { Socket } from 'node:net'

/**
 * A server that wants no more of an upload answers and closes, and the write that comes too late fails. Node would
 * destroy the socket at once, with the answer unread: here it is read first (RFC 9112 §9.5).
 */
export function hearLastWords(socket: Socket): void {
  const destroy = socket.destroy.bind(socket)
  let listening = false
  socket.destroy = (error?: NodeJS.ErrnoException) => {
    if (listening || error?.syscall !== 'write') return destroy(error)
    listening = true
    // Of two turns of the loop one has its poll phase before it: all that had come by now is read there.
    setImmediate(() => setImmediate(() => destroy(error)))
    return socket
  }
}
