import { startTimer } from '../base/clock.js'
import type { Dispatch, DispatchInterceptor } from '../dispatcher/dispatcher.js'
import { invalidOption, RequestRetryError } from '../errors.js'
import type { DispatchController, DispatchHandler, IncomingHeaders } from '../exchange/handler.js'
import { adaptHandler } from '../exchange/legacy-handler.js'
import type { DispatchOptions } from '../exchange/request.js'
import { toRequestBody } from '../exchange/request-body.js'

/** Options of `interceptors.retry`. Source: undici's `RetryHandler.md`. */
export interface RetryOptions {
  /** Tell of a last error status as a RequestRetryError instead of handing the response out. Default: true. */
  throwOnError?: boolean
  /** Tries after the first. Default: 5. */
  maxRetries?: number
  /** Longest wait between two tries in ms. Default: 30 000. */
  maxTimeout?: number
  /** First wait in ms. Default: 500. */
  minTimeout?: number
  /** By what each wait is longer than the last. Default: 2. */
  timeoutFactor?: number
  /** Wait as long as `retry-after` says. Default: true. */
  retryAfter?: boolean
  /** Methods that are tried again: all idempotent ones. */
  methods?: readonly string[]
  /** Default: 429, 500, 502, 503, 504. */
  statusCodes?: readonly number[]
  /** Codes of errors after which a try makes sense. */
  errorCodes?: readonly string[]
}

