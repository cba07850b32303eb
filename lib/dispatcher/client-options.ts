import type { SessionOptions } from 'node:http2'
import { unpolluted } from '../base/prototype-pollution.js'
import type { ParserChoice } from '../connection/engines.js'
import { markArgumentError } from '../errors/caller.js'
import {
  booleanOption,
  milliseconds,
  nonNegativeInteger,
  parseNumericString,
  positiveInteger,
  positiveNumber,
  requireObject,
} from '../errors/option-checks.js'
import { warnUnknownOptions } from '../errors/unknown-options.js'
import { invalidArgument, invalidChoice, invalidOption, NotSupportedError } from '../errors.js'
import { checkTimeouts, type TimeLimits, type Timeouts, timeLimitsOf } from '../exchange/deadlines.js'
import type { RequestDefaults } from '../exchange/request.js'
import { type BuildOptions, type buildConnector, type Connector, checkFamilySelection } from '../transport/connect.js'
import { checkHost } from '../wire/request-head.js'
import type { SharedConfig } from './dispatcher-core.js'
import { DISPATCHER_OPTIONS } from './option-names.js'
import { connectorFor } from './shared-connectors.js'

/** Options of a Client; all times in ms. Source: undici's `Client.md`. */
export interface ClientOptions {
  /** Maximum time between two chunks of a response body, in ms; 0 for no limit. Default: 300 000. */
  bodyTimeout?: number | null
  /** Maximum time until the complete response headers are received, in ms; 0 for no limit. Default: 300 000. */
  headersTimeout?: number | null
  /** Maximum time until a connection is established, in ms; 0 for no limit. Default: 10 000. */
  connectTimeout?: number | null
  /**
   * Time limits in ms: `connect`, `headers` and `body` are short names of the options above, which take precedence;
   * `queue` and `total` count from dispatch. Default: no further limits.
   */
  timeouts?: Omit<Timeouts, 'deadline'> | null
  /**
   * Maximum number of queued requests: those that wait because all allowed connections are busy. Another request fails
   * at once with a QueueFullError. Default: no limit.
   */
  maxQueued?: number | null
  /** Records `timings` for every request that does not set the option itself. Default: false. */
  timings?: boolean | null
  /** Time in ms after which an idle connection is closed, if the server sends no `keep-alive` hint. Default: 4 000. */
  keepAliveTimeout?: number | null
  /** Upper bound in ms for the `timeout` of the server's `keep-alive` header. Default: 600 000. */
  keepAliveMaxTimeout?: number | null
  /** Time in ms subtracted from the server's hint, to allow for the transfer time of the response. Default: 2 000. */
  keepAliveTimeoutThreshold?: number | null
  /** Maximum size of the response headers in bytes. Default: Node's `--max-http-header-size`, or 16 384. */
  maxHeaderSize?: number | null
  /** Maximum size of a response body in bytes; -1 for no limit. Default: -1. */
  maxResponseSize?: number | null
  /** Maximum number of requests per connection; 0 for no limit. Default: no limit. */
  maxRequestsPerClient?: number | null
  /**
   * Maximum age of a connection in ms. It then accepts no more requests, and is closed after those in flight. The time
   * is randomly shortened by up to 10 %, so that connections opened together do not end together. Default: no limit.
   */
  maxConnectionAge?: number | null
  /** Maximum number of requests in flight per connection; 0: one request, without keep-alive. Default: 1. */
  pipelining?: number | null
  /**
   * Rejects bodies whose length differs from `content-length`; `false` sends the actual length and warns. Default:
   * true.
   */
  strictContentLength?: boolean | null
  /**
   * Response parser. `wasm`: llhttp in WebAssembly. `js`: an equally strict parser in JavaScript. `auto`: `js` only if
   * the runtime has no WebAssembly, or no memory for it; requests fail there with a WebAssemblyNotSupportedError under
   * `wasm`. Default: `auto`.
   */
  parser?: ParserChoice | null
  /** Options of the connector (TCP and TLS), or a connector function. Default: `buildConnector()`. */
  connect?: Partial<BuildOptions> | Connector | null
  /**
   * Further options of the connector. Those of `connect` take precedence. Default: none. Source: undici's `Pool.md`.
   */
  tls?: Partial<BuildOptions> | null
  /**
   * Host and port of an origin whose URL has an IP address: used for the `host` header, as TLS server name, and to
   * verify the certificate. Default: host and port of the URL.
   */
  authority?: string | null
  /** Path of a Unix domain socket or named pipe to connect to. Default: none. */
  socketPath?: string | null
  /** Local IP address to connect from. Default: chosen by the system. */
  localAddress?: string | null
  /** Maximum number of TLS sessions kept for resumption; 0 for none. Default: 100. */
  maxCachedSessions?: number | null
  /** Enables Happy Eyeballs (RFC 8305). Default: Node's. */
  autoSelectFamily?: boolean | null
  /** Time in ms before the next address is attempted. Default: Node's, 250. */
  autoSelectFamilyAttemptTimeout?: number | null
  /** Ignored: sluice speaks HTTP/1.1 only. */
  allowH2?: boolean | null
  /** Ignored, except that `useH2c: true` throws a NotSupportedError. */
  h2Options?: H2Options | null
  /** Ignored: about HTTP/2. */
  maxConcurrentStreams?: number | null
  /** Ignored: about HTTP/2. */
  initialWindowSize?: number | null
  /** Ignored: about HTTP/2. */
  connectionWindowSize?: number | null
  /** Ignored: about HTTP/2. */
  pingInterval?: number | null
  /** Ignored: sluice has no WebSockets. */
  webSocket?: WebSocketOptions | null
  /** Ignored: sluice has no EventSource. */
  eventSource?: EventSourceOptions | null
  /** Ignored: see `parser`. */
  useMilo?: boolean | null
  /** Rejected: use `headersTimeout` and `bodyTimeout`. */
  socketTimeout?: never
  /** Rejected: use `headersTimeout` and `bodyTimeout`. */
  requestTimeout?: never
  /** Rejected: use `keepAliveTimeout`. */
  idleTimeout?: never
  /** Rejected: use `pipelining: 0`. */
  keepAlive?: never
  /** Rejected: use `keepAliveMaxTimeout`. */
  maxKeepAliveTimeout?: never
}

