import { invalidOption } from '../errors.js'
import type { DispatchOptions } from '../exchange/request.js'

/** How far the retrying of one request is. The same object at each call. */
export interface RetryState {
  /** The retry that is asked about; 1 for the first. */
  counter: number
}

/** What a {@link RetryCallback} knows of its request. */
export interface RetryContext {
  state: RetryState
  /** The options of the request, with `retryOptions` complete. */
  opts: DispatchOptions & { retryOptions?: RetryOptions | undefined }
}

/** Nothing or null: try again, now. An error: give up, and fail with it. Only the first call counts. */
export type OnRetryCallback = (result?: Error | null) => void

/** Asked after each failure. Deciding and waiting are both its own; what it throws ends the request. */
export type RetryCallback = (error: Error, context: RetryContext, callback: OnRetryCallback) => void

/** When and how often a request is sent again. Source: undici's `RetryHandler.md`. */
export interface RetryOptions {
  /** Fail with a RequestRetryError where a response with a status of `statusCodes` is the last; false: hand it out. Default: true. */
  throwOnError?: boolean | undefined
  /** Decides instead of all options below but `statusCodes`. Default: none. */
  retry?: RetryCallback | undefined
  /** Tries after the first. Default: 5. */
  maxRetries?: number | undefined
  /** Longest wait between two tries in ms. Default: 30 000. */
  maxTimeout?: number | undefined
  /** First wait in ms. Default: 500. */
  minTimeout?: number | undefined
  /** By what each wait is longer than the last. Default: 2. */
  timeoutFactor?: number | undefined
  /** Wait as long as `retry-after` says. Default: true. */
  retryAfter?: boolean | undefined
  /** Default: GET, HEAD, OPTIONS, PUT, DELETE, TRACE, QUERY. */
  methods?: readonly string[] | undefined
  /** Default: 500, 502, 503, 504, 429. */
  statusCodes?: readonly number[] | undefined
  /** Codes of errors after which another try makes sense. */
  errorCodes?: readonly string[] | undefined
}

declare module '../exchange/request.js' {
  interface DispatchInput {
    /** For this request alone, over those of `interceptors.retry`. */
    retryOptions?: RetryOptions | undefined
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
export function resolveRetryOptions(options: RetryOptions | null | undefined): RetrySettings {
  if (options === undefined || options === null) return withDefaults({})
  if (typeof options !== 'object') throw invalidOption('retryOptions', 'an object', options)
  const settings = withDefaults(options)
  for (const name of ['maxRetries', 'maxTimeout', 'minTimeout', 'timeoutFactor'] as const) {
    const value = settings[name]
    if (typeof value !== 'number' || !(value >= 0)) throw invalidOption(name, 'a number, 0 or more', value)
  }
  for (const name of ['throwOnError', 'retryAfter'] as const) {
    if (typeof settings[name] !== 'boolean') throw invalidOption(name, 'a boolean', settings[name])
  }
  for (const name of ['methods', 'statusCodes', 'errorCodes'] as const) {
    if (!Array.isArray(settings[name])) throw invalidOption(name, 'an array', settings[name])
  }
  if (settings.retry !== undefined && typeof settings.retry !== 'function') {
    throw invalidOption('retry', 'a function', settings.retry)
  }
  return settings
}

/** What is undefined or null counts as not given. */
function withDefaults(options: RetryOptions): RetrySettings {
  const given = Object.entries(options).filter(([, value]) => value !== undefined && value !== null)
  return { ...defaults, ...Object.fromEntries(given) }
}

/** The options of `first`, over them those of `second` that are given. */
export function mergeRetryOptions(first: RetryOptions, second: RetryOptions | null | undefined): RetryOptions {
  if (second === undefined || second === null) return first
  if (typeof second !== 'object') throw invalidOption('retryOptions', 'an object', second)
  const given = Object.entries(second).filter(([, value]) => value !== undefined && value !== null)
  return { ...first, ...Object.fromEntries(given) }
}
