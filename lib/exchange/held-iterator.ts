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
 * The pieces of an asynchronous source, whose `return` closes it at once, though it owes a piece: `for await` would wait
 * for that, which a source that stalls never gives. Of anything else, null.
 */
export function closablePieces(body: object): AsyncIterableIterator<unknown> | null {
  const { getReader, [Symbol.toStringTag]: tag } = body as ReadableStream & { [Symbol.toStringTag]?: unknown }
  if (tag === 'ReadableStream' && typeof getReader === 'function') {
    const reader = getReader.call(body) as ReadableStreamDefaultReader<unknown>
    return pieces(
      () => reader.read() as Promise<IteratorResult<unknown>>,
      () => reader.cancel(),
    )
  }
  const { [Symbol.asyncIterator]: iterate } = body as Partial<AsyncIterable<unknown>>
  if (typeof iterate !== 'function') return null
  const iterator = iterate.call(body)
  const { next } = iterator
  return pieces(
    () => next.call(iterator),
    () => iterator.return?.(),
  )
}

/** `end` is called once, and never within `return`: it runs code of the caller. */
function pieces(
  next: () => Promise<IteratorResult<unknown>>,
  end: () => Promise<unknown> | undefined,
): AsyncIterableIterator<unknown> {
  let ended = false
  const all: AsyncIterableIterator<unknown> = {
    next,
    async return() {
      if (!ended) {
        ended = true
        await null
        await end()
      }
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]: () => all,
  }
  return all
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
