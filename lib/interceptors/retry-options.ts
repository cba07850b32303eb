import { parseNumericString } from '../errors/option-checks.js'
import { invalidOption } from '../errors.js'
import type { DispatchOptions, HttpMethod } from '../exchange/documented.js'
import { mergeOptions, omitNull } from './option-layers.js'
import type { RetryBudgetOptions } from './retry-budget.js'

/** How far the retrying of one request is. The same object at each call. */
export interface RetryState {
  /** The retry that is asked about; 1 for the first. */
  counter: number
}

/** What a {@link RetryCallback} knows of its request. */
export interface RetryContext {
  state: RetryState
  /** The options of the request, with `retryOptions` complete. */
  opts: DispatchOptions & { retryOptions?: RetryOptions }
}

/** Nothing or null: try again, now. An error: give up, and fail with it. Only the first call counts. */
export type OnRetryCallback = (result?: Error | null) => void

/** Asked after each failure. Deciding and waiting are both its own; what it throws ends the request. */
export type RetryCallback = (error: Error, context: RetryContext, callback: OnRetryCallback) => void

/** When and how often a request is sent again. Source: undici's `RetryHandler.md`. */
export interface RetryOptions {
  /** False: a response with one of `statusCodes` is handed out when it is the last, and no RequestRetryError. Default: true. */
  throwOnError?: boolean
  /** Decides instead of all options below but `statusCodes`. Default: none. */
  retry?: RetryCallback
  /** Tries after the first. Default: 5. */
  maxRetries?: number
  /** Longest wait between two tries in ms. Default: 30 000. */
  maxTimeout?: number
  /** First wait in ms. Default: 500. */
  minTimeout?: number
  /** By what number of times each wait is longer than the last. Default: 2. */
  timeoutFactor?: number
  /** Whether to wait as long as `retry-after` says. A delay of 0 counts for the first retry only. Default: true. */
  retryAfter?: boolean
  /** Methods that are tried again. Default: GET, HEAD, OPTIONS, PUT, DELETE, TRACE, QUERY. */
  methods?: HttpMethod[]
  /** Statuses of responses after which another try makes sense. Default: 500, 502, 503, 504, 429. */
  statusCodes?: number[]
  /**
   * Codes of errors after which another try makes sense. Default: ECONNRESET, ECONNREFUSED, ENOTFOUND, ENETDOWN,
   * ENETUNREACH, EHOSTDOWN, EHOSTUNREACH, EPIPE, UND_ERR_SOCKET. Of a response body that is shorter than its length, the
   * code of the socket error in `cause` counts as well.
   */
  errorCodes?: string[]
}

/** {@link RetryOptions} as they are taken: Sets and lists that can not be changed will do, and nothing stands for the default. */
export type RetryInput = {
  [Name in keyof RetryOptions]?:
    | (RetryOptions[Name] extends (infer Item)[] | undefined ? readonly Item[] | ReadonlySet<Item> : RetryOptions[Name])
    | null
    | undefined
}

/** Those of `interceptors.retry` and `RetryAgent`. */
export type RetryInterceptorInput = RetryInput & {
  /** Bounds the tries of all requests taken together: `{ ratio: 0.2, minPerSecond: 10 }`. Default: none. */
  retryBudget?: RetryBudgetOptions | null | undefined
}

declare module '../exchange/request.js' {
  interface DispatchInput {
    /** For this request alone, over those of `interceptors.retry`. */
    retryOptions?: RetryInput | null | undefined
  }
}

/** Every option but `retry` is there. */
export type RetrySettings = { [Name in Exclude<keyof RetryOptions, 'retry'>]-?: NonNullable<RetryOptions[Name]> } & {
  retry?: RetryCallback
}

const defaults: RetrySettings = {
  throwOnError: true,
  maxRetries: 5,
  maxTimeout: 30_000,
  minTimeout: 500,
  timeoutFactor: 2,
  retryAfter: true,
  methods: ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE', 'QUERY'],
  statusCodes: [500, 502, 503, 504, 429],
  errorCodes: [
    'ECONNRESET',
    'ECONNREFUSED',
    'ENOTFOUND',
    'ENETDOWN',
    'ENETUNREACH',
    'EHOSTDOWN',
    'EHOSTUNREACH',
    'EPIPE',
    'UND_ERR_SOCKET',
  ],
}

/** @throws {InvalidArgumentError} an option is not what is documented */
export function resolveRetryOptions(options: RetryInput | null | undefined): RetrySettings {
  if (options === undefined || options === null) return withDefaults({})
  if (typeof options !== 'object') throw invalidOption('retryOptions', 'an object', options)
  const settings = withDefaults(options)
  for (const name of ['maxRetries', 'maxTimeout', 'minTimeout', 'timeoutFactor'] as const) {
    const value: unknown = settings[name]
    const number = parseNumericString(value)
    if (typeof number !== 'number' || !(number >= 0)) throw invalidOption(name, 'a number, 0 or more', value)
    settings[name] = number
  }
  for (const name of ['throwOnError', 'retryAfter'] as const) {
    const value: unknown = settings[name]
    if (typeof value !== 'boolean' && value !== 0 && value !== 1) throw invalidOption(name, 'a boolean', value)
    settings[name] = Boolean(value)
  }
  for (const name of ['methods', 'statusCodes', 'errorCodes'] as const) {
    const value: unknown = settings[name]
    if (!Array.isArray(value) && !(value instanceof Set)) throw invalidOption(name, 'an array or a Set', value)
    // A callback sees them: it may change its own.
    Object.assign(settings, { [name]: [...value] })
  }
  if (settings.retry !== undefined && typeof settings.retry !== 'function') {
    throw invalidOption('retry', 'a function', settings.retry)
  }
  return settings
}

/** Null stands for the default, as in undici. */
function withDefaults(options: RetryInput): RetrySettings {
  return { ...defaults, retry: undefined, ...omitNull(mergeOptions(options)) } as unknown as RetrySettings
}

/** The options of `first`, over them those of `second` that are given. */
export function mergeRetryOptions(
  first: RetryInput | null | undefined,
  second: RetryInput | null | undefined,
): RetryInput {
  if (second !== undefined && typeof second !== 'object') throw invalidOption('retryOptions', 'an object', second)
  return mergeOptions(first, second)
}
