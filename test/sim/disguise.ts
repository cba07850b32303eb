import { Duplex } from 'node:stream'
import type { Random } from './random.js'
import type { SimulatedSocket } from './socket.js'

/** Wraps a socket like a connector of a user. */
export function disguise(socket: SimulatedSocket, random: Random): Duplex {
  const manner = random.next()
  if (manner < 0.2) return new Relay(socket)
  if (manner < 0.3) return proxied(socket)
  if (manner < 0.4) return socket.pause()
  if (manner < 0.5) return socket.once('readable', () => {})
  // Like a connector that has read more than its own greeting.
  if (manner < 0.6) socket.pause().unshift(Buffer.alloc(0))
  return socket
}

function proxied(socket: SimulatedSocket): Duplex {
  return new Proxy(socket, {
    get(target, name) {
      const value = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
    set: (target, name, value) => Reflect.set(target, name, value),
  })
}

/** A stream over the socket, for example one that decodes. */
class Relay extends Duplex {
  readonly #socket: SimulatedSocket

  constructor(socket: SimulatedSocket) {
    super({ allowHalfOpen: socket.allowHalfOpen })
    this.#socket = socket
    socket.on('data', (chunk) => {
      if (!this.push(chunk)) socket.pause()
    })
    socket.on('end', () => this.push(null))
    socket.on('error', (error) => this.destroy(error))
    // Bytes received before the end may be unread here.
    socket.on('close', () => {
      if (!socket.readableEnded) this.destroy()
    })
  }

  set released(value: boolean) {
    this.#socket.released = value
  }

  override _read(): void {
    this.#socket.resume()
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    // An error would destroy this stream and discard its unread bytes.
    if (this.#socket.writableEnded) done()
    else this.#socket.write(chunk, done)
  }

  override _final(done: () => void): void {
    if (this.#socket.writableEnded) done()
    else this.#socket.end(done)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.#socket.closeEmitted) return done(error)
    this.#socket.once('close', () => done(error))
    this.#socket.destroy()
  }
}
