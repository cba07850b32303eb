import type { IpcNetConnectOpts, Socket, TcpNetConnectOpts } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ConnectionOptions, PeerCertificate, TLSSocket } from 'node:tls'
import { builtinModule } from '../base/builtin-modules.js'
import { queueMicrotask } from '../base/clock.js'
import { unpolluted } from '../base/prototype-pollution.js'
import { atCaller } from '../errors/caller.js'
import {
  booleanOption,
  milliseconds,
  nonNegativeInteger,
  nonNegativeNumber,
  parseNumericString,
  positiveInteger,
  requireObject,
  typeOfService,
} from '../errors/option-checks.js'
import { type KnownOptions, warnUnknownOptions } from '../errors/unknown-options.js'
import { invalidArgument } from '../errors.js'
import { ConnectAttempt, type ConnectAttemptOptions } from './connect-attempt.js'
import {
  type Connector,
  type ConnectorCallback,
  type ConnectorOptions,
  declareOwnErrors,
  type OnreadSource,
  onreadConnector,
} from './connector.js'
import { openWithOnread } from './mocked-socket.js'
import { type ServerNames, serverNames } from './server-name.js'
import { SessionCache, storeSessions } from './session-cache.js'
import { isWorkerd } from './workerd.js'

export type { Connector, ConnectorCallback, ConnectorOptions } from './connector.js'

import { setTypeOfService } from './type-of-service.js'

/** Options of {@link buildConnector}. Every option of `tls.connect` and `net.connect` is accepted too. */
export type BuildOptions = Partial<ConnectionOptions | TcpNetConnectOpts | IpcNetConnectOpts> & {
  /** Accepted and ignored: ALPN offers only `http/1.1`. */
  allowH2?: boolean
  /** Accepted and ignored: ALPN offers only `http/1.1`. */
  preferH2?: boolean
  /** Maximum number of cached TLS sessions; 0 disables the cache. Default: 100. */
  maxCachedSessions?: number | null
  /** Path of a unix socket or named pipe to connect to. Default: null (TCP). */
  socketPath?: string | null
  /** Connect timeout in ms, TLS handshake included; 0 or null disables it. Default: 10 000. */
  timeout?: number | null
  /** Port for targets without one. Default: 443 for https, 80 for http. */
  port?: number
  /** Whether TCP keep-alive is enabled. Default: true. */
  keepAlive?: boolean | null
  /** Delay before the first TCP keep-alive probe in ms. Default: 60 000. */
  keepAliveInitialDelay?: number | null
  /** IP type of service, 0 to 255. Ignored by runtimes that can not set it. Default: null (unchanged). */
  typeOfService?: number | null
  /** Whether IPv6 and IPv4 addresses are tried in parallel (RFC 8305). Default: that of `net.connect`. */
  autoSelectFamily?: boolean | undefined
  /** Delay before the next address is tried in ms. Default: that of `net.connect`. */
  autoSelectFamilyAttemptTimeout?: number | undefined
}

const CONNECT_OPTIONS: KnownOptions = {
  bag: 'connect',
  names:
    /* @__PURE__ */ 'maxCachedSessions socketPath timeout keepAliveInitialDelay rejectUnauthorized servername'.split(
      ' ',
    ),
  misplaced: { connectTimeout: 'timeout' },
}

const connectorSettings = new WeakMap<Connector, Settings>()

/** Returns the TLS server names that a connector will use for a target; null without TLS. */
export function serverNamesOf(connector: Connector, target: ConnectorOptions): ServerNames | null {
  if (target.protocol !== 'https:') return null
  return namesOf(unpolluted(connectorSettings.get(connector)?.rest ?? {}), unpolluted(target))
}

/** Whether a connector would verify the certificate for different names, given two `host` headers. */
export function namesDiffer(connector: Connector, target: ConnectorOptions, hosts: [string, string]): boolean {
  if (target.protocol !== 'https:') return false
  const [one, other] = hosts.map((host) => serverNamesOf(connector, { ...target, host })?.identity.toLowerCase())
  return one !== other
}

/** Types documented by undici, under the same names. */
export declare namespace buildConnector {
  export type { BuildOptions, ConnectorOptions as Options }
  /** Arguments of a connector's callback: null and a socket, or an error and null. */
  export type CallbackArgs = [null, Socket | TLSSocket] | [Error, null]
  /** Callback of a connector. It must be called once. */
  export type Callback = (...args: CallbackArgs) => void
  /** Function that opens a connection and calls back. */
  export type connector = (options: ConnectorOptions, callback: Callback) => void
}

