import type { Duplex } from 'node:stream'
import { builtinModule } from '../base/builtin-modules.js'
import { unpollutedRequest } from '../base/prototype-pollution.js'
import { callUserCode, reportUncaught } from '../base/user-code.js'
import type { Dispatch, Dispatcher } from '../dispatcher/dispatcher.js'
import { coreOf, setCore } from '../dispatcher/dispatcher-core.js'
import { completeOptions } from '../dispatcher/interceptor-chain.js'
import {
  InformationalError,
  InvalidArgumentError,
  invalidOption,
  MaxRedirectsError,
  markSluiceOwned,
} from '../errors.js'
import { withDeadline, withTimeoutsOf } from '../exchange/deadlines.js'
import type {
  DispatchController,
  DispatchHandler,
  IncomingHeaders,
  LegacyDispatchHandler,
} from '../exchange/handler.js'
import { adaptInnerHandler } from '../exchange/legacy-handler.js'
import type { DispatchOptions } from '../exchange/request.js'
import { reportThrown } from '../exchange/thrown-errors.js'
import { WrappingHandler } from '../exchange/wrapping-handler.js'
import { isToken } from '../wire/headers.js'
import { BodyDiscarder } from './body-discarder.js'
import { locationOf, type RedirectPolicy, redirectedRequest, redirectKeyOf, urlOf } from './redirect-target.js'
import { RelayController } from './relay-controller.js'
import { copyReplayedBytes, withReusableHeaders } from './replayable-body.js'
import { abortErrorOf } from './wait.js'

/** Options of `interceptors.redirect`, also accepted as request options. Source: undici's `Interceptors.md`. */
export interface RedirectOptions {
  /** Maximum number of redirects that are followed; 0 or null: none. Default: null. */
  maxRedirections?: number | null | undefined
  /** Whether one redirect too many fails with a MaxRedirectsError. If false, its response is returned. Default: false. */
  throwOnMaxRedirect?: boolean | undefined
  /** Names of request headers that are removed on every redirect. Default: none. */
  stripHeadersOnRedirect?: readonly string[] | null | undefined
  /**
   * Names of request headers that are removed on a redirect to another origin, besides `authorization`, `cookie` and
   * `proxy-authorization`. Default: none.
   */
  stripHeadersOnCrossOriginRedirect?: readonly string[] | null | undefined
}

/**
 * Checks the options of redirects.
 * @throws {InvalidArgumentError} an option is invalid
 */
export function checkRedirectOptions(options: RedirectOptions): void {
  checkMaxRedirections(options.maxRedirections)
  const { throwOnMaxRedirect } = options
  if (throwOnMaxRedirect != null && typeof throwOnMaxRedirect !== 'boolean') {
    throw invalidOption('throwOnMaxRedirect', 'a boolean', throwOnMaxRedirect)
  }
  for (const name of ['stripHeadersOnRedirect', 'stripHeadersOnCrossOriginRedirect'] as const) {
    const names = options[name]
    if (names == null) continue
    const good = Array.isArray(names) && names.every((one) => typeof one === 'string' && isToken(one))
    if (!good) throw invalidOption(name, 'an array of header names', names)
  }
}

function checkMaxRedirections(value: unknown): void {
  if (value == null || (Number.isInteger(value) && (value as number) >= 0)) return
  throw invalidOption('maxRedirections', 'a non-negative integer or null', value)
}

function lowerCaseSet(names: readonly string[] | null | undefined): Set<string> {
  return new Set(names?.map((name) => name.toLowerCase()))
}

/**
 * Handler that follows redirects and passes only the last response to another handler, with one controller for all
 * requests. Source: undici's `RedirectHandler.md`.
 */
