import type { IpcNetConnectOpts, Socket, TcpNetConnectOpts } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { builtin } from '../base/builtin.js'
import { Alarm, type AlarmListener, queueMicrotask, setImmediate } from '../base/clock.js'
import { unpolluted } from '../base/unpolluted.js'
import { ConnectTimeoutError, InvalidArgumentError, invalidOption } from '../errors.js'
import { hearLastWords } from './last-words.js'
import { SessionCache } from './session-cache.js'
import { isWorkerd } from './workerd.js'

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

/** What a connector is told of one connection. Source: undici's `Connector.md`. */
export interface ConnectorOptions {
  hostname: string
  /** The `host` field of the request; the TLS server name is taken from it. */
  host?: string
  protocol: string
  port: string
  servername?: string
  localAddress?: string | null
  socketPath?: string | null
  /** Speak TLS over this socket instead of a new one. */
  httpSocket?: Socket
  /** Read into this buffer, as `net.connect` has it; a connector that ignores it loses speed alone. */
  onread?: Onread
}

export type ConnectorCallback = (...result: [null, Duplex] | [Error, null]) => void
/** Opens a connection and calls back once. */
export type Connector = (options: ConnectorOptions, callback: ConnectorCallback) => unknown

const byOnread = new WeakSet<object>()

/** What `net.connect` and `tls.connect` take to read into a buffer of ours. */
export interface Onread {
  /** A function is asked before each read; undefined: the same again. */
  buffer: Uint8Array | (() => Uint8Array | undefined)
  callback(length: number, buffer: Uint8Array): boolean
}

/**
 * Whether what comes is given to the `onread` callback and not to the socket's readers. Asked once: whoever takes the
 * socket over after must be listened to as any other.
 */
export function deliversByOnread(socket: object): boolean {
  return byOnread.delete(socket)
}

const settingsOf = new WeakMap<Connector, Settings>()

/** The TLS server name that a connector sends, as far as it is known before; null for none. */
export function serverNameOf(connector: Connector, target: ConnectorOptions): string | null {
  if (target.protocol !== 'https:') return null
  return serverName(unpolluted(settingsOf.get(connector)?.rest ?? {}), unpolluted(target)) || null
}

/** The types that undici documents, under the same names. */
export declare namespace buildConnector {
  /** Options of `buildConnector`. */
  export type BuildOptions = Settable
  /** What a connector is told of one connection. */
  export type Options = Omit<ConnectorOptions, 'onread'>
  /** Null and a socket, or an error and null. */
  type CallbackArgs = [null, Socket | TLSSocket] | [Error, null]
  /** To be called once. */
  export type Callback = (...args: CallbackArgs) => void
  /** Opens a connection and calls back. */
  export type connector = (options: Options, callback: Callback) => void
}
type Settable = BuildOptions

/**
 * Makes a connector: TCP, unix socket or TLS, with its own cache of TLS sessions. Source: undici's `Connector.md`.
 * @throws {InvalidArgumentError} an option is not what is documented
 */
export function buildConnector(options: BuildOptions = {}): buildConnector.connector {
  if (typeof options !== 'object' || options === null) throw invalidOption('options', 'an object', options)
  const {
    maxCachedSessions,
    timeout,
    allowH2: _h2,
    preferH2: _prefer,
    typeOfService,
    socketPath,
    ...rest
  } = unpolluted(options)
  const settings: Settings = {
    timeout: numberOf('timeout', timeout, 10_000),
    keepAlive: rest.keepAlive ?? true,
    keepAliveInitialDelay: numberOf('keepAliveInitialDelay', rest.keepAliveInitialDelay, 60_000),
    typeOfService: numberOf('typeOfService', typeOfService, -1),
    socketPath: socketPath ?? null,
    sessions: new SessionCache(sessionLimit(maxCachedSessions)),
    rest: rest as Record<string, unknown>,
  }
  const connector: Connector = (target, callback) => open(settings, target, callback)
  settingsOf.set(connector, settings)
  return connector as buildConnector.connector
}

interface Settings {
  timeout: number
  keepAlive: boolean
  keepAliveInitialDelay: number
  typeOfService: number
  socketPath: string | null
  sessions: SessionCache
  rest: Record<string, unknown>
}

