import type { Duplex } from 'node:stream'
import { builtin } from '../base/builtin.js'
import { callUser } from '../base/gate.js'
import { ownRequestOptions } from '../base/own-options.js'
import type { Dispatch, Dispatcher } from '../dispatcher/dispatcher.js'
import { coreOf, setCore } from '../dispatcher/dispatcher-core.js'
import { completeOptions } from '../dispatcher/interceptor-chain.js'
import { InformationalError, InvalidArgumentError, invalidOption, locatable, MaxRedirectsError } from '../errors.js'
import { withDeadline, withTimeoutsOf } from '../exchange/deadlines.js'
import type {
  DispatchController,
  DispatchHandler,
  IncomingHeaders,
  LegacyDispatchHandler,
} from '../exchange/handler.js'
import { decorated } from '../exchange/legacy-handler.js'
import type { DispatchOptions } from '../exchange/request.js'
import { WrappingHandler } from '../exchange/wrapping-handler.js'
import { isToken } from '../wire/headers.js'
import { Drain } from './drain.js'
import { type FollowPlan, follow, keyOf, locationOf, urlOf } from './redirect-target.js'
import { RelayController } from './relay-controller.js'
import { keepBytes, withLastingHeaders } from './repeatable.js'
import { abortErrorOf } from './wait.js'

/** How redirects are followed; for all requests, or beside the options of one. Source: undici's `Interceptors.md`. */
export interface RedirectOptions {
  /** Redirects followed at most; 0 or null for none. Default: none. */
  maxRedirections?: number | null | undefined
  /** Fail with a MaxRedirectsError instead of handing out the redirect that was one too many. Default: false. */
  throwOnMaxRedirect?: boolean | undefined
  /** Names of request fields that are not sent to where a redirect leads. Default: none. */
  stripHeadersOnRedirect?: readonly string[] | null | undefined
  /** Those not sent to another origin, beside `authorization`, `cookie` and `proxy-authorization`. Default: none. */
  stripHeadersOnCrossOriginRedirect?: readonly string[] | null | undefined
}