/**
 * Returns a connector for TCP, unix sockets and TLS, with its own cache of TLS sessions. Source: undici's `Connector.md`.
 * @throws {InvalidArgumentError} an option has a wrong type or value
 * @example
 * const connect = buildConnector({ timeout: 2000, ca: certificate })
 * const client = new Client('https://localhost:8443', { connect })
 */
export function buildConnector(options: BuildOptions = {}): buildConnector.connector {
  return atCaller(buildConnector, () => createConnector(options))
}

function createConnector(options: BuildOptions): buildConnector.connector {
  requireObject('options', options)
  const {
    maxCachedSessions,
    timeout,
    allowH2: _h2,
    preferH2: _prefer,
    typeOfService: service,
    socketPath,
    keepAlive,
    keepAliveInitialDelay,
    ...rest
  } = unpolluted(options)
  warnUnknownOptions(CONNECT_OPTIONS, options)
  const { onread } = rest as { onread?: unknown }
  if (onread !== undefined) throw invalidArgument('onread must be omitted: the client reads the socket')
  checkFamilySelection(rest)
  const settings: Settings = {
    timeout: timeout === null ? 0 : milliseconds('timeout', parseNumericString(timeout), 10_000),
    keepAlive: booleanOption('keepAlive', keepAlive, true),
    keepAliveInitialDelay: nonNegativeNumber('keepAliveInitialDelay', keepAliveInitialDelay, 60_000),
    typeOfService: typeOfService(service),
    socketPath: socketPath ?? null,
    sessions: new SessionCache(nonNegativeInteger('maxCachedSessions', maxCachedSessions, 100)),
    rest: rest as Record<string, unknown>,
  }
  const connector = onreadConnector((target, callback, reader) => open(settings, target, { callback, reader }))
  connectorSettings.set(connector, settings)
  // A `lookup` or `checkServerIdentity` function of the caller may report the same error object for many connections.
  if (!Object.values(rest).some((value) => typeof value === 'function')) declareOwnErrors(connector)
  return connector as buildConnector.connector
}

interface Settings {
  timeout: number
  keepAlive: boolean
  keepAliveInitialDelay: number
  typeOfService: number | null
  socketPath: string | null
  sessions: SessionCache
  rest: Record<string, unknown>
}

/**
 * Checks the options for address family selection (RFC 8305).
 * @throws {InvalidArgumentError} an option has a wrong type or value
 */
export function checkFamilySelection(options: {
  autoSelectFamily?: unknown
  autoSelectFamilyAttemptTimeout?: unknown
}): void {
  booleanOption('autoSelectFamily', options.autoSelectFamily, true)
  positiveInteger('autoSelectFamilyAttemptTimeout', options.autoSelectFamilyAttemptTimeout, 250)
}

/** Address options of `net.connect`: a host and a port, or a path. */
type Address = { host: string; port: number; localAddress?: string } | { host: string; path: string }

interface ConnectionPlan {
  readonly settings: Settings
  readonly target: ConnectorOptions
  readonly address: Address
  readonly reader: OnreadSource | undefined
}

interface OpenRequest {
  callback: ConnectorCallback
  reader: OnreadSource | undefined
}

function open(made: Settings, given: ConnectorOptions, { callback, reader }: OpenRequest): Duplex {
  const target = unpolluted(given)
  const settings = { ...made, rest: unpolluted(made.rest) }
  const secure = target.protocol === 'https:'
  const { httpSocket } = target
  if (httpSocket !== undefined && !secure) {
    throw invalidArgument('httpSocket is supported for https: only')
  }
  const { signal } = settings.rest as { signal?: AbortSignal }
  if (signal?.aborted === true) return failAborted(signal, callback)
  const address = addressOf(settings, target)
  // An existing socket, and every socket of workerd, is read as a stream.
  const direct = httpSocket === undefined && !isWorkerd() ? reader : undefined
  const plan = { settings, target, address, reader: direct }
  const addressText = 'path' in address ? address.path : `${address.host}:${address.port}`
  const { timeout } = settings
  if (secure) return openTls(plan, { event: 'secureConnect', timeout, address: addressText, callback })
  const socket = configure(openPlain(plan), plan)
  new ConnectAttempt(socket, { event: 'connect', timeout, address: addressText, callback })
  return socket
}

