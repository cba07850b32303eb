import { builtinModule } from '../base/builtin-modules.js'

/** Binds `callback` to the current async context, so that its AsyncLocalStorage is the caller's, not the connection's. */
export function bindToAsyncContext<Callback extends (...values: never[]) => unknown>(callback: Callback): Callback {
  const bound = builtinModule('node:async_hooks').AsyncResource.bind(
    callback as unknown as () => unknown,
    'SLUICE_REQUEST',
  )
  return bound as unknown as Callback
}
