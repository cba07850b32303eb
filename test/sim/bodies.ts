import { Readable, Stream } from 'node:stream'
import type { BodyInput } from '../../lib/exchange/request.js'
import { incomingBody } from './incoming-body.js'
import type { RequestMemory } from './memory.js'
import type { Random } from './random.js'
import type { UserCode } from './user-code.js'
import { WHOLE, type WholeKind, wholeBody } from './whole-bodies.js'

/** Environment of a request body source. */
export interface SourceParts {
  readonly upload: Buffer
  readonly memory: RequestMemory
  readonly random: Random
  readonly userCode: UserCode
  /** Whether sources may fail. */
  readonly wild: boolean
  /** Whether it stalls after some of its chunks. */
  readonly stalls: boolean
  arrive(delay: number, run: () => void): void
}

export interface MadeBody {
  readonly body: BodyInput
  /** Whether it can be read only once. */
  readonly streams: boolean
  /** Returns whether the library closed it or read it completely. Called when the run is complete. */
  closed(): boolean
  /**
   * Returns the bytes that a server must receive with this `content-type`, if they differ from `upload`; null if the content-type
   * is wrong.
   */
  encoded?(type: string | undefined): Buffer | null
}

const PLAIN = ['string', 'bytes', 'bytes', 'stream', 'stream', 'iterable', 'generator'] as const
const MORE = [...WHOLE, 'stream', 'old stream', 'iterable', 'generator', 'iterator', 'web', 'incoming'] as const

/** Creates a body with the bytes `upload`, of a random kind; `more`: of every documented kind. */
export function makeBody(parts: SourceParts, more: boolean): MadeBody {
  const kind = parts.random.pick<(typeof PLAIN)[number] | (typeof MORE)[number]>(more ? MORE : PLAIN)
  switch (kind) {
    case 'stream':
      return streamBody(parts)
    case 'old stream':
      return oldStreamBody(parts)
    case 'incoming':
      return incomingBody(parts)
    case 'iterable': {
      const body = new Pieces(parts)
      return { body, streams: true, closed: () => body.closed }
    }
    case 'web':
      return webBody(parts)
    case 'iterator': {
      const body = new AsyncPieces(parts)
      return { body, streams: true, closed: () => body.closed }
    }
    case 'generator':
      return generatorBody(parts)
    default:
      return wholeBody(kind satisfies WholeKind, parts)
  }
}

export function piecesOf({ upload, random }: Pick<SourceParts, 'upload' | 'random'>): Buffer[] {
  const all: Buffer[] = []
  for (let at = 0; at < upload.length; ) {
    const piece = upload.subarray(at, at + Math.max(random.spread(1, 4000), upload.length >> 4))
    at += piece.length
    all.push(piece)
  }
  return all
}

/** Each chunk may be delayed; in a wild run it may fail. */
function streamBody(parts: SourceParts): MadeBody {
  const { random } = parts
  const pieces = piecesOf(parts)
  const failsAt = parts.wild && random.chance(0.1) ? random.between(0, pieces.length) : -1
  const stallsAt = parts.stalls ? random.between(0, pieces.length) : -1
  let given = 0
  const source = new Readable({
    highWaterMark: random.pick([1, 16, 16384]),
    read() {
      const give = (): void => {
        if (source.destroyed) return
        if (given === stallsAt) return
        if (given === failsAt) return void source.destroy(new Error('the source broke'))
        const piece = pieces[given++]
        source.push(piece === undefined ? null : parts.memory.lendToStream(piece))
      }
      if (random.chance(0.5)) give()
      else parts.arrive(random.spread(0, 100), give)
    },
  })
  // The caller may destroy it at any time.
  if (parts.wild && random.chance(0.05)) {
    parts.arrive(random.spread(0, 3000), () =>
      source.destroy(random.chance(0.5) && source.listenerCount('error') > 0 ? new Error('not wanted') : undefined),
    )
  }
  return { body: source, streams: true, closed: () => source.destroyed }
}

/** An old-style stream, which has only `pause` and `resume`. */
function oldStreamBody(parts: SourceParts): MadeBody {
  const { random, wild, stalls } = parts
  const pieces = piecesOf(parts)
  const failsAt = wild && random.chance(0.1) ? random.between(0, pieces.length) : -1
  const stallsAt = stalls ? random.between(0, pieces.length) : -1
  let given = 0
  let open = true
  let flows = true
  const end = (): void => {
    open = false
    body.readable = false
  }
  const body = Object.assign(new Stream(), {
    readable: true,
    pause: () => {
      flows = false
    },
    resume: () => {
      if (flows) return
      flows = true
      later()
    },
    destroy: end,
  })
  const give = (): void => {
    if (!flows || !open || given === stallsAt) return
    if (given === failsAt) {
      end()
      // A getter may have thrown before the library added a listener.
      if (body.listenerCount('error') > 0) body.emit('error', new Error('the source broke'))
      return
    }
    const piece = pieces[given++]
    if (piece === undefined) {
      end()
      body.emit('end')
    } else {
      body.emit('data', parts.memory.lend(piece))
      later()
    }
  }
  const later = (): void => parts.arrive(random.spread(0, 50), give)
  later()
  return { body: body as unknown as BodyInput, streams: true, closed: () => !open }
}

