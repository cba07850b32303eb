import { type CounterName, RequestCounters } from '../base/request-counters.js'
import type { Dispatcher } from './dispatcher.js'

const countersByDispatcher = new WeakMap<Dispatcher, ForeignCounters>()

/** Counts connections and requests of a dispatcher of another library, once for all pools that it belongs to. */
export class ForeignCounters {
  readonly #counters = new RequestCounters()
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
    return this.#counters.connected
  }

  /** Adds a holder, which reports connections from now on. Everything is counted in `parent` too. */
  addHolder(holder: object, parent: RequestCounters): void {
    this.#holders.set(holder, parent)
    this.#counters.attach(parent)
  }

  removeHolder(holder: object): void {
    const parent = this.#holders.get(holder)
    this.#holders.delete(holder)
    // Without holders, closed connections would not be noticed.
    if (this.#holders.size === 0) this.add('connected', -this.connected)
    if (parent !== undefined && ![...this.#holders.values()].includes(parent)) this.#counters.detach(parent)
  }

  countConnection(holder: object, difference: 1 | -1): void {
    const [first] = this.#holders.keys()
    if (first === holder && this.connected + difference >= 0) this.add('connected', difference)
  }

  add(count: CounterName, difference: number): void {
    this.#counters.add(count, difference)
    const { connected, running, free } = this.#counters
    this.#counters.add('free', Math.max(0, connected - running) - free)
  }
}