/** HTTP/2 options of undici. Accepted for compatibility and ignored. Source: undici's `Client.md`. */
export interface H2Options extends Omit<SessionOptions, keyof BuildOptions> {
  /** Ignored: about HTTP/2. */
  connectionWindowSize?: number
  /** Ignored: about HTTP/2. */
  pingInterval?: number
  /** Ignored: about HTTP/2. */
  maxConcurrentStreams?: number
  /** Rejected: `true` fails with a NotSupportedError, because the server may speak HTTP/2 only. */
  useH2c?: boolean
  /** Ignored: about HTTP/2. */
  settings?: Omit<SessionOptions['settings'], 'enablePush' | 'maxConcurrentStreams' | 'enableConnectProtocol'>
}

/** WebSocket options of undici. Accepted for compatibility and ignored. Source: undici's `Client.md`. */
export interface WebSocketOptions {
  /** Ignored: sluice has no WebSockets. */
  maxFragments?: number
  /** Ignored: sluice has no WebSockets. */
  maxPayloadSize?: number
}

/** EventSource options of undici. Accepted for compatibility and ignored. Source: undici's `Client.md`. */
export interface EventSourceOptions {
  /** Ignored: sluice has no EventSource. */
  maxEventSize?: number
}

type NotNull<Options> = { [Name in keyof Options]: Exclude<Options[Name], null> }

/**
 * Options of a Client as a `factory` receives them: without null, so that they are also options of undici's Client.
 * Source: undici's `Client.md`.
 */
