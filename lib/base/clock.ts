import { Heap, type HeapNode } from './heap.js'
import { reportUncaught } from './user-code.js'

/** Captured when this module is loaded, so that fake timers installed later by a test do not stall requests. */
export const { queueMicrotask, setImmediate } = globalThis
/** Captured likewise. */
export const { nextTick } = process

/** Receives the event of an {@link Alarm}. */
export interface AlarmListener {
  /** Called once when the alarm is due. `late`: ms since the deadline. */
  onAlarm(alarm: Alarm, late: number): void
}

/** Source of time and of the native timer of a {@link Clock}. Tests use their own. */
export interface TimeSource {
  /** Monotonic time in ms. */
  now(): number
  setTimeout(callback: () => void, delay: number): unknown
  clearTimeout(timer: unknown): void
}

/** Longest delay that `setTimeout` accepts, in ms. */
const MAX_DELAY = 0x7fffffff

const UNSET = -1

/** ms after which an overdue native timer is treated as lost: fake timers are lost when a test restores the real ones. */
const LOST_TIMER_DELAY = 1000

/**
 * Reads the globals at each call, so that fake timers installed later take effect. Node's timer is unreferenced, because
 * it would keep the process alive; other runtimes return a number.
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
 * Runs all alarms on one native timer, ordered in a heap. Moving an alarm to a later time, which every request does, is
 * one store: the heap keeps the old time, and the alarm is inserted again when that time is reached.
 */
export class Clock {
  readonly #time: TimeSource
  readonly #heap = new Heap<Alarm>((a, b) => a.heapKey < b.heapKey)
  #timer: unknown = null
  /** Time at which the native timer fires; Infinity without one. */
  #wakeAt = Infinity

  constructor(time: TimeSource = realTime) {
    this.#time = time
  }

  /** Number of alarms in the heap. A cleared alarm stays in it until its old time is reached. */
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
    // A native timer may fire a fraction of a ms early.
    const delay = Math.min(MAX_DELAY, Math.max(1, Math.ceil(at - now)))
    this.#timer = this.#time.setTimeout(() => this.#onTimer(), delay)
  }

  #onTimer(): void {
    this.#timer = null
    this.#wakeAt = Infinity
    const now = this.#time.now()
    // Collected before any listener is called: an alarm that a listener sets to "now" fires the next time.
    const due: Alarm[] = []
    for (let { first } = this.#heap; first !== null && first.heapKey <= now; first = this.#heap.first) {
      this.#heap.remove(first)
      if (first.deadline === first.heapKey) due.push(first)
      // Inserted again by its new deadline, even if that is due too, so that alarms fire in the order of deadlines.
      else if (first.deadline !== UNSET) this.#insert(first)
    }
    for (const alarm of due) {
      // An earlier listener may have cleared this alarm or set it again.
      if (alarm.deadline === alarm.heapKey && alarm.index < 0) this.#notify(alarm, now - alarm.heapKey)
    }
    this.#startTimer()
  }

  #notify(alarm: Alarm, late: number): void {
    alarm.deadline = UNSET
    try {
      alarm.listener.onAlarm(alarm, late)
    } catch (error) {
      // The other due alarms must still fire.
      reportUncaught(error)
    }
  }
}

/** The clock of all alarms that are created without one. Exported for tests and inspection. */
export const processClock = new Clock()

/** Returns the monotonic time in ms. */
export function now(): number {
  return processClock.now()
}

/** A timer that fires once, never early, and can be moved at the cost of one store. Does not keep the process alive. */
export class Alarm implements HeapNode {
  readonly listener: AlarmListener
  readonly #clock: Clock
  /** Due time in ms; -1 if not set. Always an integer: V8 stores small integers inline, other numbers on the heap. */
  deadline = UNSET
  /** @internal Time by which the alarm is ordered in the heap; earlier than {@link deadline} after a move. */
  heapKey = UNSET
  /** @internal Index in the heap; -1 if not in it. */
  index = -1

  constructor(listener: AlarmListener, clock: Clock = processClock) {
    this.listener = listener
    this.#clock = clock
  }

  /** Whether the alarm is set and has not fired. */
  get pending(): boolean {
    return this.deadline !== UNSET
  }

  /** ms until the alarm is due: negative if overdue, Infinity if not set. */
  get remaining(): number {
    return this.pending ? this.deadline - this.#clock.now() : Infinity
  }

  /** Sets the alarm to `delay` ms from now, replacing an earlier setting. Infinity clears it. */
  set(delay: number): void {
    if (delay === Infinity) return this.clear()
    this.deadline = Math.ceil(this.#clock.now() + delay)
    this.#clock.schedule(this)
  }

  /** Cancels the alarm but leaves it in the heap. Use this if the alarm will be set again soon. */
  clear(): void {
    this.deadline = UNSET
  }

  /** Cancels the alarm and removes it from the heap, so that the clock holds no reference to the listener. */
  dispose(): void {
    this.deadline = UNSET
    this.#clock.remove(this)
  }
}

/** Calls back once after `delay` ms and, unlike {@link Alarm}, keeps the process alive. Returns a function that cancels. */
export function startTimer(callback: () => void, delay: number): () => void {
  const timer = globalThis.setTimeout(callback, Math.min(MAX_DELAY, delay))
  return () => globalThis.clearTimeout(timer)
}
