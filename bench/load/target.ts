import { type DispatchHandler, Pool } from '../../lib/index.js'
import type { Done, Session } from '../harness/client-session.js'
import type { LoadOptions } from './options.js'

type DispatchController = Parameters<NonNullable<DispatchHandler['onRequestStart']>>[0]

/** Sends requests to one origin through a Pool and counts their outcomes. */
export class Target implements Session {
  sent = 0
  answered = 0
  failed = 0
  /** Received body bytes. */
  received = 0
  /** Number of responses by status, and of failures by error code. */
  readonly outcomes = new Map<string, number>()
  readonly #pool: Pool
  readonly #options: { path: string; method: string; headers: Record<string, string>; body: Buffer | null }
  readonly #status: number | null

  constructor(options: LoadOptions) {
    const { url, connections, pipelining, method, headers, body, ca, status } = options
    const connect = ca === null ? {} : { ca }
    this.#pool = new Pool(url.origin, { connections, pipelining, connect })
    this.#options = { path: url.pathname + url.search, method, headers, body }
    this.#status = status
  }

  /** Sends one request. Reports an error for an unexpected status too. */
  send(done: Done): void {
    this.sent++
    this.#pool.dispatch(this.#options, new Handler(this, done))
  }

  close(): Promise<void> {
    return this.#pool.destroy()
  }

  ended(outcome: string, expected: boolean): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1)
    if (expected) this.answered++
    else this.failed++
  }

  isExpected(status: number): boolean {
    return this.#status === null ? status < 400 : status === this.#status
  }
}

class Handler implements DispatchHandler {
  readonly #target: Target
  readonly #done: Done
  #status = 0

  constructor(target: Target, done: Done) {
    this.#target = target
    this.#done = done
  }

  onRequestStart(): void {}

  onResponseStart(_controller: DispatchController, status: number): void {
    this.#status = status
  }

  onResponseData(_controller: DispatchController, chunk: Buffer): void {
    this.#target.received += chunk.length
  }

  onResponseEnd(): void {
    const expected = this.#target.isExpected(this.#status)
    this.#target.ended(String(this.#status), expected)
    this.#done(expected ? null : new Error(`status ${this.#status}`))
  }

  onResponseError(_controller: DispatchController, error: Error): void {
    this.#target.ended((error as { code?: string }).code ?? error.name, false)
    this.#done(error)
  }
}