function configure<Made extends Socket>(socket: Made, { settings, target }: ConnectionPlan): Made {
  const { keepAlive, keepAliveInitialDelay, typeOfService } = settings
  if (keepAlive && target.httpSocket === undefined) socket.setKeepAlive(true, keepAliveInitialDelay)
  // Before the socket has a descriptor Node throws EBADF.
  if (typeOfService !== null) socket.once('connect', () => setTypeOfService(socket, typeOfService))
  socket.setNoDelay(true)
  return socket
}

/** Reports an aborted signal. Node 20 to 24 crash if `tls.connect` gets a signal that is already aborted (measured). */
function failAborted(signal: AbortSignal, callback: ConnectorCallback): Duplex {
  const error = new Error('The operation was aborted', { cause: signal.reason })
  queueMicrotask(() => callback(Object.assign(error, { name: 'AbortError', code: 'ABORT_ERR' }), null))
  return new (builtinModule('node:net').Socket)().destroy()
}

function addressOf(settings: Settings, target: ConnectorOptions): Address {
  const { hostname: host, localAddress } = target
  const path = target.socketPath ?? settings.socketPath
  if (path !== null) return { host, path }
  const fallback = (settings.rest.port as number | undefined) ?? (target.protocol === 'https:' ? 443 : 80)
  const port = target.port === '' || target.port === undefined ? fallback : Number(target.port)
  return { host, port, ...(localAddress == null ? {} : { localAddress }) }
}

function openPlain({ settings, address, reader }: ConnectionPlan): Socket {
  const options = { ...settings.rest, ...address }
  return openWithOnread(reader, (onread) =>
    builtinModule('node:net').connect({ ...options, ...onread } as TcpNetConnectOpts),
  )
}

function openTls(plan: ConnectionPlan, attempt: ConnectAttemptOptions): TLSSocket {
  const { settings, target, address, reader } = plan
  const { rest, sessions } = settings
  const { servername, identity } = namesOf(rest, target)
  const under = target.httpSocket ?? underSocket(plan, servername)
  // Node does not verify the name of a resumed session, so the key contains the name that was verified.
  const key = JSON.stringify([servername, identity, target.hostname, 'path' in address ? address.path : address.port])
  const session = (rest.session as Buffer | undefined) ?? sessions.get(key)
  const options: object = {
    highWaterMark: 16384,
    ...rest,
    ...address,
    servername,
    ...verification(plan, servername === '' ? identity : null),
    ...(isWorkerd() ? {} : { ALPNProtocols: ['http/1.1'] }),
    ...(session === undefined ? {} : { session }),
    ...(under === undefined ? {} : { socket: under }),
  }
  const socket = openWithOnread(reader, (onread) =>
    builtinModule('node:tls').connect({ ...options, ...onread } as ConnectionOptions),
  )
  storeSessions(configure(socket, plan), { cache: sessions, key })
  new ConnectAttempt(socket, {
    ...attempt,
    callback: (...result) => {
      // The session may be the reason why the handshake failed.
      if (result[0] !== null) sessions.delete(key)
      attempt.callback(...result)
    },
  })
  return socket
}

/** Opens the TCP socket first on workerd, which ignores a server name that differs from the host unless it gets a socket. */
function underSocket(plan: ConnectionPlan, name: string): Socket | undefined {
  return isWorkerd() && name !== '' && name !== plan.target.hostname ? openPlain(plan) : undefined
}

type Check = (name: string, certificate: PeerCertificate) => Error | undefined

/** Returns TLS options that verify `identity` if no server name is sent. By default Node verifies the connected host. */
function verification({ settings, target, address }: ConnectionPlan, identity: string | null): object {
  if (identity === null || identity === address.host) return {}
  if (target.httpSocket !== undefined || 'path' in address) return { host: identity }
  const check =
    (settings.rest.checkServerIdentity as Check | undefined) ?? builtinModule('node:tls').checkServerIdentity
  return { checkServerIdentity: (_host: string, certificate: PeerCertificate) => check(identity, certificate) }
}

function namesOf(rest: Settings['rest'], target: ConnectorOptions): ServerNames {
  return serverNames(target.servername ?? (rest.servername as string | null | undefined), target)
}