function sessionLimit(value: unknown): number {
  if (value === undefined || value === null) return 100
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) {
    throw invalidOption('maxCachedSessions', 'a whole number, 0 or more', value)
  }
  return value
}

function numberOf(name: string, value: unknown, fallback: number): number {
  if (value === undefined) return fallback
  if (value === null) return name === 'timeout' ? 0 : fallback
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
    throw invalidOption(name, 'a number, 0 or more', value)
  }
  return value
}

/** Where the runtime can not read into the window, the socket is read as a stream. */
function asReadable(target: ConnectorOptions): ConnectorOptions {
  if (target.onread === undefined || !isWorkerd()) return target
  const { onread: _onread, ...rest } = target
  return rest
}

function open(made: Settings, given: ConnectorOptions, callback: ConnectorCallback): Duplex {
  const target = unpolluted(asReadable(given))
  const settings = { ...made, rest: unpolluted(made.rest) }
  const secure = target.protocol === 'https:'
  if (target.httpSocket !== undefined && !secure) {
    throw new InvalidArgumentError('httpSocket can only be given for https:')
  }
  const { signal } = settings.rest as { signal?: AbortSignal }
  if (signal?.aborted === true) return refuse(signal, callback)
  const socket = secure ? openTls(settings, target) : openPlain(settings, target)
  if (target.onread !== undefined && target.httpSocket === undefined) byOnread.add(socket)
  if (settings.keepAlive && target.httpSocket === undefined) {
    socket.setKeepAlive(true, settings.keepAliveInitialDelay)
  }
  // Before there is a descriptor Node answers EBADF.
  if (settings.typeOfService >= 0) socket.once('connect', () => setTypeOfService(socket, settings.typeOfService))
  socket.setNoDelay(true)
  hearLastWords(socket)
  new Attempt(socket, { event: secure ? 'secureConnect' : 'connect', settings, target, callback })
  return socket
}

/** Newer Nodes alone have it, and not every system lets it be set: what was asked for is a hint. */
function setTypeOfService(socket: Socket, value: number): void {
  const able = socket as Socket & { setTypeOfService?(value: number): void }
  try {
    able.setTypeOfService?.(value)
  } catch {}
}

/** Node itself ends the process when `tls.connect` is given a signal that is aborted already (measured: 20 to 24). */
function refuse(signal: AbortSignal, callback: ConnectorCallback): Duplex {
  const error = new Error('The operation was aborted', { cause: signal.reason })
  queueMicrotask(() => callback(Object.assign(error, { name: 'AbortError', code: 'ABORT_ERR' }), null))
  return new (builtin('node:net').Socket)().destroy()
}

function address(settings: Settings, target: ConnectorOptions): Record<string, unknown> {
  const path = target.socketPath ?? settings.socketPath
  if (path !== null) return { path }
  const fallback = (settings.rest.port as number | undefined) ?? (target.protocol === 'https:' ? 443 : 80)
  const { localAddress } = target
  return {
    host: target.hostname,
    port: target.port === '' || target.port === undefined ? fallback : Number(target.port),
    ...(localAddress == null ? {} : { localAddress }),
  }
}

function openPlain(settings: Settings, target: ConnectorOptions): Socket {
  const { onread } = target
  const where = address(settings, target)
  return builtin('node:net').connect({
    ...settings.rest,
    ...where,
    ...(onread === undefined ? {} : { onread }),
  } as TcpNetConnectOpts)
}

function openTls(settings: Settings, target: ConnectorOptions): TLSSocket {
  const { rest, sessions } = settings
  const { onread } = target
  const servername = serverName(rest, target)
  const httpSocket = target.httpSocket ?? underSocket(settings, target)
  const where = address(settings, target)
  const key = JSON.stringify([servername, target.hostname, where.port, where.path])
  const session = (rest.session as Buffer | undefined) ?? sessions.get(key)
  const socket = builtin('node:tls').connect({
    highWaterMark: 16384,
    ...rest,
    ...where,
    servername,
    ...(isWorkerd() ? {} : { ALPNProtocols: ['http/1.1'] }),
    ...(session === undefined ? {} : { session }),
    ...(httpSocket === undefined ? {} : { socket: httpSocket }),
    ...(onread === undefined || httpSocket !== undefined ? {} : { onread }),
  } as ConnectionOptions)
  socket.on('session', (fresh: Buffer) => sessions.set(key, fresh))
  socket.on('error', () => sessions.delete(key))
  return socket
}