const defaults: Required<RetryOptions> = {
  throwOnError: true,
  maxRetries: 5,
  maxTimeout: 30_000,
  minTimeout: 500,
  timeoutFactor: 2,
  retryAfter: true,
  methods: ['GET', 'PUT', 'HEAD', 'OPTIONS', 'DELETE', 'TRACE'],
  statusCodes: [429, 500, 502, 503, 504],
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

/** Bytes of an error response that are read to keep its connection. */
const DISCARD_LIMIT = 65536

/**
 * Sends a request again when it failed before anything of a response was handed out, and its method and body allow
 * to. Waits longer each time, or as long as the server says.
 * @throws {InvalidArgumentError} an option is not what is documented
 */
export function retry(options: RetryOptions = {}): DispatchInterceptor {
  const settings = { ...defaults, ...options }
  for (const name of ['maxRetries', 'maxTimeout', 'minTimeout', 'timeoutFactor'] as const) {
    const value = settings[name]
    if (typeof value !== 'number' || !(value >= 0)) throw invalidOption(name, 'a number, 0 or more', value)
  }
  return (dispatch) => (request, handler) => {
    const adapted = adaptHandler(handler, request.upgrade != null && request.upgrade !== false)
    if (!isRepeatable(request, settings)) return dispatch(request, adapted)
    return dispatch(request, new RetryHandler({ dispatch, request, handler: adapted, settings }))
  }
}

function isRepeatable(request: DispatchOptions, settings: Required<RetryOptions>): boolean {
  if (!settings.methods.includes(request.method) || request.upgrade) return false
  const body = toRequestBody(request.body)
  return body === null || body.kind === 'bytes' || (body.kind === 'iterable' && body.replayable)
}

/** Stands between the tries and the handler, which sees one request with one controller. */
class RetryHandler implements DispatchHandler, DispatchController {
  readonly #dispatch: Dispatch
  readonly #request: DispatchOptions
  readonly #handler: DispatchHandler
  readonly #settings: Required<RetryOptions>
  #controller: DispatchController | null = null
  #tries = 0
  #handedOut = false
  #over = false
  /** Why the try under way has failed, while its response is read to the end. */
  #failure: RequestRetryError | null = null
  #retryAfter: number | null = null
  #discarded = 0
  #reason: Error | null = null
  #stopWaiting: (() => void) | null = null

  constructor(part: {
    dispatch: Dispatch
    request: DispatchOptions
    handler: DispatchHandler
    settings: Required<RetryOptions>
  }) {
    this.#dispatch = part.dispatch
    this.#request = part.request
    this.#handler = part.handler
    this.#settings = part.settings
  }

  // What the handler sees

  get aborted(): boolean {
    return this.#reason !== null
  }

  get paused(): boolean {
    return this.#controller?.paused ?? false
  }

  get reason(): Error | null {
    return this.#reason
  }

  get rawHeaders(): string[] | null {
    return this.#controller?.rawHeaders ?? null
  }

  get rawTrailers(): string[] | null {
    return this.#controller?.rawTrailers ?? null
  }

  abort(reason?: Error): void {
    if (this.aborted || this.#over) return
    const stopWaiting = this.#stopWaiting
    this.#reason = reason ?? new Error('aborted')
    if (stopWaiting === null) return this.#controller?.abort(reason)
    stopWaiting()
    this.#fail(this.#reason)
  }

  pause(): void {
    this.#controller?.pause()
  }

  resume(): void {
    this.#controller?.resume()
  }

  // What a try tells

  onRequestQueued(controller: DispatchController): void {
    this.#controller = controller
    if (this.#tries === 0) this.#handler.onRequestQueued?.(this)
  }

  onRequestStart(controller: DispatchController, context: unknown): void {
    this.#controller = controller
    this.#handler.onRequestStart?.(this, context)
  }

  onResponseStarted(): void {
    this.#handler.onResponseStarted?.()
  }

  onBodySent(chunk: Buffer): void {
    this.#handler.onBodySent?.(chunk)
  }

  onRequestSent(): void {
    this.#handler.onRequestSent?.()
  }

  onResponseStart(
    _controller: DispatchController,
    statusCode: number,
    headers: IncomingHeaders,
    statusMessage?: string,
  ): void {
    const { statusCodes, maxRetries, throwOnError } = this.#settings
    const last = this.#tries >= maxRetries
    if (statusCode >= 200 && statusCodes.includes(statusCode) && (!last || throwOnError)) {
      const data = { count: this.#tries }
      this.#failure = new RequestRetryError(`Request failed with status ${statusCode}`, statusCode, { headers, data })
      this.#retryAfter = retryAfterOf(headers)
      this.#discarded = 0
      return
    }
    if (statusCode >= 200) this.#handedOut = true
    this.#handler.onResponseStart?.(this, statusCode, headers, statusMessage)
  }

  onResponseData(controller: DispatchController, chunk: Buffer): void {
    if (this.#failure === null) return this.#handler.onResponseData?.(this, chunk)
    this.#discarded += chunk.length
    if (this.#discarded > DISCARD_LIMIT) controller.abort(this.#failure)
  }

  onResponseEnd(_controller: DispatchController, trailers: IncomingHeaders): void {
    if (this.#failure !== null) return this.#again(this.#failure)
    this.#over = true
    this.#handler.onResponseEnd?.(this, trailers)
  }

  onResponseError(_controller: DispatchController, error: Error): void {
    const failed = this.#failure
    if (failed !== null && !this.aborted) return this.#again(failed)
    const { code } = error as { code?: string }
    const worthIt = typeof code === 'string' && this.#settings.errorCodes.includes(code)
    if (this.#handedOut || this.aborted || !worthIt) return this.#fail(error)
    this.#again(error)
  }

  #again(error: Error): void {
    const { maxRetries, minTimeout, maxTimeout, timeoutFactor, retryAfter } = this.#settings
    if (this.#tries >= maxRetries) return this.#fail(error)
    const grown = minTimeout * timeoutFactor ** this.#tries
    const asked = retryAfter ? this.#retryAfter : null
    this.#tries++
    this.#failure = null
    this.#retryAfter = null
    this.#stopWaiting = startTimer(() => this.#send(), Math.min(maxTimeout, asked ?? grown))
  }

  #send(): void {
    this.#stopWaiting = null
    try {
      this.#dispatch(this.#request, this)
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  #fail(error: Error): void {
    if (this.#over) return
    this.#over = true
    this.#handler.onResponseError?.(this, error)
  }
}

/** `retry-after` in ms: seconds or a date (RFC 9110 §10.2.3). */
function retryAfterOf(headers: IncomingHeaders): number | null {
  const value = headers['retry-after']
  if (typeof value !== 'string') return null
  if (/^\d+$/.test(value)) return Number(value) * 1000
  const date = Date.parse(value)
  return Number.isNaN(date) ? null : Math.max(0, date - Date.now())
}
