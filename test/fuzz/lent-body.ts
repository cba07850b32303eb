import { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex, Readable, Stream } from 'node:stream'
import type { Random } from './random.js'

/** What callers write over memory that is theirs again; no request has it. */
export const POISON = 0xdd

/** Calls back into the library, or throws, as a source of the caller may. */
type UserCode = () => void

/** A request body whose caller overwrites its memory as soon as the library must not read it any more. */
export class LentBody {
  /** As it must arrive, one character a byte. */
  readonly content: string
  readonly body: unknown
  readonly #random: Random
  readonly #code: UserCode
  readonly #pieces: Buffer[]
  #open = false

  constructor(random: Random, mark: string, code: UserCode) {
    this.#random = random
    this.#code = code
    this.content = mark.repeat(random.once(20) ? 40_000 : random.below(200))
    this.#pieces = this.#cut()
    this.body = random.pick([
      () => this.content,
      () => this.#whole(),
      () => this.#whole().buffer,
      () => this.#pieces,
      () => this.#generate(),
      () => this.#generateLater(),
      () => this.#readable(),
      () => this.#web(),
      () => this.#view(),
      () => this.#iterator(),
      () => this.#oldStream(),
      () => this.#incoming(),
      () => new URLSearchParams({ mark: this.content }),
      () => new Blob([this.content]),
      () => this.#form(),
    ])()
  }

  /** A form with one text; its boundary is drawn when it is sent. */
  #form(): FormData {
    const form = new FormData()
    form.append('mark', this.content)
    return form
  }

  /** Whether `received` is what was given, one character a byte. */
  arrives(received: string): boolean {
    if (this.body instanceof URLSearchParams) return received === String(this.body)
    if (!(this.body instanceof FormData)) return received === this.content
    const boundary = received.slice(0, received.indexOf('\r\n'))
    const head = `${boundary}\r\nContent-Disposition: form-data; name="mark"\r\n\r\n`
    return boundary.startsWith('--') && received === `${head}${this.content}\r\n${boundary}--\r\n`
  }

  /** A source that was given is closed or read to its end. */
  get closed(): boolean {
    if (this.body instanceof IncomingMessage) return this.body.readableEnded && !this.body.socket.destroyed
    return this.body instanceof Readable ? this.body.destroyed : !this.#open
  }

  /** The library reported `chunk` as sent. */
  sent(chunk: Uint8Array): void {
    for (const piece of this.#pieces) if (piece.buffer === chunk.buffer) piece.fill(POISON)
  }

  /** The library reported all of it as sent, or the request as ended. */
  release(): void {
    for (const piece of this.#pieces) piece.fill(POISON)
  }

  /** Pieces in memory of their own, never of Node's pool. */
  #cut(): Buffer[] {
    const pieces: Buffer[] = []
    for (let at = 0; at < this.content.length; ) {
      const text = this.content.slice(at, at + 1 + this.#random.below(this.content.length))
      pieces.push(ownBytes(text))
      at += text.length
    }
    return pieces
  }

  #whole(): Buffer {
    const bytes = ownBytes(this.content)
    this.#pieces.splice(0, Number.POSITIVE_INFINITY, bytes)
    return bytes
  }

  *#generate(): Generator<Buffer> {
    this.#open = true
    try {
      for (const piece of this.#pieces) {
        this.#code()
        yield piece
        piece.fill(POISON)
      }
    } finally {
      this.#open = false
    }
  }

  async *#generateLater(): AsyncGenerator<Buffer> {
    this.#open = true
    try {
      for (const piece of this.#pieces) {
        if (this.#random.once(2)) await new Promise(setImmediate)
        this.#code()
        yield piece
        piece.fill(POISON)
      }
    } finally {
      this.#open = false
    }
  }

  #readable(): Readable {
    let next = 0
    const give = () => stream.push(this.#pieces[next++] ?? null)
    const stream = new Readable({
      highWaterMark: this.#random.pick([1, 16384]),
      read: () => {
        if (this.#random.once(2)) give()
        else setImmediate(() => stream.destroyed || give())
      },
    })
    return stream
  }

  #view(): ArrayBufferView {
    const { buffer, byteLength } = this.#whole()
    return byteLength % 2 === 0 ? new Uint16Array(buffer) : new DataView(buffer)
  }

  /** Asynchronous, without a generator behind it. */
  #iterator(): AsyncIterable<Buffer> {
    let next = 0
    const end = async () => {
      this.#open = false
      return { done: true as const, value: undefined }
    }
    const give = async () => {
      this.#pieces[next - 1]?.fill(POISON)
      if (this.#random.once(2)) await new Promise(setImmediate)
      const open = this.#open
      // One that throws has ended.
      this.#open = false
      this.#code()
      const piece = this.#pieces[next++]
      if (piece === undefined) return { done: true as const, value: undefined }
      this.#open = open
      return { done: false as const, value: piece }
    }
    const begin = () => {
      this.#open = true
      return { next: give, return: end }
    }
    return { [Symbol.asyncIterator]: begin }
  }

  /** A stream of the first kind, which has `pause` and `resume` alone. */
  #oldStream(): Stream {
    this.#open = true
    let next = 0
    let flows = true
    const body = Object.assign(new Stream(), {
      readable: true,
      pause: () => {
        flows = false
      },
      resume: () => {
        if (flows) return
        flows = true
        setImmediate(give)
      },
      destroy: () => {
        this.#open = false
      },
    })
    const give = () => {
      if (!flows || !this.#open) return
      const piece = this.#pieces[next++]
      if (piece !== undefined) {
        body.emit('data', piece)
        setImmediate(give)
        return
      }
      this.#open = false
      body.readable = false
      body.emit('end')
    }
    setImmediate(give)
    return body
  }

  /** A request that a server received. Destroyed, it would take the connection of its answer along. */
  #incoming(): IncomingMessage {
    const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
    const message = new IncomingMessage(socket as Socket)
    Object.assign(message, { method: 'PUT', httpVersion: '1.1' })
    let next = 0
    const give = () => {
      const piece = this.#pieces[next++]
      message.complete = piece === undefined
      message.push(piece ?? null)
      if (piece !== undefined) setImmediate(give)
    }
    setImmediate(give)
    return message
  }

  /** Without a queue of its own: it is asked for a piece when its reader waits for one. */
  #web(): ReadableStream {
    this.#open = true
    let cancelled = false
    let next = 0
    const pull = (controller: ReadableStreamDefaultController) => {
      this.#pieces[next - 1]?.fill(POISON)
      const piece = this.#pieces[next++]
      this.#open = false
      this.#code()
      // That may have ended the request.
      if (cancelled) return
      if (piece === undefined) return controller.close()
      this.#open = true
      controller.enqueue(piece)
    }
    const cancel = () => {
      cancelled = true
      this.#open = false
    }
    return new ReadableStream({ pull, cancel }, { highWaterMark: 0 })
  }
}

function ownBytes(text: string): Buffer {
  const bytes = Buffer.alloc(text.length)
  bytes.write(text, 'latin1')
  return bytes
}
