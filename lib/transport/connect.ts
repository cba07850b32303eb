import type { IpcNetConnectOpts, Socket, TcpNetConnectOpts } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ConnectionOptions, PeerCertificate, TLSSocket } from 'node:tls'
import { builtinModule } from '../base/builtin-modules.js'
import { queueMicrotask } from '../base/clock.js'
import { unpolluted } from '../base/prototype-pollution.js'
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
import { InvalidArgumentError } from '../errors.js'
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

/** Options of {@link buildConnector}, beside every option of `tls.connect` and `net.connect`. */
export type BuildOptions = Partial<ConnectionOptions | TcpNetConnectOpts | IpcNetConnectOpts> & {
  /** Accepted and ignored: ALPN offers `http/1.1` alone. */
  allowH2?: boolean
  preferH2?: boolean
  /** TLS sessions kept for reuse; 0 for none. Default: 100. */
  maxCachedSessions?: number | null
  /** A unix socket or named pipe. */
  socketPath?: string | null
  /** Longest wait for a connection in ms; 0 for no limit. Default: 10 000. */
  timeout?: number | null
  /** Where the connector is told of none. Default: 443 for https, 80 for http. */
  port?: number
  /** TCP keep-alive. Default: true. */
  keepAlive?: boolean | null
  /** ms before the first keep-alive probe. Default: 60 000. */
  keepAliveInitialDelay?: number | null
  /** IP type of service, 0 to 255, where the runtime can set it. */
  typeOfService?: number | null
  autoSelectFamily?: boolean | undefined
  autoSelectFamilyAttemptTimeout?: number | undefined
}

const connectorSettings = new WeakMap<Connector, Settings>()

/** The names by which a connector knows the server, as far as they are known before; null without TLS. */
export function serverNamesOf(connector: Connector, target: ConnectorOptions): ServerNames | null {
  if (target.protocol !== 'https:') return null
  return namesOf(unpolluted(connectorSettings.get(connector)?.rest ?? {}), unpolluted(target))
}

/** Whether the server has to prove another name for one of two `host` fields than for the other. */
export function namesDiffer(connector: Connector, target: ConnectorOptions, hosts: [string, string]): boolean {
  if (target.protocol !== 'https:') return false
  const [one, other] = hosts.map((host) => serverNamesOf(connector, { ...target, host })?.identity.toLowerCase())
  return one !== other
}

/** The types that undici documents, under the same names. */
export declare namespace buildConnector {
  /** Options of `buildConnector`. */
  export type BuildOptions = BuildConnectorOptions
  /** What a connector is told of one connection. */
  export type Options = ConnectorOptions
  /** Null and a socket, or an error and null. */
  type CallbackArgs = [null, Socket | TLSSocket] | [Error, null]
  /** To be called once. */
  export type Callback = (...args: CallbackArgs) => void
  /** Opens a connection and calls back. */
  export type connector = (options: Options, callback: Callback) => void
}
type BuildConnectorOptions = BuildOptions

/**
 * Makes a connector: TCP, unix socket or TLS, with its own cache of TLS sessions. Source: undici's `Connector.md`.
 * @throws {InvalidArgumentError} an option is not what is documented
 */
export function buildConnector(options: BuildOptions = {}): buildConnector.connector {
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
  const { onread } = rest as { onread?: unknown }
  if (onread !== undefined) throw new InvalidArgumentError('onread must be omitted: the client reads the socket')
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
  // A `lookup` or `checkServerIdentity` of the caller's may report one error for many connections.
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

/** @throws {InvalidArgumentError} an option of RFC 8305 is not what is documented */
export function checkFamilySelection(options: {
  autoSelectFamily?: unknown
  autoSelectFamilyAttemptTimeout?: unknown
}): void {
  booleanOption('autoSelectFamily', options.autoSelectFamily, true)
  positiveInteger('autoSelectFamilyAttemptTimeout', options.autoSelectFamilyAttemptTimeout, 250)
}

/** Where a connection leads to: a host and a port, or a path. */
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
    throw new InvalidArgumentError('httpSocket is supported for https: only')
  }
  const { signal } = settings.rest as { signal?: AbortSignal }
  if (signal?.aborted === true) return failAborted(signal, callback)
  const address = addressOf(settings, target)
  // A socket that exists already, and one of workerd, are read as streams.
  const direct = httpSocket === undefined && !isWorkerd() ? reader : undefined
  const opening = { settings, target, address, reader: direct }
  const addressText = 'path' in address ? address.path : `${address.host}:${address.port}`
  const { timeout } = settings
  if (secure) return openTls(opening, { event: 'secureConnect', timeout, address: addressText, callback })
  const socket = configure(openPlain(opening), opening)
  new ConnectAttempt(socket, { event: 'connect', timeout, address: addressText, callback })
  return socket
}

function configure<Made extends Socket>(socket: Made, { settings, target }: ConnectionPlan): Made {
  const { keepAlive, keepAliveInitialDelay, typeOfService } = settings
  if (keepAlive && target.httpSocket === undefined) socket.setKeepAlive(true, keepAliveInitialDelay)
  // Before there is a descriptor Node answers EBADF.
  if (typeOfService !== null) socket.once('connect', () => setTypeOfService(socket, typeOfService))
  socket.setNoDelay(true)
  return socket
}

/** Node itself ends the process when `tls.connect` is given a signal that is aborted already (measured: 20 to 24). */
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

function openTls(opening: ConnectionPlan, attempt: ConnectAttemptOptions): TLSSocket {
  const { settings, target, address, reader } = opening
  const { rest, sessions } = settings
  const { servername, identity } = namesOf(rest, target)
  const under = target.httpSocket ?? underSocket(opening, servername)
  // Node verifies no name when a session is resumed: a session is good only for the name it was verified for.
  const key = JSON.stringify([servername, identity, target.hostname, 'path' in address ? address.path : address.port])
  const session = (rest.session as Buffer | undefined) ?? sessions.get(key)
  const options: object = {
    highWaterMark: 16384,
    ...rest,
    ...address,
    servername,
    ...verification(opening, servername === '' ? identity : null),
    ...(isWorkerd() ? {} : { ALPNProtocols: ['http/1.1'] }),
    ...(session === undefined ? {} : { session }),
    ...(under === undefined ? {} : { socket: under }),
  }
  const socket = openWithOnread(reader, (onread) =>
    builtinModule('node:tls').connect({ ...options, ...onread } as ConnectionOptions),
  )
  storeSessions(configure(socket, opening), { cache: sessions, key })
  new ConnectAttempt(socket, {
    ...attempt,
    callback: (...result) => {
      // Not offered again: it may be why the handshake failed.
      if (result[0] !== null) sessions.delete(key)
      attempt.callback(...result)
    },
  })
  return socket
}

/** In workerd a server name other than the host's is sent and verified over a socket that is given, and else ignored. */
function underSocket(opening: ConnectionPlan, name: string): Socket | undefined {
  return isWorkerd() && name !== '' && name !== opening.target.hostname ? openPlain(opening) : undefined
}

type Check = (name: string, certificate: PeerCertificate) => Error | undefined

/** Has Node verify `address`, where no server name is sent: it would verify the host that is connected to. */
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