export interface ClientFactoryOptions extends NotNull<Omit<ClientOptions, 'connect' | 'tls'>> {
  /** Options of the connector (TCP and TLS), or a connector function. Default: `buildConnector()`. */
  connect?: Partial<BuildOptions> | buildConnector.connector
  /** Not passed on: merged into `connect`. Default: none. */
  tls?: never
}

/** Validated options of a Client, with defaults. */
export interface ResolvedClientOptions {
  bodyTimeout: number
  headersTimeout: number
  keepAliveTimeout: number
  keepAliveMaxTimeout: number
  keepAliveTimeoutThreshold: number
  maxHeaderSize: number
  maxResponseSize: number
  maxRequestsPerClient: number
  pipelining: number
  /** Infinity for no limit. */
  maxQueued: number
  /** Infinity for no limit. */
  maxConnectionAge: number
  limits: TimeLimits | null
  timings: boolean
  strictContentLength: boolean
  parser: ParserChoice
  authority: string | null
  localAddress: string | null
  socketPath: string | null
  connector: Connector
}

/** Replacements of options of earlier undici versions, which its documentation rejects. */
const replacements: Record<string, string> = {
  keepAlive: 'pipelining: 0',
  socketTimeout: 'headersTimeout and bodyTimeout',
  requestTimeout: 'headersTimeout and bodyTimeout',
  idleTimeout: 'keepAliveTimeout',
  maxKeepAliveTimeout: 'keepAliveMaxTimeout',
}

/**
 * Validates the options of a Client and adds defaults.
 * @throws {InvalidArgumentError} an option is invalid
 * @throws {NotSupportedError} `useH2c` is set
 */
export function resolveClientOptions(given: ClientOptions): ResolvedClientOptions {
  requireObject('options', given)
  const options = unpolluted(given)
  for (const [name, instead] of Object.entries(replacements)) {
    if ((options as Record<string, unknown>)[name] !== undefined) {
      throw invalidArgument(`${name} is not supported: use ${instead}`)
    }
  }
  refuseH2c(options)
  warnUnknownOptions(DISPATCHER_OPTIONS, given)
  const timeouts = checkTimeouts(options.timeouts)
  return {
    bodyTimeout: milliseconds('bodyTimeout', options.bodyTimeout, timeouts.body ?? 300_000),
    headersTimeout: milliseconds('headersTimeout', options.headersTimeout, timeouts.headers ?? 300_000),
    keepAliveTimeout: positiveNumber('keepAliveTimeout', options.keepAliveTimeout, [4_000]),
    keepAliveMaxTimeout: positiveNumber('keepAliveMaxTimeout', options.keepAliveMaxTimeout, [600_000]),
    keepAliveTimeoutThreshold: threshold(options.keepAliveTimeoutThreshold),
    maxHeaderSize: positiveInteger('maxHeaderSize', options.maxHeaderSize ?? nodeHeaderSize(), 16_384),
    maxResponseSize: responseSize(options.maxResponseSize),
    maxRequestsPerClient: nonNegativeInteger('maxRequestsPerClient', options.maxRequestsPerClient, 0),
    pipelining: pipeliningOf(options.pipelining),
    maxQueued: nonNegativeInteger('maxQueued', options.maxQueued, Number.POSITIVE_INFINITY),
    maxConnectionAge: positiveNumber('maxConnectionAge', options.maxConnectionAge, [Number.POSITIVE_INFINITY]),
    limits: timeLimitsOf({ ...timeouts, connect: 0 }, null),
    timings: booleanOption('timings', options.timings, false),
    strictContentLength: booleanOption('strictContentLength', options.strictContentLength, true),
    parser: parserChoice(options.parser),
    authority: options.authority == null ? null : checkHost('authority', options.authority),
    localAddress: text('localAddress', options.localAddress),
    socketPath: text('socketPath', options.socketPath),
    connector: connectorOf(options, timeouts.connect),
  }
}