function generatorBody(parts: SourceParts): MadeBody {
  const body = generate(parts, () => {
    closed = true
  })
  let closed = false
  const { return: end } = body
  // A generator that was never started ends without running its finally block.
  body.return = (value) => {
    closed = true
    return end.call(body, value)
  }
  return { body, streams: true, closed: () => closed }
}

/** Overwrites a chunk when the next one is requested. */
async function* generate(parts: SourceParts, onEnd: () => void): AsyncGenerator<Buffer> {
  try {
    yield* generatePieces(parts)
  } finally {
    onEnd()
  }
}

async function* generatePieces(parts: SourceParts): AsyncGenerator<Buffer> {
  const { random } = parts
  for (const piece of piecesOf(parts)) {
    if (random.chance(0.3)) await new Promise<void>((resolve) => parts.arrive(random.spread(0, 50), resolve))
    if (parts.wild && random.chance(0.02)) throw new Error('the generator broke')
    parts.userCode.run('source')
    const lent = parts.memory.lend(piece)
    try {
      yield lent
    } finally {
      parts.memory.recycle(lent)
    }
  }
}

/** Reads chunks one by one, each into the memory of the previous one if that is large enough. */
class Pieces implements Iterable<Buffer>, Iterator<Buffer> {
  readonly #parts: SourceParts
  readonly #pieces: Buffer[]
  #last: Buffer | null = null
  closed = false

  constructor(parts: SourceParts) {
    this.#parts = parts
    this.#pieces = piecesOf(parts)
  }

  [Symbol.iterator](): this {
    return this
  }

  next(): IteratorResult<Buffer> {
    const { memory, userCode } = this.#parts
    memory.recycle(this.#last)
    const { closed } = this
    // An iterator that throws has ended.
    this.closed = true
    userCode.run('source')
    const piece = this.#pieces.shift()
    if (piece === undefined) return { done: true, value: undefined }
    this.closed = closed
    this.#last = memory.lend(piece)
    return { done: false, value: this.#last }
  }

  return(): IteratorResult<Buffer> {
    this.closed = true
    this.#parts.memory.recycle(this.#last)
    this.#pieces.length = 0
    return { done: true, value: undefined }
  }
}

class AsyncPieces implements AsyncIterable<Buffer>, AsyncIterator<Buffer> {
  readonly #parts: SourceParts
  readonly #inner: Pieces
  #nextCalls = 0
  readonly #stallsAt: number
  closed = false

  constructor(parts: SourceParts) {
    this.#parts = parts
    this.#inner = new Pieces(parts)
    this.#stallsAt = parts.stalls ? parts.random.between(0, 4) : -1
  }

  [Symbol.asyncIterator](): this {
    // An iterator that throws here was not opened.
    const { closed } = this
    this.closed = true
    this.#parts.userCode.run('source')
    this.closed = closed
    return this
  }

  async next(): Promise<IteratorResult<Buffer>> {
    const { random } = this.#parts
    if (this.#nextCalls++ === this.#stallsAt) await new Promise<void>(() => {})
    if (random.chance(0.3)) await new Promise<void>((resolve) => this.#parts.arrive(random.spread(0, 50), resolve))
    try {
      const result = this.#inner.next()
      if (result.done === true) this.closed = true
      return result
    } catch (error) {
      this.closed = true
      throw error
    }
  }

  async return(): Promise<IteratorResult<Buffer>> {
    this.closed = true
    return this.#inner.return()
  }
}

/** Without a queue: `pull` is called when the reader waits for a chunk. */
function webBody(parts: SourceParts): MadeBody {
  const pieces = piecesOf(parts)
  const { memory, random } = parts
  const stallsAt = parts.stalls ? random.between(0, pieces.length) : -1
  let pulls = 0
  let last: Buffer | null = null
  let closed = false
  const source = new ReadableStream<Buffer>(
    {
      async pull(controller) {
        memory.recycle(last)
        if (pulls++ === stallsAt) await new Promise<void>(() => {})
        if (random.chance(0.3)) await new Promise<void>((resolve) => parts.arrive(random.spread(0, 50), resolve))
        if (closed) return
        try {
          parts.userCode.run('source')
        } catch (error) {
          closed = true
          throw error
        }
        // The callback may have ended the request.
        if (closed) return
        const piece = pieces.shift()
        last = piece === undefined ? null : memory.lend(piece)
        if (last !== null) return controller.enqueue(last)
        closed = true
        controller.close()
      },
      cancel() {
        closed = true
      },
    },
    { highWaterMark: 0 },
  )
  return { body: source as AsyncIterable<Buffer>, streams: true, closed: () => closed }
}
