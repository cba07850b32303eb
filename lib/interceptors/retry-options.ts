import { parseNumericString } from '../errors/option-checks.js'
import { warnUnknownOptions } from '../errors/unknown-options.js'
import { invalidOption } from '../errors.js'
import type { DispatchOptions, HttpMethod } from '../exchange/documented.js'
import { mergeOptions, omitNull } from './option-layers.js'
import type { RetryBudgetOptions } from './retry-budget.js'

/** Retry state of one request. Each call of a {@link RetryCallback} receives the same object. */
export interface RetryState {
  /** Number of the retry to decide about, starting at 1. */
  counter: number
}

/** Context of a {@link RetryCallback}. */
export interface RetryContext {
  state: RetryState
  /** Options of the request, with complete `retryOptions`. */
  opts: DispatchOptions & { retryOptions?: RetryOptions }
}

/** Callback of a {@link RetryCallback}: without an error it retries at once, with one the request fails. Only the first call counts. */
export type OnRetryCallback = (result?: Error | null) => void

/** Function that decides after each failure whether and when to retry. An exception fails the request. */
export type RetryCallback = (error: Error, context: RetryContext, callback: OnRetryCallback) => void

/** Options of retries. Source: undici's `RetryHandler.md`. */
export interface RetryOptions {
  /** Whether a last response with one of `statusCodes` fails with a RequestRetryError. If false, it is returned. Default: true. */
  throwOnError?: boolean
  /** Replaces the decision by all options below, except `statusCodes`. Default: none. */
  retry?: RetryCallback
  /** Maximum number of retries. Default: 5. */
  maxRetries?: number
  /** Maximum delay between two attempts in ms. Default: 30 000. */
  maxTimeout?: number
  /** Delay before the first retry in ms. Default: 500. */
  minTimeout?: number
  /** Factor between two delays. Default: 2. */
  timeoutFactor?: number
  /** Whether `retry-after` of a response sets the delay. A value of 0 applies to the first retry only. Default: true. */
  retryAfter?: boolean
  /** Methods that are retried. Default: GET, HEAD, OPTIONS, PUT, DELETE, TRACE, QUERY. */
  methods?: HttpMethod[]
  /** Status codes that are retried. Default: 500, 502, 503, 504, 429. */
  statusCodes?: number[]
  /**
   * Error codes that are retried. Default: ECONNRESET, ECONNREFUSED, ENOTFOUND, ENETDOWN, ENETUNREACH, EHOSTDOWN,
   * EHOSTUNREACH, EPIPE, UND_ERR_SOCKET. For a response body shorter than its `content-length`, the code of the socket
   * error in `cause` counts as well.
   */
  errorCodes?: string[]
}

/** {@link RetryOptions} as accepted: lists may be readonly or Sets; undefined and null mean the default. */
export type RetryInput = {
  [Name in keyof RetryOptions]?:
    | (RetryOptions[Name] extends (infer Item)[] | undefined ? readonly Item[] | ReadonlySet<Item> : RetryOptions[Name])
    | null
    | undefined
}

/** Options of `interceptors.retry` and `RetryAgent`. */
export type RetryInterceptorOpts = RetryInput & {
  /** Limit on the retries of all requests together, such as `{ ratio: 0.2, minPerSecond: 10 }`. Default: none. */
  retryBudget?: RetryBudgetOptions | null | undefined
}

declare module '../exchange/documented.js' {
  interface DispatchOptions {
    /** Retry options of this request; they take precedence over those of `interceptors.retry`. Default: none. */
    retryOptions?: RetryInput | null
  }
}

/** Complete retry options; only `retry` is optional. */
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

/**
 * Checks retry options and adds the defaults.
 * @throws {InvalidArgumentError} an option is invalid
 */
export function resolveRetryOptions(options: RetryInput | null | undefined): RetrySettings {
  if (options === undefined || options === null) return withDefaults({})
  if (typeof options !== 'object') throw invalidOption('retryOptions', 'an object', options)
  const settings = withDefaults(options)
  for (const name of ['maxRetries', 'maxTimeout', 'minTimeout', 'timeoutFactor'] as const) {
    const value: unknown = settings[name]
    const number = parseNumericString(value)
    if (typeof number !== 'number' || !(number >= 0)) throw invalidOption(name, 'a non-negative number', value)
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
    // Copied: the `retry` callback sees the lists and may change them.
    Object.assign(settings, { [name]: [...value] })
  }
  if (settings.retry !== undefined && typeof settings.retry !== 'function') {
    throw invalidOption('retry', 'a function', settings.retry)
  }
  return settings
}

/** Adds the defaults. Null means the default, as in undici. */
function withDefaults(options: RetryInput): RetrySettings {
  return { ...defaults, retry: undefined, ...omitNull(mergeOptions(options)) } as unknown as RetrySettings
}

/** Merges retry options; those of `second` take precedence. */
export function mergeRetryOptions(
  first: RetryInput | null | undefined,
  second: RetryInput | null | undefined,
): RetryInput {
  if (second !== undefined && typeof second !== 'object') throw invalidOption('retryOptions', 'an object', second)
  return mergeOptions(first, second)
}

/** Warns of misspelled options of `interceptors.retry` and RetryAgent. */
export function warnUnknownRetryOptions(options: RetryInterceptorOpts | null): void {
  const names = [...Object.keys(defaults), 'retry', 'retryBudget']
  const misplaced = { retries: 'maxRetries' }
  warnUnknownOptions({ bag: 'interceptors.retry', names, misplaced }, Object(options))
}
