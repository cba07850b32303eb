import type { Duplex } from 'node:stream'
import { connect as connectBy } from '../api/connect.js'
import type * as api from '../api/documented.js'
import { type PipelineOptions, pipeline as pipelineBy } from '../api/pipeline.js'
import { type RequestOptions, request as requestBy, type Timed } from '../api/request.js'
import { stream as streamBy } from '../api/stream.js'
import type { DispatchTarget } from '../api/target.js'
import { upgrade as upgradeBy } from '../api/upgrade.js'
import { unpolluted } from '../base/prototype-pollution.js'
import type { Dispatcher } from '../dispatcher/dispatcher.js'
import { requireFunction } from '../errors/option-checks.js'
import { InvalidArgumentError, invalidOption } from '../errors.js'
import { getGlobalDispatcher } from './global-dispatcher.js'
import { optionsIn, parseTarget, type UrlInput } from './target-url.js'

type Callback<Data> = (error: Error | null, data: Data) => void

/** What these functions take beside the options of a dispatcher's method, and what the URL stands for. */
type Options<Base> = Omit<Base, 'origin' | 'path' | 'method'> & {
  /** What sends the request. Default: {@link getGlobalDispatcher}'s. */
  dispatcher?: Dispatcher
  /** Default: PUT with a body, GET without. */
  method?: string
  /** With its query; asked for instead of what the URL says. Default: that of the URL. */
  path?: string | null
}

/** {@link request}, told by a callback. */
export function request<Opaque = null>(
  url: UrlInput,
  options: Options<RequestOptions<Opaque>> | null,
  callback: Callback<api.ResponseData<Opaque>>,
): void
/** {@link request}, told by a callback. */
export function request(url: UrlInput, callback: Callback<api.ResponseData>): void
/** A request by URL. Its body must be read, or dropped by `dump()`. Source: undici's `index.md`. */
export function request<Opaque = null>(
  url: UrlInput,
  options?: Options<RequestOptions<Opaque>> | null,
): Promise<api.ResponseData<Opaque> & Timed>
export function request(url: UrlInput, ...rest: unknown[]): unknown {
  return settle(url, rest, ({ target, options, callback }) =>
    callback === undefined ? requestBy(target, options) : requestBy(target, options, callback),
  )
}

/** {@link stream}, told by a callback. */
export function stream<Opaque = null>(
  url: UrlInput,
  options: Options<RequestOptions<Opaque>> | null,
  factory: api.StreamFactory<Opaque>,
  callback: Callback<api.StreamData<Opaque>>,
): void
/** {@link stream} with default options. */
export function stream(url: UrlInput, factory: api.StreamFactory): Promise<api.StreamData>
/** A request by URL whose response body is written into what `factory` returns. Source: undici's `index.md`. */
export function stream<Opaque = null>(
  url: UrlInput,
  options: Options<RequestOptions<Opaque>> | null,
  factory: api.StreamFactory<Opaque>,
): Promise<api.StreamData<Opaque>>
export function stream(url: UrlInput, ...rest: unknown[]): unknown {
  const [options, factory, callback] = typeof rest[0] === 'function' ? [null, ...rest] : rest
  return settle(url, [options, callback], ({ target, options, callback }) =>
    streamBy(target, { options, factory: factory as api.StreamFactory }, callback),
  )
}

/** {@link pipeline} with default options. */
export function pipeline(url: UrlInput, handler: api.PipelineHandler): Duplex
/**
 * A duplex over one request by URL: what is written is its body, what `handler` returns can be read. Source:
 * undici's `index.md`.
 * @throws {InvalidArgumentError} the URL or an option is not what is documented
 */
export function pipeline<Opaque = null>(
  url: UrlInput,
  options: Options<PipelineOptions<Opaque>> | null,
  handler: api.PipelineHandler<Opaque>,
): Duplex
export function pipeline(url: UrlInput, ...rest: unknown[]): Duplex {
  const [options, handler] = typeof rest[0] === 'function' ? [null, ...rest] : rest
  const { target, options: own } = resolve(url, options)
  return pipelineBy(target, own, handler as api.PipelineHandler)
}

/** {@link connect}, told by a callback. */
export function connect<Opaque = null>(
  url: UrlInput,
  options: Options<api.ConnectOptions<Opaque>> | null,
  callback: Callback<api.ConnectData<Opaque>>,
): void
/** {@link connect}, told by a callback. */
export function connect(url: UrlInput, callback: Callback<api.ConnectData>): void
/** Opens a tunnel by CONNECT (RFC 9110 §9.3.6) to the origin of `url`, whose path is what the server is asked for. */
export function connect<Opaque = null>(
  url: UrlInput,
  options?: Options<api.ConnectOptions<Opaque>> | null,
): Promise<api.ConnectData<Opaque>>
export function connect(url: UrlInput, ...rest: unknown[]): unknown {
  return settle(url, rest, ({ target, options, callback }) =>
    callback === undefined ? connectBy(target, options) : connectBy(target, options, callback),
  )
}

/** {@link upgrade}, told by a callback. */
export function upgrade(
  url: UrlInput,
  options: Options<api.UpgradeOptions> | null,
  callback: Callback<api.UpgradeData>,
): void
/** {@link upgrade}, told by a callback. */
export function upgrade(url: UrlInput, callback: Callback<api.UpgradeData>): void
/** Changes the protocol of a connection to the origin of `url` (RFC 9110 §7.8). */
export function upgrade(url: UrlInput, options?: Options<api.UpgradeOptions> | null): Promise<api.UpgradeData>
export function upgrade(url: UrlInput, ...rest: unknown[]): unknown {
  return settle(url, rest, ({ target, options, callback }) =>
    callback === undefined ? upgradeBy(target, options) : upgradeBy(target, options, callback),
  )
}

interface Call {
  target: DispatchTarget
  options: { origin: string; path: string; method: string }
  // biome-ignore lint/suspicious/noExplicitAny: each function's overloads say what it is called with
  callback: Callback<any> | undefined
}

/** Bad arguments reject when a promise was asked for, as all else that can go wrong. */
function settle(url: UrlInput, rest: unknown[], send: (call: Call) => unknown): unknown {
  const [options, callback] = typeof rest[0] === 'function' ? [null, rest[0]] : rest
  if (callback !== undefined) requireFunction('callback', callback)
  try {
    return send({ ...resolve(url, options), callback: callback as Call['callback'] })
  } catch (error) {
    if (callback === undefined) return Promise.reject(error)
    throw error
  }
}

function resolve(url: UrlInput, given: unknown): Omit<Call, 'callback'> {
  if (given !== undefined && typeof given !== 'object') throw invalidOption('options', 'an object', given)
  const own = (given ?? optionsIn(url)) as {
    dispatcher?: DispatchTarget
    path?: unknown
    body?: unknown
    method?: string
  }
  // Interceptors written for undici 7 look for the dispatcher among the options that they get.
  const { path, ...rest } = unpolluted(own)
  if (Object.hasOwn(Object(given ?? url), 'agent'))
    throw new InvalidArgumentError('agent is not supported: use the dispatcher option')
  const target = rest.dispatcher ?? getGlobalDispatcher()
  if (typeof target.dispatch !== 'function') throw invalidOption('dispatcher', 'a Dispatcher', rest.dispatcher)
  const method = rest.method ?? (rest.body ? 'PUT' : 'GET')
  return { target, options: { ...rest, ...parseTarget(url, path), method } }
}
