import { EventEmitter } from 'node:events'
import { setImmediate } from '../base/clock.js'
import { callUserCode } from '../base/user-code.js'
import type { Dispatcher } from './dispatcher.js'

type EventName = 'connect' | 'disconnect' | 'connectionError' | 'drain' | 'error'

interface PendingEvent {
  /** Null for code that is not an event. */
  emitter: Dispatcher | null
  run(): void
}

const plainEmit = EventEmitter.prototype.emit
let pending: PendingEvent[] = []

/** Whether {@link emit} would have an effect. */
export function hasListeners(emitter: EventEmitter, event: EventName): boolean {
  return emitter.listenerCount(event) > 0 || emitter.emit !== plainEmit
}

/** Emits an event now. An exception of a listener is reported as uncaught: other listeners and the caller continue. */
export function emit(emitter: EventEmitter, event: EventName, ...values: unknown[]): void {
  // An overridden `emit` is called as it is.
  if (emitter.emit !== plainEmit) return callUserCode(() => emitter.emit(event, ...values))
  for (const listener of emitter.rawListeners(event)) callUserCode(() => Reflect.apply(listener, emitter, values))
}

/**
 * Emits an event in a later event-loop turn, when the requests concerned have settled: their bodies have ended or
 * closed, and their results were received.
 */
export function emitLater(emitter: Dispatcher, event: EventName, ...values: unknown[]): void {
  if (emitter.listenerCount(event) > 0) add({ emitter, run: () => emit(emitter, event, ...values) })
}

/** Emits an event now, or after the deferred events of the same emitter. */
export function emitInOrder(emitter: Dispatcher, event: EventName, ...values: unknown[]): void {
  if (pending.some((one) => one.emitter === emitter)) emitLater(emitter, event, ...values)
  else emit(emitter, event, ...values)
}

/** Runs `code` after all deferred events. */
export function afterEvents(code: () => void): void {
  add({ emitter: null, run: code })
}

/** Emits the deferred events of a dispatcher now: no event follows its end. */
export function emitPending(emitter: Dispatcher): void {
  if (pending.length === 0) return
  const due = pending.filter((one) => one.emitter === emitter)
  pending = pending.filter((one) => one.emitter !== emitter)
  for (const one of due) one.run()
}

function add(one: PendingEvent): void {
  // A destroyed body emits `close` one event-loop turn later, so one turn is too early.
  if (pending.push(one) === 1) setImmediate(() => setImmediate(flush))
}

function flush(): void {
  const due = pending
  pending = []
  for (const one of due) one.run()
}
