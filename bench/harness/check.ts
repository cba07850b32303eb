import type { Scene } from '../origin/scenes.js'

/** Bodies up to this are compared byte by byte each time. */
const SMALL = 65_536
/** Of longer ones, each so many-th; of the others, both ends of each chunk and the length. */
const THOROUGH_EVERY = 16
/** Up to this a loop is faster than a call into the runtime. */
const TINY = 64

export class WrongResponse extends Error {
  override name = 'WrongResponse'
}

/** Compares responses with what a scene must answer. */
export class Check {
  readonly expected: Buffer
  readonly text: string
  #responses = 0

  constructor(scene: Scene) {
    this.expected = scene.body
    this.text = scene.body.length > SMALL ? '' : scene.body.toString('latin1')
  }

  /** For one response that comes in chunks. */
  start(): Taken {
    return new Taken(this.expected, this.expected.length <= SMALL || this.#responses++ % THOROUGH_EVERY === 0)
  }

  bytes(status: number | undefined, body: Uint8Array): Error | null {
    const taken = this.start()
    taken.chunk(body)
    return taken.end(status)
  }

  string(status: number | undefined, body: string): Error | null {
    return status === 200 && body === this.text ? null : wrong(status, body.length, this.text.length)
  }

  json(status: number | undefined, body: unknown): Error | null {
    const right = status === 200 && (body as { hello?: unknown } | null)?.hello === 'world'
    return right ? null : wrong(status, null, this.text.length)
  }
}

/** What came of one response so far. */
export class Taken {
  readonly #expected: Buffer
  readonly #thorough: boolean
  #length = 0
  #right = true

  constructor(expected: Buffer, thorough: boolean) {
    this.#expected = expected
    this.#thorough = thorough
  }

  chunk(chunk: Uint8Array): void {
    const at = this.#length
    this.#length += chunk.length
    this.#right &&= this.#holds(chunk, at)
  }

  end(status: number | undefined): Error | null {
    const right = status === 200 && this.#right && this.#length === this.#expected.length
    return right ? null : wrong(status, this.#length, this.#expected.length)
  }

  #holds(chunk: Uint8Array, at: number): boolean {
    const { length } = chunk
    if (length === 0) return true
    if (at + length > this.#expected.length) return false
    if (length <= TINY) {
      for (let i = 0; i < length; i++) if (chunk[i] !== this.#expected[at + i]) return false
      return true
    }
    if (this.#thorough) return this.#expected.compare(chunk, 0, length, at, at + length) === 0
    return chunk[0] === this.#expected[at] && chunk[length - 1] === this.#expected[at + length - 1]
  }
}

function wrong(status: number | undefined, length: number | null, expected: number): WrongResponse {
  const body = length === null ? 'another body' : `a body of ${length} bytes`
  return new WrongResponse(
    `a wrong response: status ${status}, ${body}; expected 200 and the ${expected} bytes agreed on`,
  )
}
