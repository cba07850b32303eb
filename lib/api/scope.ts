import { builtinModule } from '../base/builtin-modules.js'

/** `callback` as it is called where the caller is now: its AsyncLocalStorage is the caller's, not the connection's. */
export function inScope<Callback extends (...values: never[]) => unknown>(callback: Callback): Callback {
  const bound = builtinModule('node:async_hooks').AsyncResource.bind(
    callback as unknown as () => unknown,
    'SLUICE_REQUEST',
  )
  return bound as unknown as Callback
}