/** Other HTTP/2 options fall back to HTTP/1.1. With `useH2c` the server may speak HTTP/2 only. */
function refuseH2c(options: { useH2c?: unknown; h2Options?: H2Options | null }): void {
  if (options.useH2c || options.h2Options?.useH2c) {
    throw markArgumentError(new NotSupportedError('useH2c is not supported: sluice speaks HTTP/1.1 only'))
  }
}

/**
 * Returns the configuration that all requests of a dispatcher with several origins have in common.
 * @param origins returns the origins that it sends to; null for any
 * @throws {InvalidArgumentError} a time limit is invalid
 */
export function resolveSharedConfig(
  { timeouts, timings }: ClientOptions,
  origins: () => readonly string[] | null,
): SharedConfig {
  const limits = timeLimitsOf({ ...checkTimeouts(timeouts), connect: 0 }, null)
  return {
    defaults: { limits, timings: timings === true },
    get origins() {
      return origins()
    },
  }
}

/** Returns the defaults that requests take from their client. */
export function requestDefaults(origin: URL, options: ResolvedClientOptions): RequestDefaults {
  const { headersTimeout, bodyTimeout, strictContentLength, limits, timings } = options
  const host = options.authority ?? origin.host
  return { host, origin: origin.origin, headersTimeout, bodyTimeout, strictContentLength, limits, timings }
}

/** Returns the value of `--max-http-header-size` on the command line or in NODE_OPTIONS. */
function nodeHeaderSize(): number | undefined {
  const flags = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(' ')].join(' ')
  const found = /--max-http-header-size[= ](\d+)/.exec(flags)
  return found === null ? undefined : Number(found[1])
}

function connectorOf(options: ClientOptions, connectTimeout = 10_000): Connector {
  const { connect, tls, allowH2 } = options
  checkFamilySelection(options)
  const timeout = milliseconds('connectTimeout', options.connectTimeout, connectTimeout)
  if (typeof connect === 'function') return connect
  if (connect !== undefined && connect !== null && typeof connect !== 'object') {
    throw invalidOption('connect', 'a function or an object', connect)
  }
  if (tls !== undefined && tls !== null && typeof tls !== 'object') throw invalidOption('tls', 'an object', tls)
  booleanOption('allowH2', allowH2, false)
  const given: Record<string, unknown> = {
    maxCachedSessions: options.maxCachedSessions,
    socketPath: options.socketPath,
    timeout,
    autoSelectFamily: options.autoSelectFamily,
    autoSelectFamilyAttemptTimeout: options.autoSelectFamilyAttemptTimeout,
  }
  const known = Object.entries(given).filter(([, value]) => value !== undefined && value !== null)
  return connectorFor(connect, { ...tls, ...Object.fromEntries(known), ...connect } as BuildOptions)
}

/**
 * Validates the `pipelining` option; Infinity means no limit. Default: 1.
 * @throws {InvalidArgumentError} the value is neither a non-negative integer nor Infinity
 */
export function pipeliningOf(value: unknown): number {
  const given = parseNumericString(value)
  return given === Number.POSITIVE_INFINITY ? given : nonNegativeInteger('pipelining', given, 1)
}

function threshold(value: unknown): number {
  if (value === undefined || value === null) return 2_000
  if (!Number.isFinite(value)) throw invalidOption('keepAliveTimeoutThreshold', 'a finite number of ms', value)
  return value as number
}

function responseSize(value: unknown): number {
  return value === -1 ? -1 : nonNegativeInteger('maxResponseSize', value, -1)
}

function parserChoice(value: unknown): ParserChoice {
  if (value === undefined || value === null) return 'auto'
  if (value === 'auto' || value === 'wasm' || value === 'js') return value
  throw invalidChoice('parser', "'auto', 'wasm' or 'js'", value)
}

function text(name: string, value: unknown): string | null {
  if (value === undefined || value === null) return null
  if (typeof value !== 'string') throw invalidOption(name, 'a string', value)
  return value
}
