import { Dispatcher } from '../dispatcher/dispatcher.js'
import { closeIdle, coreOf, type DispatcherCore, setCore } from '../dispatcher/dispatcher-core.js'
import type { Inspectable } from '../dispatcher/inspect.js'
import { invalidArgument, replaceErrorContext } from '../errors.js'
import { DecoratorHandler } from '../exchange/decorator-handler.js'
import type { RequestHeaders } from '../exchange/documented.js'
import { hasHeader, rereadableHeaders, withHeaders } from '../exchange/edit-headers.js'
import type {
  DispatchController,
  DispatchHandler,
  IncomingHeaders,
  LegacyDispatchHandler,
} from '../exchange/handler.js'
import { adaptHandler } from '../exchange/legacy-handler.js'
import type { DispatchOptions } from '../exchange/request.js'
import { type Answer, authenticationRequired, type Route } from './proxy-errors.js'
import { without } from './proxy-options.js'
import { relayAs } from './relay-events.js'

/** Sends the requests of one `http:` origin to a proxy, in absolute form (RFC 9112 §3.2.2). */
export class Forwarder extends Dispatcher {
  readonly #origin: URL
  readonly #proxy: string
  readonly #headers: readonly string[]
  readonly #inner: Dispatcher

  /** `inner` sends to `proxy`; `headers` are added for the proxy. */
  constructor(origin: URL, part: { inner: Dispatcher; proxy: string; headers: readonly string[] }) {
    super()
    this.#origin = origin
    this.#proxy = part.proxy
    this.#headers = part.headers
    this.#inner = part.inner
    relayAs(origin, part.inner, this)
    const inner = coreOf(part.inner)
    if (inner !== null) setCore(this, this.#coreOver(inner))
  }

  /** Delegates the operations of a sluice dispatcher to `inner`, so that an Agent treats the forwarder as one. */
  #coreOver(inner: DispatcherCore): DispatcherCore {
    return {
      origin: this.#origin.origin,
      config: () => ({ origins: [this.#origin.origin], defaults: inner.config().defaults }),
      isCloseComplete: () => inner.isCloseComplete(),
      send: (options, handler) => this.dispatch(options as DispatchOptions, handler),
      onClose: () => inner.onClose(),
      onDestroy: (error, done) => inner.onDestroy(error, done),
      children: () => [this.#inner],
      closeIdle: () => closeIdle(this.#inner),
      setBudget: (budget) => inner.setBudget?.(budget),
    }
  }

  /** Describes the dispatcher that speaks to the proxy, with its connections. */
  inspect(): string {
    return (this.#inner as Inspectable).inspect?.() ?? this.#inner.constructor.name
  }

  get stats(): unknown {
    return (this.#inner as { stats?: unknown }).stats
  }

  override dispatch(options: DispatchOptions, handler: DispatchHandler | LegacyDispatchHandler): boolean {
    const route = { proxy: this.#proxy, origin: this.#origin.origin }
    const upgrades = options.upgrade !== undefined && options.upgrade !== null && options.upgrade !== false
    const forwarded = { ...options, origin: this.#proxy, path: this.#target(options), headers: this.#fields(options) }
    return this.#inner.dispatch(forwarded, new ForwardHandler(adaptHandler(handler, upgrades), route, options.path))
  }

  #target(options: DispatchOptions): string {
    const { method, path } = options
    const { origin } = this.#origin
    if (typeof path !== 'string') return path
    if (method === 'CONNECT') {
      throw invalidArgument(`CONNECT to ${origin} cannot be forwarded without a tunnel: set proxyTunnel to true`)
    }
    // RFC 9112 §3.2.4: the last proxy converts the origin back to an asterisk.
    if (path === '*' && method === 'OPTIONS') return origin
    if (path.startsWith('/')) return origin + path
    if (!isWithin(origin, path)) {
      throw invalidArgument(`path must start with a slash or be a URL of ${origin} without credentials`)
    }
    return path
  }

  /** Adds the headers for the proxy. Headers of the request take precedence and keep their form. */
  #fields(options: DispatchOptions): RequestHeaders {
    const own = rereadableHeaders(options.headers)
    const added = without(['host', this.#origin.host, ...this.#headers], (name) => hasHeader(own, name))
    return withHeaders(own, added) as RequestHeaders
  }

  override close(callback: () => void): void
  override close(): Promise<void>
  override close(callback?: () => void): Promise<void> | void {
    return callback === undefined ? this.#inner.close() : this.#inner.close(callback)
  }

  override destroy(callback: () => void): void
  override destroy(error: Error | null, callback: () => void): void
  override destroy(error?: Error | null): Promise<void>
  override destroy(error?: Error | null | (() => void), callback?: () => void): Promise<void> | void {
    if (typeof error === 'function') return this.#inner.destroy(error)
    return callback === undefined ? this.#inner.destroy(error) : this.#inner.destroy(error ?? null, callback)
  }
}

/** Whether an absolute request target has the origin of the request. */
function isWithin(origin: string, path: string): boolean {
  try {
    const url = new URL(path)
    return url.origin === origin && url.username === '' && url.password === ''
  } catch {
    return false
  }
}

/** Handler of a forwarded request: adds the caller's origin and path to errors, and reports 407 as an error. */
class ForwardHandler extends DecoratorHandler {
  readonly #route: Route
  readonly #path: string

  constructor(handler: DispatchHandler, route: Route, path: string) {
    super(handler)
    this.#route = route
    this.#path = path
  }

  override onResponseStart(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHeaders,
    text?: string,
  ): void {
    if (statusCode === 407) controller.abort(this.#refusal({ statusCode, headers }))
    else super.onResponseStart(controller, statusCode, headers, text)
  }

  #refusal(answer: Answer): Error {
    return Object.assign(authenticationRequired(this.#route, answer), { path: this.#path })
  }

  override onResponseError(controller: DispatchController, error: Error): void {
    const { proxy, origin } = this.#route
    super.onResponseError(controller, replaceErrorContext(error, proxy, { origin, path: this.#path, proxy }))
  }
}