/** @throws {InvalidArgumentError} an option is not what is documented */
export function checkRedirectOptions(options: RedirectOptions): void {
  checkMaximum(options.maxRedirections)
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

function checkMaximum(value: unknown): void {
  if (value == null || (Number.isInteger(value) && (value as number) >= 0)) return
  throw invalidOption('maxRedirections', 'a whole number, 0 or more, or null', value)
}

function lowerCased(names: readonly string[] | null | undefined): Set<string> {
  return new Set(names?.map((name) => name.toLowerCase()))
}

/**
 * Follows redirects on behalf of another handler, which hears of the last response alone, and sees one controller all
 * the way. Source: undici's `RedirectHandler.md`.
 */
export class RedirectHandler extends WrappingHandler implements DispatchHandler {
  /** Sends the requests that follow redirects. */
  readonly dispatch: Dispatch
  /** Redirects followed at most; null for none. */
  readonly maxRedirections: number | null
  /** Who asked. */
  readonly handler: DispatchHandler | LegacyDispatchHandler
  /** All URLs that answered so far. */
  readonly history: URL[] = []
  /** Where the redirect that came just now leads; null when what came was none, or is not followed. */
  location: string | null = null
  /** The request to be sent next, without the options that are about redirects. */
  opts: DispatchOptions
  readonly #throws: boolean
  readonly #plan: FollowPlan
  readonly #handler: DispatchHandler
  readonly #controller = new RelayController((reason) => this.#fail(abortErrorOf(reason, this.opts)))
  readonly #sent = new Set<string>()
  /** What follows belongs to whoever asked first: to its trace, not to that of the connection. */
  readonly #sender = new (builtin('node:async_hooks').AsyncResource)('sluice.redirect')
  #drain: Drain | null = null
  #followed = 0
  #over = false

  /**
   * @param dispatch sends the requests that follow redirects; the first is the caller's to send
   * @param maxRedirections redirects followed at most; 0 or null for none
   * @param opts the first request, and options about redirects
   * @param handler of either generation
   * @throws {InvalidArgumentError} an argument is not what is documented
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
    const given = ownRequestOptions(opts)
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
    this.opts = withLastingHeaders(withDeadline(request))
    this.#handler = decorated(handler)
    this.#throws = throwOnMaxRedirect === true
    this.#plan = {
      core: coreOf(dispatch),
      always: lowerCased(stripHeadersOnRedirect),
      acrossOrigins: lowerCased(stripHeadersOnCrossOriginRedirect),
    }
  }

  /**
   * A way to dispatch over `dispatcher` that follows redirects.
   * @throws {InvalidArgumentError} `maxRedirections` is not a whole number, 0 or more, or null
   */
  static buildDispatch(dispatcher: Dispatcher, maxRedirections: number | null): Dispatch {
    checkMaximum(maxRedirections)
    if (typeof dispatcher?.dispatch !== 'function') throw invalidOption('dispatcher', 'a Dispatcher', dispatcher)
    const dispatch: Dispatch = (options, handler) => dispatcher.dispatch(options, handler)
    setCore(dispatch, coreOf(dispatcher))
    return (given, handler) => {
      const options = completeOptions(dispatcher, ownRequestOptions(given))
      const redirecting = new RedirectHandler(dispatch, maxRedirections, options, handler)
      return dispatch({ ...redirecting.opts }, redirecting)
    }
  }

  onRequestQueued(controller: DispatchController): void {
    this.#controller.attach(controller)
    if (!this.#over && this.#followed === 0) this.#handler.onRequestQueued?.(this.#controller)
  }

  onRequestStart(controller: DispatchController, context: unknown): void {
    this.#controller.attach(controller)
    if (this.#over || this.#controller.abortedAbove) return
    const known = typeof context === 'object' ? context : null
    this.#handler.onRequestStart?.(this.#controller, { ...known, history: this.history })
  }

  onRequestUpgrade(controller: DispatchController, statusCode: number, headers: IncomingHeaders, socket: Duplex): void {
    this.#controller.attach(controller)
    this.#controller.end()
    this.#handler.onRequestUpgrade?.(this.#controller, statusCode, headers, socket)
    // Not before: what it throws comes back as an error.
    this.#over = true
  }

  /**
   * @throws {MaxRedirectsError} `throwOnMaxRedirect`, and this is one redirect too many
   * @throws {InvalidArgumentError} it leads to where it came from, or to no http(s) URL
   */
  onResponseStart(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHeaders,
    statusMessage?: string,
  ): void {
    this.#controller.attach(controller)
    if (this.#over) return
    this.location = null
    this.opts = withTimeoutsOf(this.opts, controller.timeouts)
    if (statusCode >= 200) {
      const url = urlOf(this.opts)
      if (url !== undefined) this.history.push(url)
      this.#prepare(statusCode, headers)
      if (this.location !== null) {
        const leaving = new InformationalError('The redirect is followed before its body has ended')
        this.#drain = new Drain(controller, leaving)
        controller.resume()
      }
    }
    if (this.location === null) this.#handler.onResponseStart?.(this.#controller, statusCode, headers, statusMessage)
  }

  onResponseData(_controller: DispatchController, chunk: Buffer): void {
    if (this.#over) return
    if (this.#drain === null) this.#handler.onResponseData?.(this.#controller, chunk)
    else this.#drain.take(chunk)
  }

  onResponseEnd(_controller: DispatchController, trailers: IncomingHeaders): void {
    if (this.#over) return
    if (this.#drain !== null) return this.#follow()
    this.#controller.end()
    this.#handler.onResponseEnd?.(this.#controller, trailers)
    // Not before: what it throws comes back as an error.
    this.#over = true
  }

  onResponseError(_controller: DispatchController, error: Error): void {
    // What becomes of a body that is not wanted does not matter.
    if (this.#drain !== null && !this.#over && !this.#controller.abortedAbove) this.#follow()
    else this.#fail(error)
  }

  onResponseStarted(): void {
    if (!this.#over) this.#handler.onResponseStarted?.()
  }

  onBodySent(chunk: Buffer): void {
    keepBytes(this.opts, this.#handler)
    if (!this.#over) this.#handler.onBodySent?.(chunk)
  }

  onRequestSent(): void {
    keepBytes(this.opts, this.#handler)
    if (!this.#over) this.#handler.onRequestSent?.()
  }

  /** Sets `location` and `opts` when the response is a redirect to be followed. */
  #prepare(statusCode: number, headers: IncomingHeaders): void {
    const location = locationOf(statusCode, headers)
    if (location === null || !this.maxRedirections) return
    const next = follow(this.opts, { statusCode, location }, this.#plan)
    if (next === null) return
    if (this.#followed >= this.maxRedirections) {
      if (this.#throws) throw locatable(new MaxRedirectsError())
      return
    }
    this.#sent.add(keyOf(this.opts))
    if (this.#sent.has(keyOf(next))) {
      throw locatable(new InvalidArgumentError(`Redirect loop: ${next.origin ?? ''}${next.path} was asked for before`))
    }
    this.location = location
    this.opts = next
  }

  #follow(): void {
    this.#followed++
    this.#drain?.end()
    this.#drain = null
    this.location = null
    this.#controller.detach()
    try {
      this.#sender.runInAsyncScope(() => this.dispatch({ ...this.opts }, this))
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  #fail(error: Error): void {
    if (this.#over) return
    this.#over = true
    this.#drain?.end()
    this.#controller.end(error)
    callUser(() => this.#handler.onResponseError?.(this.#controller, error))
  }
}
