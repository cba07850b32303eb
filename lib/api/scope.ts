import { AsyncResource } from 'node:async_hooks'

/** `callback` as it is called where the caller is now: its AsyncLocalStorage is the caller's, not the connection's. */
// biome-ignore lint/suspicious/noExplicitAny: whatever its parameters are
export function inScope<Callback extends (...values: any[]) => unknown>(callback: Callback): Callback {
  return AsyncResource.bind(callback, 'SLUICE_REQUEST') as unknown as Callback
}
