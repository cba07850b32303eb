import { Duplex } from 'node:stream'
import type { Connector } from '../../lib/transport/connect.js'

/** The client's end of a connection whose other end is a function. */
export class FakeSocket extends Duplex {
  /** All that the client wrote, in latin1. */
  sent = ''
  /** The client ended its side, or the connection. */
  over = false
  readonly #onSent: (socket: FakeSocket) => void

  constructor(onSent: (socket: FakeSocket) => void) {
    super({ autoDestroy: true, allowHalfOpen: true })
    this.#onSent = onSent
    this.on('error', () => {})
    this.on('close', () => {
      this.over = true
    })
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.sent += chunk.toString('latin1')
    this.#onSent(this)
    done()
  }

  override _final(done: () => void): void {
    this.over = true
    done()
  }

  override _read(): void {}

  /** The server sends bytes, one character a byte; null: it ends its side. */
  receive(text: string | null): void {
    if (this.destroyed || this.readableEnded) return
    this.push(text === null ? null : Buffer.from(text, 'latin1'))
  }

  ref(): void {}
  unref(): void {}
  setNoDelay(): void {}
}

/** Connects to a function; tells of every socket. `fails`: whether the next connection does. */
export function fakeConnector(
  onSocket: (socket: FakeSocket) => void,
  onSent: (socket: FakeSocket) => void,
  fails: () => boolean = () => false,
): Connector {
  return (_options, callback) => {
    const socket = new FakeSocket(onSent)
    queueMicrotask(() => {
      if (fails()) {
        socket.destroy()
        return callback(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }), null)
      }
      onSocket(socket)
      callback(null, socket)
    })
    return socket
  }
}

/** Lets all that is due happen: promise jobs, ticks and immediates, so many times. */
export async function turns(times: number, until: () => boolean = () => false): Promise<void> {
  for (let i = 0; i < times && !until(); i++) await new Promise((resolve) => setImmediate(resolve))
}
