import type { HeldBody } from './body-owner.js'

interface Closable {
  next?: unknown
  return?: unknown
  locked?: boolean
  cancel?: unknown
}

/** Bodies of requests, and whether they were read from. */
const begun = new WeakMap<object, boolean>()

/** Whether `body` is an iterator or a web stream, which has to be closed when it is not read. */
export function isIterator(body: unknown): body is object {
  if (typeof body !== 'object' || body === null || ArrayBuffer.isView(body)) return false
  const { next, return: end, locked, cancel } = body as Closable
  return typeof (typeof next === 'function' ? end : locked === false ? cancel : null) === 'function'
}

/** From now on its reader closes it. */
export function beginIterator(body: object): void {
  if (begun.has(body)) begun.set(body, true)
}

/**
 * The pieces of a web stream, whose `return` cancels it at once: that of its own iterator waits for the piece that was
 * asked for, which a stream that stalls never gives. Of anything else, null.
 */
export function piecesOfWebStream(body: object): AsyncIterableIterator<unknown> | null {
  const { getReader, [Symbol.toStringTag]: tag } = body as ReadableStream & { [Symbol.toStringTag]?: unknown }
  if (tag !== 'ReadableStream' || typeof getReader !== 'function') return null
  const reader = getReader.call(body) as ReadableStreamDefaultReader<unknown>
  const pieces: AsyncIterableIterator<unknown> = {
    next: () => reader.read() as Promise<IteratorResult<unknown>>,
    return: async () => ({ done: true, value: await reader.cancel() }),
    [Symbol.asyncIterator]: () => pieces,
  }
  return pieces
}

/** An iterator or web stream that is a request body. It is closed when its request ends before it is read. */
export class HeldIterator implements HeldBody {
  readonly error = null
  readonly #body: Closable

  /** Returns null when an outer layer holds `body`, or another request has read it. */
  static hold(body: object): HeldIterator | null {
    if (begun.has(body)) return null
    begun.set(body, false)
    return new HeldIterator(body)
  }

  private constructor(body: Closable) {
    this.#body = body
  }

  release(): void {}

  started(): void {}

  concluded(): void {
    this.stop()
  }

  stop(error?: Error): void {
    const body = this.#body
    if (begun.get(body) === true) return
    begun.set(body, true)
    try {
      const { return: end, cancel } = body as { return?: () => unknown; cancel?: (error: unknown) => unknown }
      const closed = end === undefined ? cancel?.call(body, error) : end.call(body)
      Promise.resolve(closed).catch(ignore)
    } catch {
      // The request has an error already.
    }
  }
}

function ignore(): void {}
