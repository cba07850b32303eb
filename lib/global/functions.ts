import type { Duplex } from 'node:stream'
import { type ConnectOptions, connect as connectBy } from '../api/connect.js'
import type { Callback, DispatchTarget } from '../api/dispatch-target.js'
import type * as api from '../api/documented.js'
import { type PipelineOptions, pipeline as pipelineBy } from '../api/pipeline.js'
import { type RequestOptions, request as requestBy } from '../api/request.js'
import { stream as streamBy } from '../api/stream.js'
import { type UpgradeOptions, upgrade as upgradeBy } from '../api/upgrade.js'
import { unpolluted } from '../base/prototype-pollution.js'
import type { Dispatcher } from '../dispatcher/dispatcher.js'
import { atCaller, pointAtCaller, setFunctionByUrl } from '../errors/caller.js'
import { requireFunction } from '../errors/option-checks.js'
import { invalidArgument, invalidOption } from '../errors.js'
import { closeUnsentBody } from '../exchange/body-owner.js'
import { getGlobalDispatcher } from './global-dispatcher.js'
import { optionsIn, parseTarget, type UrlInput } from './target-url.js'

/** Options of the functions by URL: those of the dispatcher's method, with defaults taken from the URL. */
type Options<Base> = Omit<Base, 'origin' | 'path' | 'method'> & {
  /** Dispatcher that sends the request. Default: that of {@link getGlobalDispatcher}. */
  dispatcher?: Dispatcher
  /** Request method. Default: `PUT` with a body, `GET` without. */
  method?: string
  /** Request path with its query; replaces that of the URL. Default: that of the URL. */
  path?: string | null
}

/**
 * Sends a request to `url` and resolves when the response headers are received. Read the body, or call its `dump()`, so
 * that the connection is reused.
 * Source: undici's `index.md`.
 *
 * @example
 * const { statusCode, headers, body } = await request('https://example.com/items', {
 *   method: 'POST',
 *   headers: { 'content-type': 'application/json' },
 *   body: JSON.stringify({ name: 'lamp' }),
 * })
 * console.log(statusCode, headers, await body.json())
 *
 * @throws {InvalidArgumentError} by rejection: the URL or an option is invalid
 */
export function request<Opaque = null>(
  url: UrlInput,
  options?: Options<RequestOptions<Opaque>> | null,
): Promise<api.ResponseData<Opaque>>
/** {@link request} with a callback instead of a promise. */
export function request<Opaque = null>(
  url: UrlInput,
  options: Options<RequestOptions<Opaque>> | null,
  callback: Callback<api.ResponseData<Opaque>>,
): void
/** {@link request} with a callback instead of a promise. */
export function request(url: UrlInput, callback: Callback<api.ResponseData>): void
/** Repeats the first overload: `ReturnType` reads the last one. */
export function request<Opaque = null>(
  url: UrlInput,
  options?: Options<RequestOptions<Opaque>> | null,
): Promise<api.ResponseData<Opaque>>
export function request(url: UrlInput, ...rest: unknown[]): unknown {
  return settle([request, url], rest, ({ target, options, callback }) =>
    callback === undefined ? requestBy(target, options) : requestBy(target, options, callback),
  )
}

/**
 * Sends a request to `url` and writes the response body into the stream that `factory` returns. Resolves when that stream
 * has finished.
 * Source: undici's `index.md`.
 *
 * @example
 * await stream('https://example.com/file', null, ({ statusCode }) => {
 *   if (statusCode !== 200) throw new Error(`Status ${statusCode}`)
 *   return createWriteStream('file')
 * })
 *
 * @throws {InvalidArgumentError} by rejection: the URL or an option is invalid
 * @throws {InvalidReturnValueError} by rejection: `factory` returned something else than a Writable
 */
export function stream<Opaque = null>(
  url: UrlInput,
  options: Options<RequestOptions<Opaque>> | null,
  factory: api.StreamFactory<Opaque>,
): Promise<api.StreamData<Opaque>>
/** {@link stream} with a callback instead of a promise. */
export function stream<Opaque = null>(
  url: UrlInput,
  options: Options<RequestOptions<Opaque>> | null,
  factory: api.StreamFactory<Opaque>,
  callback: Callback<api.StreamData<Opaque>>,
): void
/** {@link stream} with default options. */
export function stream(url: UrlInput, factory: api.StreamFactory): Promise<api.StreamData>
export function stream(url: UrlInput, ...rest: unknown[]): unknown {
  const [options, factory, callback] = typeof rest[0] === 'function' ? [null, ...rest] : rest
  return settle([stream, url], [options, callback], ({ target, options, callback }) =>
    streamBy(target, { options, factory: factory as api.StreamFactory }, callback),
  )
}

/**
 * Returns a Duplex over one request to `url`: data written to it is the request body, data read from it comes from the
 * stream that `handler` returns.
 * Source: undici's `index.md`.
 *
 * @example
 * await stream.promises.pipeline(
 *   createReadStream('in'),
 *   pipeline('https://example.com/upper', { method: 'PUT' }, ({ body }) => body),
 *   createWriteStream('out'),
 * )
 *
 * @throws {InvalidArgumentError} the URL or an option is invalid
 */