/** In workerd a server name other than the host's is sent and verified over a socket that is given, and else ignored. */
function underSocket(settings: Settings, target: ConnectorOptions): Socket | undefined {
  const name = serverName(settings.rest, target)
  return isWorkerd() && name !== '' && name !== target.hostname ? openPlain(settings, target) : undefined
}

/** RFC 6066 §3: a server name is never an address. */
function serverName(rest: Settings['rest'], target: ConnectorOptions): string {
  const given = target.servername ?? (rest.servername as string | undefined)
  if (given !== undefined && given !== null) return given
  const host = target.host === undefined ? '' : target.host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
  const name = host === '' ? target.hostname : host
  return builtin('node:net').isIP(name) === 0 ? name : ''
}

/** One try to connect: exactly one answer, by whichever comes first. */
class Attempt implements AlarmListener {
  readonly #socket: Socket
  readonly #part: { event: string; settings: Settings; target: ConnectorOptions; callback: ConnectorCallback }
  readonly #alarm = new Alarm(this)
  /** ms since it was due, from the alarm to the end of that turn. */
  #late = 0
  #answered = false

  constructor(
    socket: Socket,
    part: { event: string; settings: Settings; target: ConnectorOptions; callback: ConnectorCallback },
  ) {
    this.#socket = socket
    this.#part = part
    socket.once(part.event, this.#onConnect)
    socket.on('error', this.#onError)
    socket.once('close', this.#onClose)
    if (part.settings.timeout <= 0) return
    this.#alarm.set(part.settings.timeout)
    socket.on('lookup', this.#onStep)
    socket.on('connect', this.#onStep)
  }

  #settle(): boolean {
    if (this.#answered) return false
    this.#answered = true
    this.#alarm.drop()
    this.#socket.off('close', this.#onClose)
    this.#socket.off(this.#part.event, this.#onConnect)
    this.#socket.off('lookup', this.#onStep)
    this.#socket.off('connect', this.#onStep)
    return true
  }

  readonly #onConnect = (): void => {
    if (!this.#settle()) return
    this.#part.callback(null, this.#socket)
    // Only now: whoever took the socket listens for errors itself.
    this.#socket.off('error', this.#onError)
  }

  readonly #onError = (error: Error): void => {
    if (this.#settle()) this.#part.callback(this.#explain(error), null)
  }

  readonly #onClose = (): void => {
    if (this.#settle())
      this.#part.callback(new Error(`The connection to ${this.#place} was closed before it stood`), null)
  }

  /** A step that the busy event loop saw too late: what follows it has the time that was lost. */
  readonly #onStep = (): void => {
    const late = this.#late || -this.#alarm.left
    // The step may have been the last one.
    if (late > 0 && !this.#answered) this.#alarm.set(late)
  }

  onAlarm(_alarm: Alarm, late: number): void {
    this.#late = late
    // What came while the event loop was busy is read in the poll phase, before the check phase.
    setImmediate(() => {
      this.#late = 0
      if (!this.#alarm.pending) this.#expire()
    })
  }

  #expire(): void {
    if (!this.#settle()) return
    const { timeout } = this.#part.settings
    const error = new ConnectTimeoutError(`No connection to ${this.#place} within ${timeout} ms`)
    this.#socket.destroy(error)
    this.#part.callback(error, null)
  }

  /** Node tells of several addresses that timed out in a shape of its own; callers want one. */
  #explain(error: Error): Error {
    const all = 'errors' in error ? (error.errors as NodeJS.ErrnoException[]) : []
    if (all.length === 0 || !all.every((one) => one.code === 'ETIMEDOUT')) return error
    const tried = all.map((one) => one.message).join('; ')
    return new ConnectTimeoutError(`No connection to ${this.#place}: ${tried}`, { cause: error })
  }

  get #place(): string {
    const { target, settings } = this.#part
    const where = address(settings, target)
    return 'path' in where ? String(where.path) : `${String(where.host)}:${String(where.port)}`
  }
}
