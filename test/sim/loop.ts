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
/** ms that a turn of the loop takes. */
const TURN = 1 / 16
const realRandom = Math.random

/**
 * An event loop whose time stands still while a callback runs, with the phases of Node's: timers, poll (here: what the
 * network brings) and check. Ticks and promise jobs are the real ones: all of them run after each callback.
 */
export class Loop {
  now = 1000
  /** Callbacks run so far. */
  steps = 0
  readonly #random: Random
  /** Where the library draws from. */
  readonly #chance: Random
  readonly #timers: Entry[] = []
  readonly #arrivals: Entry[] = []
  #immediates: Entry[] = []
  #ready: Entry[] = []
  #phase: Phase = 'check'
  #orders = 0
  /** How likely it is that the process is busy for a while when it should wake up. */
  readonly #hiccups: number

  constructor(random: Random, hiccups: number) {
    this.#random = random
    this.#chance = random.fork(1)
    this.#hiccups = hiccups
  }

  /** Puts this time in the place of the real one. */
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

  /** Puts off to the next check phase. */
  check(callback: () => void): unknown {
    const entry = this.#entry(callback, 0)
    this.#immediates.push(entry)
    return entry
  }

  /** Something comes in from outside in `delay` ms. */
  arrive(delay: number, run: () => void): void {
    this.#add(this.#arrivals, run, delay)
  }

  /**
   * Runs until nothing is left to happen, or `until` returns true. `look` is called after each callback and all that follows from it at once;
   * `onUncaught` with what a callback throws, as Node's `uncaughtException` would be emitted.
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
        // Who waits by turns of the loop for some time to pass does not wait for ever.
        this.now += TURN
        if (this.#immediates.length === 0 && !this.#sleep()) return null
        this.#ready = this.#takeDue(this.#timers)
      }
    }
  }

  /** Moves time on to what comes next; false when nothing does. */
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
