import type { Duplex } from 'node:stream'

/** Receives the events of a socket. */
export interface SocketEvents {
  onError(error: Error): void
  onClose(): void
  onDrain(): void
  onEnd(): void
  onData(chunk: unknown): void
  onReadable(): void
}

const receivers = new WeakMap<object, SocketEvents>()

/** Listeners shared by all sockets. Six closures per connection would be a tenth of the memory of an idle one. */
const SHARED = {
  error(this: Duplex, error: Error): void {
    receivers.get(this)?.onError(error)
  },
  close(this: Duplex): void {
    receivers.get(this)?.onClose()
  },
  drain(this: Duplex): void {
    receivers.get(this)?.onDrain()
  },
  end(this: Duplex): void {
    receivers.get(this)?.onEnd()
  },
  data(this: Duplex, chunk: unknown): void {
    receivers.get(this)?.onData(chunk)
  },
  readable(this: Duplex): void {
    receivers.get(this)?.onReadable()
  },
}

/** Listeners of one socket. */
export type SocketListeners = typeof SHARED

/**
 * Adds listeners to a socket and returns them, with a `readable` listener that is not added. `bound`: binds them to the
 * socket, for proxied sockets, whose `this` is not always the attached object.
 */
export function addListeners(socket: Duplex, receiver: SocketEvents, bound: boolean): SocketListeners {
  receivers.set(socket, receiver)
  const listeners = bound ? boundTo(socket) : SHARED
  socket.on('error', listeners.error)
  socket.on('close', listeners.close)
  socket.on('drain', listeners.drain)
  socket.on('end', listeners.end)
  // Also with `onread`, because mocks push their data into sockets of Node.
  socket.on('data', listeners.data)
  return listeners
}

function boundTo(socket: Duplex): SocketListeners {
  const bound = Object.entries(SHARED).map(([event, listener]) => [event, listener.bind(socket)])
  return Object.fromEntries(bound)
}

/** Removes the listeners that {@link addListeners} returned. */
export function removeListeners(socket: Duplex, listeners: SocketListeners): void {
  receivers.delete(socket)
  for (const [event, listener] of Object.entries(listeners)) socket.off(event, listener)
}
