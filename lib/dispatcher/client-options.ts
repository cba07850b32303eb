import type { SessionOptions } from 'node:http2'
import { unpolluted } from '../base/prototype-pollution.js'
import type { ParserChoice } from '../connection/engines.js'
import {
  booleanOption,
  milliseconds,
  nonNegativeInteger,
  parseNumericString,
  positiveInteger,
  positiveNumber,
  requireObject,
} from '../errors/option-checks.js'
import { invalidArgument, invalidChoice, invalidOption, NotSupportedError } from '../errors.js'
import { checkTimeouts, type TimeLimits, type Timeouts, timeLimitsOf } from '../exchange/deadlines.js'
import type { RequestDefaults } from '../exchange/request.js'
import { type BuildOptions, type buildConnector, type Connector, checkFamilySelection } from '../transport/connect.js'
import { checkHost } from '../wire/request-head.js'
import type { SharedConfig } from './dispatcher-core.js'
import { connectorFor } from './shared-connectors.js'

/** Options of a Client. All times in ms. Source: undici's `Client.md`. */
export interface ClientOptions {
  /** Longest wait between two pieces of a response body; 0 for no limit. Default: 300 000. */
  bodyTimeout?: number | null
  /** Longest wait for a complete response head; 0 for no limit. Default: 300 000. */
  headersTimeout?: number | null
  /** Longest wait for a connection; 0 for no limit. Default: 10 000. */
  connectTimeout?: number | null
  /**
   * The limits above by shorter names, and those that count from dispatch on: `queue` and `total`. An option above
   * comes first. Default: none beyond those.
   */
  timeouts?: Omit<Timeouts, 'deadline'> | null
  /**
   * Requests that may wait because all connections there may be have as many as they take; one more fails with a
   * QueueFullError at once. Default: no limit.
   */
  maxQueued?: number | null
  /** Each request that does not say otherwise has `timings`. Default: false. */
  timings?: boolean | null
  /** How long an idle connection is kept, unless the server hints otherwise. Default: 4 000. */
  keepAliveTimeout?: number | null
  /** Upper bound for the server's `keep-alive: timeout` hint. Default: 600 000. */
  keepAliveMaxTimeout?: number | null
  /** Taken off the server's hint, for the time the last response was under way. Default: 2 000. */
  keepAliveTimeoutThreshold?: number | null
  /** Largest response head in bytes. Default: Node's `--max-http-header-size`, or 16 384. */
  maxHeaderSize?: number | null
  /** Largest response body in bytes; -1 for no limit. Default: -1. */
  maxResponseSize?: number | null
  /** Requests per connection; 0 for no limit. Default: no limit. */
  maxRequestsPerClient?: number | null
  /**
   * ms after which a connection takes no more requests, and is closed when those under way have ended: up to 10 %
   * sooner by chance, so that those opened together do not end together. Default: no limit.
   */
  maxConnectionAge?: number | null
  /** Requests under way on the connection at once; 0 also ends keep-alive. Default: 1. */
  pipelining?: number | null
  /** Refuse a body whose length is not its `content-length`; `false`: send the known length and warn. Default: true. */
  strictContentLength?: boolean | null
  /**
   * What reads responses: `wasm`, llhttp in WebAssembly; `js`, a parser in JavaScript as strict; `auto`, the latter
   * only where the runtime has no WebAssembly or no memory for it. With `wasm` requests fail there with a
   * WebAssemblyNotSupportedError. Default: `auto`.
   */
  parser?: ParserChoice | null
  /** Options of the connector, or a connector. Default: `buildConnector()`. */
  connect?: Partial<BuildOptions> | Connector | null
  /** Options of the connector too; those of `connect` come first. Default: none. Source: undici's `Pool.md`. */
  tls?: Partial<BuildOptions> | null
  /**
   * Host and port by which an origin is known that is reached by its address: what `host` says, and with TLS the name
   * that the certificate must be of. Default: those of the origin.
   */
  authority?: string | null
  /** A unix socket or named pipe. Default: none. */
  socketPath?: string | null
  /** Local address to connect from. Default: the system's choice. */
  localAddress?: string | null
  /** TLS sessions kept for reuse; 0 for none. Default: 100. */
  maxCachedSessions?: number | null
  /** RFC 8305 happy eyeballs. Default: Node's. */
  autoSelectFamily?: boolean | null
  /** Wait before the next address is tried. Default: Node's, 250. */
  autoSelectFamilyAttemptTimeout?: number | null
  /** Accepted and ignored: HTTP/1.1 only. */
  allowH2?: boolean | null
  /** Accepted and ignored, as all that is about HTTP/2; but `useH2c: true` is refused. */
  h2Options?: H2Options | null
  /** Accepted and ignored: about HTTP/2. */
  maxConcurrentStreams?: number | null
  /** Accepted and ignored: about HTTP/2. */
  initialWindowSize?: number | null
  /** Accepted and ignored: about HTTP/2. */
  connectionWindowSize?: number | null
  /** Accepted and ignored: about HTTP/2. */
  pingInterval?: number | null
  /** Accepted and ignored: there are no WebSockets here. */
  webSocket?: WebSocketOptions | null
  /** Accepted and ignored: there is no EventSource here. */
  eventSource?: EventSourceOptions | null
  /** Accepted and ignored: `parser` chooses between two others. */
  useMilo?: boolean | null
  /** Withdrawn: use headersTimeout and bodyTimeout. */
  socketTimeout?: never
  /** Withdrawn: use headersTimeout and bodyTimeout. */
  requestTimeout?: never
  /** Withdrawn: use keepAliveTimeout. */
  idleTimeout?: never
  /** Withdrawn: use `pipelining: 0`. */
  keepAlive?: never
  /** Withdrawn: use keepAliveMaxTimeout. */
  maxKeepAliveTimeout?: never
}

