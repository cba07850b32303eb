import { reportUncaught } from '../base/user-code.js'
import type { Dispatcher } from '../dispatcher/dispatcher.js'
import { subscribe } from '../dispatcher/dispatcher-core.js'
import { emit } from '../dispatcher/events.js'
import type { Lifecycle } from '../dispatcher/lifecycle.js'

/** Makes the dispatcher of `lifecycle` emit the events of `agent`, with itself instead of `agent` among the targets. */
export function relayAgent(agent: Dispatcher, lifecycle: Lifecycle): void {
  subscribe(agent, {
    onDrain: (origin, [, ...targets]) => lifecycle.onDrain(origin, targets),
    onConnect: (origin, [, ...targets]) => lifecycle.onConnect(origin, targets),
    onDisconnect: (origin, [, ...targets], error) => lifecycle.onDisconnect(origin, targets, error),
    onConnectionError: (origin, [, ...targets], error) => lifecycle.onConnectionError(origin, targets, error),
    // A close from outside is noticed with the next request.
    onClosed() {},
    onHandlerError: (error) => lifecycle.onHandlerError(error),
  })
}

/** Makes `forwarder` emit the events of `inner`, with `origin`. */
export function relayAs(origin: URL, inner: Dispatcher, forwarder: Dispatcher): void {
  subscribe(inner, {
    onDrain: (_, targets) => emit(forwarder, 'drain', origin, targets),
    onConnect: (_, targets) => emit(forwarder, 'connect', origin, targets),
    onDisconnect: (_, targets, error) => emit(forwarder, 'disconnect', origin, targets, error),
    onConnectionError: (_, targets, error) => emit(forwarder, 'connectionError', origin, targets, error),
    // A close from outside is noticed with the next request.
    onClosed() {},
    onHandlerError: reportUncaught,
  })
}
