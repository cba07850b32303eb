import type { Scenario } from '../origin/scenarios.js'

/** Bodies of up to this many bytes are always compared byte by byte. */
const SMALL = 65_536
/** One in this many longer bodies is compared byte by byte; of the others, the length and both ends of each chunk. */
const THOROUGH_EVERY = 16
/** Up to this many bytes, a loop is faster than Buffer.compare. */
const TINY = 64

export class WrongResponse extends Error {
  override name = 'WrongResponse'
}

/** Compares responses with the expected response of a scenario. */
export class ResponseChecker {
  readonly expected: Buffer
  readonly text: string
  #responses = 0

  constructor(scenario: Scenario) {
    this.expected = scenario.body
    this.text = scenario.body.length > SMALL ? '' : scenario.body.toString('latin1')
  }

  /** Begins the check of one response whose body arrives in chunks. */
  start(): ReceivedBody {
    return new ReceivedBody(this.expected, this.expected.length <= SMALL || this.#responses++ % THOROUGH_EVERY === 0)
  }

  bytes(status: number | undefined, body: Uint8Array): Error | null {
    const received = this.start()
    received.chunk(body)
    return received.end(status)
  }

  string(status: number | undefined, body: string): Error | null {
    return status === 200 && body === this.text ? null : wrong(status, body.length, this.text.length)
  }

  json(status: number | undefined, body: unknown): Error | null {
    const correct = status === 200 && (body as { hello?: unknown } | null)?.hello === 'world'
    return correct ? null : wrong(status, null, this.text.length)
  }
}

/** Checks the body of one response, chunk by chunk. */
export class ReceivedBody {
  readonly #expected: Buffer
  readonly #thorough: boolean
  #length = 0
  #matched = true

  constructor(expected: Buffer, thorough: boolean) {
    this.#expected = expected
    this.#thorough = thorough
  }

  chunk(chunk: Uint8Array): void {
    const at = this.#length
    this.#length += chunk.length
    this.#matched &&= this.#matches(chunk, at)
  }

  end(status: number | undefined): Error | null {
    const correct = status === 200 && this.#matched && this.#length === this.#expected.length
    return correct ? null : wrong(status, this.#length, this.#expected.length)
  }

  #matches(chunk: Uint8Array, at: number): boolean {
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
    `wrong response: status ${status}, ${body}; expected status 200 and the ${expected} bytes of the scenario`,
  )
}
