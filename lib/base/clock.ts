import { Heap, type HeapNode } from './heap.js'
import { reportUncaught } from './user-code.js'

/** As they were when this was loaded: fake timers that a test installs later hold no request up. */
export const { queueMicrotask, setImmediate } = globalThis
export const { nextTick } = process

/** Who is told when an alarm goes off. */
export interface AlarmListener {
  /** `late`: ms since it was due. */
  onAlarm(alarm: Alarm, late: number): void
}

/** Where the clock takes time from; tests bring their own. */
export interface TimeSource {
  /** ms, never going back */
  now(): number
  setTimeout(callback: () => void, delay: number): unknown
  clearTimeout(timer: unknown): void
}

const MAX_DELAY = 0x7fffffff

const UNSET = -1

/** ms after which a timer that did not go off is taken for lost, as fake timers are when the real ones come back. */
const LOST_TIMER_DELAY = 1000

/**
 * Looked up at each call, so that fake timers installed later are seen. A `setTimeout` of Node keeps the process
 * alive unless told otherwise; other runtimes answer a number.
 */
const realTime: TimeSource = {
  now: () => performance.now(),
  setTimeout: (callback, delay) => {
    const timer = globalThis.setTimeout(callback, delay)
    if (typeof timer === 'object') timer.unref?.()
    return timer
  },
  clearTimeout: (timer) => globalThis.clearTimeout(timer as NodeJS.Timeout),
}

/**
 * One timer for all alarms. They stand in a heap by the time they were due when they were put in; an alarm that is
 * moved to later, which is what every request does, costs one store: it is put in anew when its old time comes.
 */
export class Clock {
  readonly #time: TimeSource
  readonly #heap = new Heap<Alarm>((a, b) => a.heapKey < b.heapKey)
  #timer: unknown = null
  /** When the timer goes off. */
  #wakeAt = Infinity

  constructor(time: TimeSource = realTime) {
    this.#time = time
  }

  /** Alarms in the heap, those not pending any more included until their old time comes. */
  get size(): number {
    return this.#heap.size
  }

  now(): number {
    return this.#time.now()
  }

  /** @internal */
  schedule(alarm: Alarm): void {
    if (alarm.index >= 0 && alarm.deadline >= alarm.heapKey) return
    this.#insert(alarm)
    this.#startTimer()
  }

  /** @internal */
  remove(alarm: Alarm): void {
    this.#heap.remove(alarm)
  }

  #insert(alarm: Alarm): void {
    alarm.heapKey = alarm.deadline
    this.#heap.insertOrMove(alarm)
  }

  #startTimer(): void {
    const { first } = this.#heap
    if (first === null) return
    const at = first.heapKey
    const now = this.#time.now()
    if (at >= this.#wakeAt && now - this.#wakeAt < LOST_TIMER_DELAY) return
    if (this.#timer !== null) this.#time.clearTimeout(this.#timer)
    this.#wakeAt = at
    // A timer may go off a fraction of a ms early.
    const delay = Math.min(MAX_DELAY, Math.max(1, Math.ceil(at - now)))
    this.#timer = this.#time.setTimeout(() => this.#onTimer(), delay)
  }

  #onTimer(): void {
    this.#timer = null
    this.#wakeAt = Infinity
    const now = this.#time.now()
    // Gathered first: an alarm that a listener sets to now is for the next time.
    const due: Alarm[] = []
    for (let { first } = this.#heap; first !== null && first.heapKey <= now; first = this.#heap.first) {
      this.#heap.remove(first)
      if (first.deadline === first.heapKey) due.push(first)
      // Back by its deadline, even when that has come as well: so they ring in the order of their deadlines.
      else if (first.deadline !== UNSET) this.#insert(first)
    }
    for (const alarm of due) {
      // A listener before may have cleared it or set it anew.
      if (alarm.deadline === alarm.heapKey && alarm.index < 0) this.#notify(alarm, now - alarm.heapKey)
    }
    this.#startTimer()
  }

  #notify(alarm: Alarm, late: number): void {
    alarm.deadline = UNSET
    try {
      alarm.listener.onAlarm(alarm, late)
    } catch (error) {
      // The other alarms still ring.
      reportUncaught(error)
    }
  }
}

/** What all alarms go by, unless they are given another; exported to be looked at. */
export const processClock = new Clock()

/** ms, never going back. */
export function now(): number {
  return processClock.now()
}

/** Goes off once, not before its time. Never keeps the process alive. */
export class Alarm implements HeapNode {
  readonly listener: AlarmListener
  readonly #clock: Clock
  /** When it is due; -1 when it is not set. Whole numbers stand in the alarm itself, all others in memory of their own. */
  deadline = UNSET
  /** @internal By what it stands in the heap. */
  heapKey = UNSET
  /** @internal Where it stands in the heap; -1 outside. */
  index = -1

  constructor(listener: AlarmListener, clock: Clock = processClock) {
    this.listener = listener
    this.#clock = clock
  }

  get pending(): boolean {
    return this.deadline !== UNSET
  }

  /** ms until it is due, negative when it is late; Infinity when it is not set. */
  get remaining(): number {
    return this.pending ? this.deadline - this.#clock.now() : Infinity
  }

  /** `delay` in ms from now. Setting it again replaces the earlier time. */
  set(delay: number): void {
    if (delay === Infinity) return this.clear()
    this.deadline = Math.ceil(this.#clock.now() + delay)
    this.#clock.schedule(this)
  }

  /** To be set again soon: it stays where it stands in the heap. */
  clear(): void {
    this.deadline = UNSET
  }

  /** For good: the clock lets go of it, and of its listener with all that hangs on it. */
  dispose(): void {
    this.deadline = UNSET
    this.#clock.remove(this)
  }
}

/** Calls back once after `delay` ms, for a wait that somebody asked for: this one keeps the process alive. */
export function startTimer(callback: () => void, delay: number): () => void {
  const timer = globalThis.setTimeout(callback, Math.min(MAX_DELAY, delay))
  return () => globalThis.clearTimeout(timer)
}
