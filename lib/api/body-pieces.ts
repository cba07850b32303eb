/** In the place of a piece: what comes is in the stream. */
export const IN_STREAM: unique symbol = /* @__PURE__ */ Symbol('in the stream')

/** A piece, or null behind the last one. */
export type Piece = Buffer | null | typeof IN_STREAM

/** A body that can be iterated over past its stream. */
export interface Iterated {
  next(): Promise<Piece>
  stream(): AsyncIterable<unknown>
  /** The iteration ended before the body. */
  giveUp(): void
}

/**
 * What `for await` goes over: pieces as they came. A stream would join what came meanwhile in other memory, and have the
 * connection stop behind each piece.
 */
export async function* eachPiece(body: Iterated): AsyncGenerator<unknown, undefined> {
  let over = false
  try {
    for (let piece = await body.next(); piece !== null; piece = await body.next()) {
      if (piece === IN_STREAM) return yield* body.stream() as AsyncGenerator<unknown, undefined>
      yield piece
    }
    over = true
  } finally {
    if (!over) body.giveUp()
  }
}

/** Iterations over one body that wait for its next piece. */
export class Waiting {
  #tells: ((piece: Promise<Piece> | Piece) => void)[] = []

  get any(): boolean {
    return this.#tells.length > 0
  }

  wait(): Promise<Piece> {
    return new Promise((resolve) => this.#tells.push(resolve))
  }

  give(piece: Buffer): void {
    this.#tells.shift()?.(piece)
  }

  giveAll(piece: () => Promise<Piece> | Piece): void {
    for (const tell of this.#tells.splice(0)) tell(piece())
  }
}
