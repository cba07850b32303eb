import type { OwnedBody } from './owned-body.js'

interface Closable {
  next?: unknown
  return?: unknown
  locked?: boolean
  cancel?: unknown
}

/** Request bodies, and whether they have been read. */
const readBodies = new WeakMap<object, boolean>()

/** Whether `body` is an iterator or a web stream, which must be closed if it is not read. */
export function isClosableIterator(body: unknown): body is object {
  if (typeof body !== 'object' || body === null || ArrayBuffer.isView(body)) return false
  const { next, return: end, locked, cancel } = body as Closable
  return typeof (typeof next === 'function' ? end : locked === false ? cancel : null) === 'function'
}

/** Marks a body as read: from now on its reader closes it. */
export function markIteratorRead(body: object): void {
  if (readBodies.has(body)) readBodies.set(body, true)
}

/**
 * Returns an iterator over an async source whose `return` closes the source at once, even while a chunk is pending.
 * `for await` would wait for that chunk, which a stalled source never yields. Returns `null` for other sources.
 */
export function closableIterator(body: object): AsyncIterableIterator<unknown> | null {
  const { getReader, [Symbol.toStringTag]: tag } = body as ReadableStream & { [Symbol.toStringTag]?: unknown }
  if (tag === 'ReadableStream' && typeof getReader === 'function') {
    const reader = getReader.call(body) as ReadableStreamDefaultReader<unknown>
    return createIterator(
      () => reader.read() as Promise<IteratorResult<unknown>>,
      () => reader.cancel(),
    )
  }
  const { [Symbol.asyncIterator]: iterate } = body as Partial<AsyncIterable<unknown>>
  if (typeof iterate !== 'function') return null
  const iterator = iterate.call(body)
  const { next } = iterator
  return createIterator(
    () => next.call(iterator),
    () => iterator.return?.(),
  )
}

/** `end` is called once, and never synchronously within `return`, because it runs user code. */
function createIterator(
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

/** An iterator or web stream used as request body. It is closed if its request ends before it is read. */
export class OwnedIterator implements OwnedBody {
  readonly error = null
  readonly #body: Closable

  /** Takes ownership of `body`. Returns `null` if an outer layer owns it, or another request has read it. */
  static of(body: object): OwnedIterator | null {
    if (readBodies.has(body)) return null
    readBodies.set(body, false)
    return new OwnedIterator(body)
  }

  private constructor(body: Closable) {
    this.#body = body
  }

  release(): void {}

  onRequestStart(): void {}

  onRequestEnd(): void {
    this.stop()
  }

  stop(error?: Error): void {
    const body = this.#body
    if (readBodies.get(body) === true) return
    readBodies.set(body, true)
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