/** About HTTP/2, for programs that give them. */
export interface H2Options extends Omit<SessionOptions, keyof BuildOptions> {
  connectionWindowSize?: number
  pingInterval?: number
  maxConcurrentStreams?: number
  useH2c?: boolean
  settings?: Omit<SessionOptions['settings'], 'enablePush' | 'maxConcurrentStreams' | 'enableConnectProtocol'>
}

/** About WebSockets, for programs that give them. */
export interface WebSocketOptions {
  maxFragments?: number
  maxPayloadSize?: number
}

/** About EventSource, for programs that give them. */
export interface EventSourceOptions {
  maxEventSize?: number
}

/** Options as they are documented: left out, never null, and lists that are the caller's own. */
export type Documented<Options> = { [Name in keyof Options]: Own<Exclude<Options[Name], null | undefined>> }
type Own<Value> = Value extends readonly (infer Item)[] ? Item[] : Value

/** What undici has not. */
type Ours = 'parser' | 'timeouts' | 'maxQueued' | 'timings' | 'authority' | 'maxConnectionAge'

/** Options of a Client as they are documented. */
export interface DocumentedClientOptions extends Documented<Omit<ClientOptions, 'connect' | 'tls' | Ours>> {
  /** Options of the connector, or a connector. Default: `buildConnector()`. */
  connect?: Partial<BuildOptions> | buildConnector.connector
  /** Use connect. */
  tls?: never
}

/** Client options, checked and complete. */
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

/** Options of earlier undici versions that its documentation refuses. */
const withdrawn: Record<string, string> = {
  keepAlive: 'pipelining: 0',
  socketTimeout: 'headersTimeout and bodyTimeout',
  requestTimeout: 'headersTimeout and bodyTimeout',
  idleTimeout: 'keepAliveTimeout',
  maxKeepAliveTimeout: 'keepAliveMaxTimeout',
}

/** @throws {InvalidArgumentError | NotSupportedError} naming the option, what it must be and what it is */
export function resolveClientOptions(given: ClientOptions): ResolvedClientOptions {
  requireObject('options', given)
  const options = unpolluted(given)
  for (const [name, instead] of Object.entries(withdrawn)) {
    if ((options as Record<string, unknown>)[name] !== undefined) {
      throw invalidArgument(`${name} is not supported: use ${instead}`)
    }
  }
  refuseH2c(options)
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

/** A server that speaks HTTP/2 alone would not understand HTTP/1.1, which other options of HTTP/2 fall back to. */
function refuseH2c(options: { useH2c?: unknown; h2Options?: H2Options | null }): void {
  if (options.useH2c || options.h2Options?.useH2c) {
    throw new NotSupportedError('useH2c is not supported: sluice speaks HTTP/1.1 only')
  }
}

/**
 * What all requests of a dispatcher of many origins have in common. `origins`: those that it sends to, if not any.
 * @throws {InvalidArgumentError} a limit is not a number of ms
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

/** What requests take from their client. */
export function requestDefaults(origin: URL, options: ResolvedClientOptions): RequestDefaults {
  const { headersTimeout, bodyTimeout, strictContentLength, limits, timings } = options
  const host = options.authority ?? origin.host
  return { host, origin: origin.origin, headersTimeout, bodyTimeout, strictContentLength, limits, timings }
}

/** As `node --max-http-header-size=…` says, on the command line or in NODE_OPTIONS. */
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

/** @throws {InvalidArgumentError} no whole number, nor Infinity for no limit */
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
