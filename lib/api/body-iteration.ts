/** Returned instead of a chunk when the rest of the body must be read from the stream. */
export const IN_STREAM: unique symbol = /* @__PURE__ */ Symbol('in the stream')

/** A chunk, or null after the last one. */
export type BodyChunk = Buffer | null | typeof IN_STREAM

/** Body that can be iterated without its stream. */
export interface IterableBody {
  next(): Promise<BodyChunk>
  stream(): AsyncIterable<unknown>
  /** Called when the iteration ends before the body. */
  cancel(): void
}

/**
 * Iterator for `for await`: yields the chunks as received. A stream would copy and join buffered chunks, and would pause
 * the connection after each chunk.
 */
export async function* iterateBody(body: IterableBody): AsyncGenerator<unknown, undefined> {
  let ended = false
  try {
    for (let chunk = await body.next(); chunk !== null; chunk = await body.next()) {
      if (chunk === IN_STREAM) return yield* body.stream() as AsyncGenerator<unknown, undefined>
      yield chunk
    }
    ended = true
  } finally {
    if (!ended) body.cancel()
  }
}

/** Iterators of one body that wait for its next chunk. */
export class PendingReads {
  #resolvers: ((chunk: Promise<BodyChunk> | BodyChunk) => void)[] = []

  get pending(): boolean {
    return this.#resolvers.length > 0
  }

  add(): Promise<BodyChunk> {
    return new Promise((resolve) => this.#resolvers.push(resolve))
  }

  resolveNext(chunk: Buffer): void {
    this.#resolvers.shift()?.(chunk)
  }

  resolveAll(chunk: () => Promise<BodyChunk> | BodyChunk): void {
    for (const resolve of this.#resolvers.splice(0)) resolve(chunk())
  }
}
