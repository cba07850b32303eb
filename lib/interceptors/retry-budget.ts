import { now } from '../base/clock.js'
import { unpolluted } from '../base/prototype-pollution.js'
import { positiveNumber } from '../errors/option-checks.js'
import { invalidOption } from '../errors.js'

/** How much may be tried again, all requests taken together. Source: Finagle's `RetryBudget`. */
export interface RetryBudgetOptions {
  /** Tries for each request. Default: 0.2. */
  ratio?: number
  /** Tries in each second whatever the number of requests. Default: 10. */
  minPerSecond?: number
}

/** Requests and tries are counted for so many seconds. */
const SECONDS = 10

/** Tries of the last ten seconds are no more than `ratio` of the requests, and `minPerSecond` for each second. */
export class RetryBudget {
  readonly #ratio: number
  readonly #reserve: number
  readonly #now: () => number
  /** Of each second: requests and tries. */
  readonly #requests = new Float64Array(SECONDS)
  readonly #retries = new Float64Array(SECONDS)
  #second = 0

  constructor(given: RetryBudgetOptions, time: () => number = now, name = 'retryBudget') {
    if (typeof given !== 'object' || given === null) throw invalidOption(name, 'an object', given)
    const options = unpolluted(given)
    this.#ratio = positiveNumber(`${name}.ratio`, options.ratio, [0.2])
    this.#reserve = SECONDS * positiveNumber(`${name}.minPerSecond`, options.minPerSecond, [10])
    this.#now = time
    this.#second = Math.floor(time() / 1000)
  }

  addRequest(): void {
    this.#advance()
    this.#count(this.#requests)
  }

  /** False when it is used up. */
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
