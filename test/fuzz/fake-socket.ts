import { Duplex } from 'node:stream'
import type { Connector } from '../../lib/transport/connect.js'

/** The client's end of a connection whose other end is a function. */
export class FakeSocket extends Duplex {
  /** All that the client wrote, in latin1. */
  sent = ''
  /** The client ended its side, or the connection. */
  over = false
  readonly #onSent: (socket: FakeSocket) => void
  readonly #late: boolean

  /** `late`: it reads what it was given when it has called back, as a stream may that is no socket of the system. */
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
    // The server ends too.
    setImmediate(() => this.receive(null))
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

/** What is at the other end of a connection. */
export interface FakePeer {
  onSocket(socket: FakeSocket): void
  onSent(socket: FakeSocket): void
  /** Whether the next connection fails. Default: none does. */
  fails?(): boolean
  /** Whether the connector calls back a second time, with another socket. Default: never. */
  answersTwice?(): boolean
  /** See {@link FakeSocket}. */
  late?: boolean
}

/** Connects to a function. */
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

/** Lets all that is due happen: promise jobs, ticks and immediates, so many times. */
export async function turns(times: number, until: () => boolean = () => false): Promise<void> {
  for (let i = 0; i < times && !until(); i++) await new Promise((resolve) => setImmediate(resolve))
}
