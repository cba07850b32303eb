import { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex, Readable, Stream } from 'node:stream'
import type { Random } from './random.js'

/** Bytes that callers overwrite returned memory with. No request contains them. */
export const POISON = 0xdd

/** Calls the library or throws, as a source of the caller may. */
type UserCode = () => void

/** A request body whose memory the caller overwrites as soon as the library must not read it any more. */
export class LentBody {
  /** Expected bytes, one character per byte. */
  readonly content: string
  readonly body: unknown
  readonly #random: Random
  readonly #code: UserCode
  readonly #pieces: Buffer[]
  /** Whether its memory is overwritten when the next chunk is requested. `fetch` reads ahead of its connection. */
  readonly #overwrites: boolean
  #open = false

  /** `fetched`: it is of a kind that `fetch` accepts. */
  constructor(random: Random, mark: string, code: UserCode, fetched = false) {
    this.#random = random
    this.#code = code
    this.#overwrites = !fetched
    this.content = mark.repeat(random.once(20) ? 40_000 : random.below(200))
    this.#pieces = this.#cut()
    const kinds = [
      () => this.content,
      () => this.#whole(),
      () => this.#whole().buffer,
      () => this.#generateLater(),
      () => this.#readable(),
      () => this.#web(),
      () => this.#view(),
      () => this.#iterator(),
      () => new URLSearchParams({ mark: this.content }),
      () => new Blob([this.content]),
      () => this.#form(),
    ]
    const others = [() => this.#pieces, () => this.#generate(), () => this.#oldStream(), () => this.#incoming()]
    this.body = random.pick<() => unknown>(fetched ? kinds : [...kinds, ...others])()
  }

  /** Whether it is a FormData with one text, whose boundary is random. */
  #form(): FormData {
    const form = new FormData()
    form.append('mark', this.content)
    return form
  }

  /** Returns whether `received` equals the body, one character per byte. */
  arrives(received: string): boolean {
    if (this.body instanceof URLSearchParams) return received === String(this.body)
    if (!(this.body instanceof FormData)) return received === this.content
    const boundary = received.slice(0, received.indexOf('\r\n'))
    const head = `${boundary}\r\nContent-Disposition: form-data; name="mark"\r\n\r\n`
    return boundary.startsWith('--') && received === `${head}${this.content}\r\n${boundary}--\r\n`
  }

  /** Returns whether the source was closed or completely read. */
  get closed(): boolean {
    if (this.body instanceof IncomingMessage) return this.body.readableEnded && !this.body.socket.destroyed
    return this.body instanceof Readable ? this.body.destroyed : !this.#open
  }

  /** Called when the library reports `chunk` as sent. */
  sent(chunk: Uint8Array): void {
    for (const piece of this.#pieces) if (piece.buffer === chunk.buffer) piece.fill(POISON)
  }

  /** Called when the library reports the body as sent, or the request as ended. */
  release(): void {
    for (const piece of this.#pieces) piece.fill(POISON)
  }

  /** Called when the chunk after `piece` is requested. */
  #taken(piece: Buffer | undefined): void {
    if (this.#overwrites) piece?.fill(POISON)
  }

  /** Creates chunks in their own memory, never of Node's pool. */
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
        this.#taken(piece)
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
        this.#taken(piece)
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

  /** Creates an async iterator that is not a generator. */
  #iterator(): AsyncIterable<Buffer> {
    let next = 0
    const end = async () => {
      this.#open = false
      return { done: true as const, value: undefined }
    }
    const give = async () => {
      this.#taken(this.#pieces[next - 1])
      if (this.#random.once(2)) await new Promise(setImmediate)
      const open = this.#open
      // An iterator that throws has ended.
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

  /** Creates an old-style stream, which has only `pause` and `resume`. */
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

  /** Creates an incoming message. Destroying it would close the connection of its response. */
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

  /** Without a queue: `pull` is called when the reader waits for a chunk. */
  #web(): ReadableStream {
    this.#open = true
    let cancelled = false
    let next = 0
    const pull = (controller: ReadableStreamDefaultController) => {
      this.#taken(this.#pieces[next - 1])
      const piece = this.#pieces[next++]
      this.#open = false
      this.#code()
      // The callback may have ended the request.
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
