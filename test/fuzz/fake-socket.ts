import { Duplex } from 'node:stream'
import type { Connector } from '../../lib/transport/connect.js'

/** The client side of a connection whose server is a function. */
export class FakeSocket extends Duplex {
  /** All bytes written by the client, in latin1. */
  sent = ''
  /** Whether the client has sent FIN or destroyed the connection. */
  over = false
  readonly #onSent: (socket: FakeSocket) => void
  readonly #late: boolean

  /** `late`: it reads written chunks after the callback, as a stream may that is not a system socket. */
  constructor(onSent: (socket: FakeSocket) => void, late = false) {
    super({ autoDestroy: true, allowHalfOpen: true })
    this.#onSent = onSent
    this.#late = late
    this.on('error', () => {})
    this.on('close', () => {
      this.over = true
    })
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const read = () => {
      this.sent += chunk.toString('latin1')
      this.#onSent(this)
    }
    if (this.#late) setImmediate(read)
    else read()
    done()
  }

  override _final(done: () => void): void {
    this.over = true
    // The server closes too.
    setImmediate(() => this.receive(null))
    done()
  }

  override _read(): void {}

  /** The server sends bytes, one character per byte; null: it sends FIN. */
  receive(text: string | null): void {
    if (this.destroyed || this.readableEnded) return
    this.push(text === null ? null : Buffer.from(text, 'latin1'))
  }

  ref(): void {}
  unref(): void {}
  setNoDelay(): void {}
}

/** Server side of fake connections. */
export interface FakePeer {
  onSocket(socket: FakeSocket): void
  onSent(socket: FakeSocket): void
  /** Returns whether the next connection attempt fails. Default: never. */
  fails?(): boolean
  /** Returns whether the connector calls back a second time with another socket. Default: never. */
  answersTwice?(): boolean
  /** See {@link FakeSocket}. */
  late?: boolean
}

/** Creates a connector of fake sockets. */
export function fakeConnector({ onSocket, onSent, fails, answersTwice, late = false }: FakePeer): Connector {
  return (_options, callback) => {
    const socket = new FakeSocket(onSent, late)
    queueMicrotask(() => {
      if (fails?.() === true) {
        socket.destroy()
        return callback(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }), null)
      }
      onSocket(socket)
      callback(null, socket)
      if (answersTwice?.() !== true) return
      const second = new FakeSocket(onSent)
      onSocket(second)
      callback(null, second)
    })
    return socket
  }
}

/** Waits for `turns` event-loop turns with their microtasks and ticks. */
export async function turns(times: number, until: () => boolean = () => false): Promise<void> {
  for (let i = 0; i < times && !until(); i++) await new Promise((resolve) => setImmediate(resolve))
}
