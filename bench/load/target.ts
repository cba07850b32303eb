import { type DispatchHandler, Pool } from '../../lib/index.js'
import type { Done, Session } from '../harness/session.js'
import type { LoadOptions } from './options.js'

type DispatchController = Parameters<NonNullable<DispatchHandler['onRequestStart']>>[0]

/** An origin under load, through a Pool, and what came back so far. */
export class Target implements Session {
  sent = 0
  answered = 0
  failed = 0
  /** Bytes of bodies. */
  received = 0
  /** How often each status came, and each kind of failure. */
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

  /** Calls back with an error for a status that is not right, too. */
  send(done: Done): void {
    this.sent++
    this.#pool.dispatch(this.#options, new Answer(this, done))
  }

  close(): Promise<void> {
    return this.#pool.destroy()
  }

  ended(outcome: string, right: boolean): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1)
    if (right) this.answered++
    else this.failed++
  }

  isRight(status: number): boolean {
    return this.#status === null ? status < 400 : status === this.#status
  }
}

class Answer implements DispatchHandler {
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
    const right = this.#target.isRight(this.#status)
    this.#target.ended(String(this.#status), right)
    this.#done(right ? null : new Error(`status ${this.#status}`))
  }

  onResponseError(_controller: DispatchController, error: Error): void {
    this.#target.ended((error as { code?: string }).code ?? error.name, false)
    this.#done(error)
  }
}
