import { EventEmitter } from 'node:events'
import { unpollutedRequest } from '../base/prototype-pollution.js'
import { invalidOption } from '../errors.js'
import { dispatchOwningBody, isClosableBody } from '../exchange/body-owner.js'
import type { DispatchHandler, DispatchOptions } from '../exchange/documented.js'
import { rejectRequest } from '../exchange/reject-request.js'
import type { Dispatch, Dispatcher, DispatchInterceptor } from './dispatcher.js'
import { coreOf, setCore } from './dispatcher-core.js'
import { chainInterceptors, completeOptions } from './interceptor-chain.js'
import { noteDispatcher } from './waiting-handler.js'

/** Methods that send no request and read private fields, which a proxy does not have: they are called on the base. */
const BASE_METHODS: ReadonlySet<unknown> = new Set([
  'close',
  'destroy',
  'inspect',
  'toString',
  'warm',
  'closeIdle',
  'addUpstream',
  'removeUpstream',
  'getUpstream',
])

type Method = (...values: unknown[]) => unknown

function isEmitterMethod(key: PropertyKey): boolean {
  return key !== 'constructor' && Object.hasOwn(EventEmitter.prototype, key)
}

/**
 * Returns `base` with another `dispatch`: an instance of the same class with the same events, methods and properties.
 * Methods of a subclass are called on the result, so that they send through `dispatch` too.
 */
export function withDispatch<Base extends Dispatcher>(base: Base, dispatch: Dispatch): Base {
  let send: unknown = dispatch
  const sending = new Proxy(base, {
    get(_target, key) {
      if (key === 'dispatch') return send
      const value: unknown = Reflect.get(base, key)
      if (typeof value !== 'function' || !(BASE_METHODS.has(key) || isEmitterMethod(key))) return value
      return (...values: unknown[]) => {
        const result = (value as Method).apply(base, values)
        return result === base ? sending : result
      }
    },
    set(_target, key, value) {
      if (key !== 'dispatch') return Reflect.set(base, key, value)
      send = value
      return true
    },
  })
  setCore(sending, coreOf(base))
  return sending
}

/** Forwards all EventEmitter methods of the instances of `prototype` to the dispatcher that `baseOf` returns. */
export function forwardEvents<Kind extends Dispatcher>(prototype: Kind, baseOf: (one: Kind) => Dispatcher): void {
  for (const name of Object.getOwnPropertyNames(EventEmitter.prototype)) {
    const method: unknown = Reflect.get(EventEmitter.prototype, name)
    if (typeof method !== 'function' || !isEmitterMethod(name)) continue
    const value = function (this: Kind, ...values: unknown[]): unknown {
      const base = baseOf(this)
      const result = (Reflect.get(base, name) as Method | undefined)?.apply(base, values)
      return result === base ? this : result
    }
    Object.defineProperty(prototype, name, { value, writable: true, configurable: true })
  }
}

/**
 * Returns a `dispatch` function that sends through interceptors to `base`, the last one outermost.
 * @throws {InvalidArgumentError} an interceptor is not a function, or does not return one
 */
export function dispatchThrough(
  base: Dispatcher,
  interceptors: readonly (DispatchInterceptor | readonly DispatchInterceptor[])[],
): Dispatch {
  const dispatch = chainInterceptors(base, interceptors)
  return (options: DispatchOptions, handler: DispatchHandler) => {
    if (typeof options !== 'object' || options === null) {
      return rejectRequest(invalidOption('options', 'an object', options), handler)
    }
    let given: DispatchOptions
    let source: boolean
    try {
      given = completeOptions(base, unpollutedRequest(options))
      source = isClosableBody(given.body)
      noteDispatcher(handler, coreOf(base))
    } catch (error) {
      // A getter of the options threw.
      return rejectRequest(error as Error, handler)
    }
    if (!source) return dispatch(given, handler)
    return dispatchOwningBody(given, handler, (outer) => dispatch(given, outer as DispatchHandler))
  }
}
