import { now } from '../base/clock.js'
import { unpolluted } from '../base/prototype-pollution.js'
import { positiveNumber } from '../errors/option-checks.js'
import { refuseUnknownOptions } from '../errors/unknown-options.js'
import { invalidOption } from '../errors.js'

/** Limit on the retries of all requests together. Source: Finagle's `RetryBudget`. */
export interface RetryBudgetOptions {
  /** Retries per request. Default: 0.2. */
  ratio?: number
  /** Retries per second that are always allowed. Default: 10. */
  minPerSecond?: number
}

/** Length of the sliding window in seconds. */
const SECONDS = 10

/** Sliding-window limit on retries: in ten seconds at most `ratio` of the requests, plus `minPerSecond` per second. */
export class RetryBudget {
  readonly #ratio: number
  readonly #reserve: number
  readonly #now: () => number
  /** Requests per second of the window, by second modulo its length; retries likewise. */
  readonly #requests = new Float64Array(SECONDS)
  readonly #retries = new Float64Array(SECONDS)
  #second = 0

  constructor(given: RetryBudgetOptions, time: () => number = now, name = 'retryBudget') {
    if (typeof given !== 'object' || given === null) throw invalidOption(name, 'an object', given)
    refuseUnknownOptions({ bag: name, names: ['ratio', 'minPerSecond'] }, given)
    const options = unpolluted(given)
    this.#ratio = positiveNumber(`${name}.ratio`, options.ratio, [0.2])
    this.#reserve = SECONDS * positiveNumber(`${name}.minPerSecond`, options.minPerSecond, [10])
    this.#now = time
    this.#second = Math.floor(time() / 1000)
  }

  /** Counts a request. */
  addRequest(): void {
    this.#advance()
    this.#count(this.#requests)
  }

  /** Counts a retry and returns true, or returns false if the budget is used up. */
  takeRetry(): boolean {
    this.#advance()
    if (sum(this.#retries) + 1 > this.#ratio * sum(this.#requests) + this.#reserve) return false
    this.#count(this.#retries)
    return true
  }

  #count(counts: Float64Array): void {
    const index = this.#second % SECONDS
    counts[index] = (counts[index] as number) + 1
  }

  #advance(): void {
    const second = Math.floor(this.#now() / 1000)
    const last = Math.max(this.#second, second - SECONDS)
    for (let passed = last + 1; passed <= second; passed++) {
      this.#requests[passed % SECONDS] = 0
      this.#retries[passed % SECONDS] = 0
    }
    this.#second = second
  }
}

function sum(counts: Float64Array): number {
  return counts.reduce((total, count) => total + count, 0)
}
