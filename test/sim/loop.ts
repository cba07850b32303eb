import { checkIn, realImmediate } from './immediate.js'
import type { Random } from './random.js'

type Phase = 'timers' | 'poll' | 'check'

interface Entry {
  readonly at: number
  readonly order: number
  readonly run: () => void
  cancelled: boolean
}

const real = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
}
/** Duration of an event-loop turn in ms. */
const TURN = 1 / 16
const realRandom = Math.random

/**
 * Simulated event loop with Node's phases: timers, poll (network events) and check. No time passes while a callback runs.
 * Ticks and microtasks are real and run after each callback.
 */
export class Loop {
  now = 1000
  /** Number of callbacks run. */
  steps = 0
  readonly #random: Random
  /** Random numbers for the library. */
  readonly #chance: Random
  readonly #timers: Entry[] = []
  readonly #arrivals: Entry[] = []
  #immediates: Entry[] = []
  #ready: Entry[] = []
  #phase: Phase = 'check'
  #orders = 0
  /** Probability that the process is busy for a while when a timer is due. */
  readonly #hiccups: number

  constructor(random: Random, hiccups: number) {
    this.#random = random
    this.#chance = random.fork(1)
    this.#hiccups = hiccups
  }

  /** Replaces the real time and timers by the simulated ones. */
  install(): void {
    Object.assign(globalThis, {
      setTimeout: (callback: () => void, delay = 1) => this.#add(this.#timers, callback, Math.max(1, delay)),
      clearTimeout: (entry: Entry | undefined) => this.#cancel(entry),
    })
    performance.now = () => this.now
    Math.random = () => this.#chance.next()
    checkIn(this)
  }

  uninstall(): void {
    Object.assign(globalThis, real)
    Math.random = realRandom
    checkIn(null)
    delete (performance as { now?: unknown }).now
  }

  /** Schedules a callback for the next check phase. */
  check(callback: () => void): unknown {
    const entry = this.#entry(callback, 0)
    this.#immediates.push(entry)
    return entry
  }

  /** Schedules a network event in `delay` ms. */
  arrive(delay: number, run: () => void): void {
    this.#add(this.#arrivals, run, delay)
  }

  /**
   * Runs until no event is left, or `until` returns true. `look` is called after each callback with its ticks and microtasks;
   * `onUncaught` with exceptions of callbacks, like Node's `uncaughtException`.
   */
  run(look: () => void, onUncaught: (error: unknown) => void, until = () => false): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = (): void => {
        try {
          look()
          if (until()) return resolve()
          const next = this.#next()
          if (next === null) return resolve()
          this.steps++
          try {
            next.run()
          } catch (error) {
            onUncaught(error)
          }
        } catch (error) {
          return reject(error)
        }
        realImmediate(step)
      }
      realImmediate(step)
    })
  }

  #next(): Entry | null {
    for (;;) {
      for (let entry = this.#ready.shift(); entry !== undefined; entry = this.#ready.shift()) {
        if (!entry.cancelled) return entry
      }
      if (this.#phase === 'timers') {
        this.#phase = 'poll'
        this.#ready = this.#takeDue(this.#arrivals)
      } else if (this.#phase === 'poll') {
        this.#phase = 'check'
        this.#ready = this.#immediates
        this.#immediates = []
      } else {
        this.#phase = 'timers'
        // Time passes with each turn, so code that waits by `setImmediate` makes progress.
        this.now += TURN
        if (this.#immediates.length === 0 && !this.#sleep()) return null
        this.#ready = this.#takeDue(this.#timers)
      }
    }
  }

  /** Advances the time to the next event. Returns false if there is none. */
  #sleep(): boolean {
    for (let first = this.#timers[0]; first?.cancelled === true; first = this.#timers[0]) this.#timers.shift()
    const next = Math.min(this.#timers[0]?.at ?? Infinity, this.#arrivals[0]?.at ?? Infinity)
    if (next === Infinity) return false
    this.now = Math.max(this.now, next)
    if (this.#random.chance(this.#hiccups)) this.now += this.#random.spread(1, 2000)
    return true
  }

  #takeDue(entries: Entry[]): Entry[] {
    let count = 0
    while ((entries[count]?.at ?? Infinity) <= this.now) count++
    return entries.splice(0, count)
  }

  #entry(run: () => void, at: number): Entry {
    return { at, order: this.#orders++, run, cancelled: false }
  }

  #add(entries: Entry[], run: () => void, delay: number): Entry {
    const entry = this.#entry(run, Math.ceil((this.now + delay) / TURN) * TURN)
    let index = entries.length
    while (index > 0 && (entries[index - 1] as Entry).at > entry.at) index--
    entries.splice(index, 0, entry)
    return entry
  }

  #cancel(entry: Entry | undefined): void {
    if (typeof entry === 'object' && entry !== null) entry.cancelled = true
  }
}