export function pipeline<Opaque = null>(
  url: UrlInput,
  options: Options<PipelineOptions<Opaque>> | null,
  handler: api.PipelineHandler<Opaque>,
): Duplex
/** {@link pipeline} with default options. */
export function pipeline(url: UrlInput, handler: api.PipelineHandler): Duplex
export function pipeline(url: UrlInput, ...rest: unknown[]): Duplex {
  const [options, handler] = typeof rest[0] === 'function' ? [null, ...rest] : rest
  setFunctionByUrl(pipeline)
  const { target, options: own } = atCaller(pipeline, () => resolve(url, options))
  return pipelineBy(target, own, handler as api.PipelineHandler)
}

/**
 * Sends CONNECT (RFC 9110 §9.3.6) to the origin of `url`, with its path as the request target. The tunnel is established
 * if `statusCode` is 2xx. For a target such as `example.com:443`, use the method `connect` of a Client.
 * Source: undici's `Dispatcher.md`.
 *
 * @example
 * const { statusCode, socket } = await connect('http://localhost:3000')
 * if (statusCode === 200) socket.write('hello')
 *
 * @throws {InvalidArgumentError} by rejection: the URL or an option is invalid
 */
export function connect<Opaque = null>(
  url: UrlInput,
  options?: Options<ConnectOptions<Opaque>> | null,
): Promise<api.ConnectData<Opaque>>
/** {@link connect} with a callback instead of a promise. */
export function connect<Opaque = null>(
  url: UrlInput,
  options: Options<ConnectOptions<Opaque>> | null,
  callback: Callback<api.ConnectData<Opaque>>,
): void
/** {@link connect} with a callback instead of a promise. */
export function connect(url: UrlInput, callback: Callback<api.ConnectData>): void
/** Repeats the first overload: `ReturnType` reads the last one. */
export function connect<Opaque = null>(
  url: UrlInput,
  options?: Options<ConnectOptions<Opaque>> | null,
): Promise<api.ConnectData<Opaque>>
export function connect(url: UrlInput, ...rest: unknown[]): unknown {
  return settle([connect, url], rest, ({ target, options, callback }) =>
    callback === undefined ? connectBy(target, options) : connectBy(target, options, callback),
  )
}

/**
 * Upgrades a connection to the origin of `url` to another protocol (RFC 9110 §7.8), and resolves with its socket.
 * Source: undici's `Dispatcher.md`.
 *
 * @example
 * const { headers, socket } = await upgrade('http://example.com/chat', { protocol: 'websocket' })
 *
 * @throws {InvalidArgumentError} by rejection: the URL or an option is invalid
 * @throws {SocketError} by rejection: the server refused the upgrade
 */
export function upgrade(url: UrlInput, options?: Options<UpgradeOptions> | null): Promise<api.UpgradeData>
/** {@link upgrade} with a callback instead of a promise. */
export function upgrade(
  url: UrlInput,
  options: Options<UpgradeOptions> | null,
  callback: Callback<api.UpgradeData>,
): void
/** {@link upgrade} with a callback instead of a promise. */
export function upgrade(url: UrlInput, callback: Callback<api.UpgradeData>): void
/** Repeats the first overload: `ReturnType` reads the last one. */
export function upgrade(url: UrlInput, options?: Options<UpgradeOptions> | null): Promise<api.UpgradeData>
export function upgrade(url: UrlInput, ...rest: unknown[]): unknown {
  return settle([upgrade, url], rest, ({ target, options, callback }) =>
    callback === undefined ? upgradeBy(target, options) : upgradeBy(target, options, callback),
  )
}

interface Call {
  target: DispatchTarget
  options: { origin: string; path: string; method: string }
  // biome-ignore lint/suspicious/noExplicitAny: the overloads of each function have its type
  callback: Callback<any> | undefined
}

/** Calls `send`. Invalid arguments reject the promise; with a callback, they throw. */
function settle(
  [entry, url]: [entry: unknown, url: UrlInput],
  rest: unknown[],
  send: (call: Call) => unknown,
): unknown {
  setFunctionByUrl(entry)
  const [options, callback] = typeof rest[0] === 'function' ? [null, rest[0]] : rest
  try {
    if (callback !== undefined) requireFunction('callback', callback)
    return send({ ...resolve(url, options), callback: callback as Call['callback'] })
  } catch (error) {
    closeUnsentBody(Object(options ?? optionsIn(url)), error as Error)
    pointAtCaller(error)
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
  // Interceptors written for undici 7 read the dispatcher from the options they receive.
  const { path, ...rest } = unpolluted(own)
  if (Object.hasOwn(Object(given ?? url), 'agent'))
    throw invalidArgument('agent is not supported: use the dispatcher option')
  const target = rest.dispatcher ?? getGlobalDispatcher()
  if (typeof target.dispatch !== 'function') throw invalidOption('dispatcher', 'a Dispatcher', rest.dispatcher)
  const method = rest.method ?? (rest.body ? 'PUT' : 'GET')
  return { target, options: { ...rest, ...parseTarget(url, path), method } }
}
