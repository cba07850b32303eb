import { EventEmitter } from 'node:events'
import { setImmediate } from '../base/clock.js'
import { callUserCode } from '../base/user-code.js'
import type { Dispatcher } from './dispatcher.js'

type EventName = 'connect' | 'disconnect' | 'connectionError' | 'drain' | 'error'

interface PendingEvent {
  /** Null: no event of a dispatcher. */
  emitter: Dispatcher | null
  run(): void
}

const plainEmit = EventEmitter.prototype.emit
let pending: PendingEvent[] = []

/** Whether {@link emit} would call anybody. */
export function hasListeners(emitter: EventEmitter, event: EventName): boolean {
  return emitter.listenerCount(event) > 0 || emitter.emit !== plainEmit
}

/** Emits an event now. A listener that throws keeps neither its caller nor other listeners from going on. */
export function emit(emitter: EventEmitter, event: EventName, ...values: unknown[]): void {
  // An emitter that emits in a way of its own goes on doing so.
  if (emitter.emit !== plainEmit) return callUserCode(() => emitter.emit(event, ...values))
  for (const listener of emitter.rawListeners(event)) callUserCode(() => Reflect.apply(listener, emitter, values))
}

/**
 * Emits an event in a turn of its own, when the requests concerned are settled: a body has ended or closed, whoever
 * awaits a result has it.
 */
export function emitLater(emitter: Dispatcher, event: EventName, ...values: unknown[]): void {
  if (emitter.listenerCount(event) > 0) add({ emitter, run: () => emit(emitter, event, ...values) })
}

/** Emits an event now, or behind those of the same emitter that still wait for their turn. */
export function emitInOrder(emitter: Dispatcher, event: EventName, ...values: unknown[]): void {
  if (pending.some((one) => one.emitter === emitter)) emitLater(emitter, event, ...values)
  else emit(emitter, event, ...values)
}

/** Runs `code` behind the events that wait for their turn. */
export function afterEvents(code: () => void): void {
  add({ emitter: null, run: code })
}

/** Emits what still waits for its turn: nothing comes behind the end of a dispatcher. */
export function emitPending(emitter: Dispatcher): void {
  if (pending.length === 0) return
  const due = pending.filter((one) => one.emitter === emitter)
  pending = pending.filter((one) => one.emitter !== emitter)
  for (const one of due) one.run()
}

function add(one: PendingEvent): void {
  // A body that was destroyed closes a turn later, so the first turn is too early.
  if (pending.push(one) === 1) setImmediate(() => setImmediate(flush))
}

function flush(): void {
  const due = pending
  pending = []
  for (const one of due) one.run()
}
