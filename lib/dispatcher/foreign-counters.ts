import { type CounterName, RequestCounters } from '../base/request-counters.js'
import type { Dispatcher } from './dispatcher.js'

const countersByDispatcher = new WeakMap<Dispatcher, ForeignCounters>()

/** Counts connections and requests of a dispatcher of another library, once for all pools that it belongs to. */
export class ForeignCounters {
  readonly #tally = new RequestCounters()
  /**
   * Parent counters by holder, which receives the events of the dispatcher. Only the first holder counts connections.
   */
  readonly #holders = new Map<object, RequestCounters>()

  static of(dispatcher: Dispatcher): ForeignCounters {
    const count = countersByDispatcher.get(dispatcher) ?? new ForeignCounters()
    countersByDispatcher.set(dispatcher, count)
    return count
  }

  get connected(): number {
    return this.#tally.connected
  }

  /** Adds a holder, which reports connections from now on. Everything is counted in `tally` too. */
  addHolder(holder: object, tally: RequestCounters): void {
    this.#holders.set(holder, tally)
    this.#tally.attach(tally)
  }

  removeHolder(holder: object): void {
    const tally = this.#holders.get(holder)
    this.#holders.delete(holder)
    // Without holders, closed connections would not be noticed.
    if (this.#holders.size === 0) this.add('connected', -this.connected)
    if (tally !== undefined && ![...this.#holders.values()].includes(tally)) this.#tally.detach(tally)
  }

  countConnection(holder: object, difference: 1 | -1): void {
    const [first] = this.#holders.keys()
    if (first === holder && this.connected + difference >= 0) this.add('connected', difference)
  }

  add(count: CounterName, difference: number): void {
    this.#tally.add(count, difference)
    const { connected, running, free } = this.#tally
    this.#tally.add('free', Math.max(0, connected - running) - free)
  }
}