export class RedirectHandler extends WrappingHandler implements DispatchHandler {
  /** Sends the requests that follow redirects. */
  readonly dispatch: Dispatch
  /** Maximum number of redirects; null: none. */
  readonly maxRedirections: number | null
  /** Handler of the caller. */
  readonly handler: DispatchHandler | LegacyDispatchHandler
  /** URLs of all responses so far. */
  readonly history: URL[] = []
  /** `location` of the current response if it is a redirect that is followed, else null. */
  location: string | null = null
  /** Options of the next request, without redirect options. */
  opts: DispatchOptions
  readonly #throwOnMaxRedirect: boolean
  readonly #policy: RedirectPolicy
  readonly #handler: DispatchHandler
  readonly #controller = new RelayController((reason) => this.#fail(abortErrorOf(reason, this.opts)))
  readonly #requestedKeys = new Set<string>()
  /** Async context of the caller; each redirected request is sent in it, not in that of the connection. */
  readonly #asyncScope = new (builtinModule('node:async_hooks').AsyncResource)('sluice.redirect')
  #discarder: BodyDiscarder | null = null
  #redirections = 0
  #completed = false
  /** Error with which the request has failed. */
  #failure: Error | null = null

  /**
   * @param dispatch sends the requests that follow redirects; the first is the caller's to send
   * @param maxRedirections maximum number of redirects; 0 or null: none
   * @param opts options of the first request, with redirect options
   * @param handler with the current or the legacy callbacks
   * @throws {InvalidArgumentError} an argument is invalid
   */
  constructor(
    dispatch: Dispatch,
    maxRedirections: number | null | undefined,
    opts: DispatchOptions & RedirectOptions,
    handler: DispatchHandler | LegacyDispatchHandler,
  ) {
    super(handler)
    if (typeof dispatch !== 'function') throw invalidOption('dispatch', 'a function', dispatch)
    if (typeof opts !== 'object' || opts === null) throw invalidOption('opts', 'an object', opts)
    const given = unpollutedRequest(opts)
    checkRedirectOptions({ ...given, maxRedirections })
    const {
      maxRedirections: _,
      throwOnMaxRedirect,
      stripHeadersOnRedirect,
      stripHeadersOnCrossOriginRedirect,
      ...request
    } = given
    this.dispatch = dispatch
    this.maxRedirections = maxRedirections ?? null
    this.handler = handler
    this.opts = withReusableHeaders(withDeadline(request))
    this.#handler = adaptInnerHandler(handler)
    this.#throwOnMaxRedirect = throwOnMaxRedirect === true
    this.#policy = {
      core: coreOf(dispatch),
      stripAlways: lowerCaseSet(stripHeadersOnRedirect),
      stripCrossOrigin: lowerCaseSet(stripHeadersOnCrossOriginRedirect),
    }
  }

  /**
   * Returns a `dispatch` function that sends over `dispatcher` and follows redirects.
   * @throws {InvalidArgumentError} `maxRedirections` is not a whole number, 0 or more, or null
   */
  static buildDispatch(dispatcher: Dispatcher, maxRedirections: number | null): Dispatch {
    checkMaxRedirections(maxRedirections)
    if (typeof dispatcher?.dispatch !== 'function') throw invalidOption('dispatcher', 'a Dispatcher', dispatcher)
    const dispatch: Dispatch = (options, handler) => dispatcher.dispatch(options, handler)
    setCore(dispatch, coreOf(dispatcher))
    return (given, handler) => {
      const options = completeOptions(dispatcher, unpollutedRequest(given))
      const redirecting = new RedirectHandler(dispatch, maxRedirections, options, handler)
      return dispatch({ ...redirecting.opts }, redirecting)
    }
  }

  onRequestQueued(controller: DispatchController): void {
    this.#controller.attach(controller)
    if (!this.#completed && this.#redirections === 0) this.#handler.onRequestQueued?.(this.#controller)
  }

  onRequestStart(controller: DispatchController, context: unknown): void {
    this.#controller.attach(controller)
    if (this.#completed || this.#controller.abortedByHandler) return
    const known = typeof context === 'object' ? context : null
    this.#handler.onRequestStart?.(this.#controller, { ...known, history: this.history })
  }

  onRequestUpgrade(controller: DispatchController, statusCode: number, headers: IncomingHeaders, socket: Duplex): void {
    this.#controller.attach(controller)
    this.#controller.end()
    this.#handler.onRequestUpgrade?.(this.#controller, statusCode, headers, socket)
    // Set after the call: an exception of the handler comes back as onResponseError.
    this.#completed = true
  }

  /**
   * Prepares the next request if the response is a redirect, else passes the response to the handler.
   * @throws {MaxRedirectsError} the limit is reached and `throwOnMaxRedirect` is set
   * @throws {InvalidArgumentError} the redirect is a loop, or leads to no http(s) URL
   */
  onResponseStart(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHeaders,
    statusMessage?: string,
  ): void {
    this.#controller.attach(controller)
    if (this.#completed) return
    this.location = null
    this.opts = withTimeoutsOf(this.opts, controller.timeouts)
    if (statusCode >= 200) {
      const url = urlOf(this.opts)
      if (url !== undefined) this.history.push(url)
      this.#prepareRedirect(statusCode, headers)
      if (this.location !== null) {
        const leaving = new InformationalError(
          'The body of a redirect was not read to its end: it exceeds 64 KB or one second',
        )
        this.#discarder = new BodyDiscarder(controller, leaving)
        controller.resume()
      }
    }
    if (this.location === null) this.#handler.onResponseStart?.(this.#controller, statusCode, headers, statusMessage)
  }

  onResponseData(_controller: DispatchController, chunk: Buffer): void {
    if (this.#completed) return
    if (this.#discarder === null) this.#handler.onResponseData?.(this.#controller, chunk)
    else this.#discarder.onData(chunk)
  }

  onResponseEnd(_controller: DispatchController, trailers: IncomingHeaders): void {
    if (this.#completed) return
    if (this.#discarder !== null) return this.#sendRedirected()
    this.#controller.end()
    this.#handler.onResponseEnd?.(this.#controller, trailers)
    // Set after the call: an exception of the handler comes back as onResponseError.
    this.#completed = true
  }

  onResponseError(_controller: DispatchController, error: Error): void {
    const aborted = this.#controller.abortedByHandler
    if (this.#completed) {
      if (!aborted) reportThrown(error, this.#failure)
      return
    }
    // An error in the discarded body of a redirect does not matter.
    if (this.#discarder !== null && !aborted) this.#sendRedirected()
    else this.#fail(error)
  }

  onResponseStarted(): void {
    if (!this.#completed) this.#handler.onResponseStarted?.()
  }

  onBodySent(chunk: Buffer): void {
    copyReplayedBytes(this.opts, this.#handler)
    if (!this.#completed) this.#handler.onBodySent?.(chunk)
  }

  onRequestSent(): void {
    copyReplayedBytes(this.opts, this.#handler)
    if (!this.#completed) this.#handler.onRequestSent?.()
  }

  /** Sets `location` and `opts` if the response is a redirect that is followed. */
  #prepareRedirect(statusCode: number, headers: IncomingHeaders): void {
    const location = locationOf(statusCode, headers)
    if (location === null || !this.maxRedirections) return
    const next = redirectedRequest(this.opts, { statusCode, location }, this.#policy)
    if (next === null) return
    if (this.#redirections >= this.maxRedirections) {
      if (this.#throwOnMaxRedirect) throw markSluiceOwned(new MaxRedirectsError())
      return
    }
    this.#requestedKeys.add(redirectKeyOf(this.opts))
    if (this.#requestedKeys.has(redirectKeyOf(next))) {
      throw markSluiceOwned(
        new InvalidArgumentError('Redirect loop: a redirect leads to a URL that was requested before'),
      )
    }
    this.location = location
    this.opts = next
  }

  #sendRedirected(): void {
    this.#redirections++
    this.#discarder?.onEnd()
    this.#discarder = null
    this.location = null
    this.#controller.detach()
    try {
      this.#asyncScope.runInAsyncScope(() => this.dispatch({ ...this.opts }, this))
    } catch (error) {
      if (this.#completed) reportUncaught(error)
      else this.#fail(error as Error)
    }
  }

  #fail(error: Error): void {
    if (this.#completed) return
    this.#completed = true
    this.#failure = error
    this.#discarder?.onEnd()
    this.#controller.end(error)
    callUserCode(() => this.#handler.onResponseError?.(this.#controller, error))
  }
}
