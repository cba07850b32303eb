import type { Duplex } from 'node:stream'
import { builtinModule } from '../base/builtin-modules.js'
import { callUserCode, reportUncaught } from '../base/user-code.js'
import type { Dispatch, DispatchInterceptor } from '../dispatcher/dispatcher.js'
import { coreOf } from '../dispatcher/dispatcher-core.js'
import { atCaller } from '../errors/caller.js'
import { readProperty } from '../errors/safe-read.js'
import { warnUnknownOptions } from '../errors/unknown-options.js'
import { copyForeignError, InformationalError, invalidChoice, invalidOption, UNSENT_CONTEXT } from '../errors.js'
import { withDeadline } from '../exchange/deadlines.js'
import { DecoratorHandler } from '../exchange/decorator-handler.js'
import type { RequestHeaders } from '../exchange/documented.js'
import { hasHeader, rereadableHeaders, withHeaders } from '../exchange/edit-headers.js'
import type {
  DispatchController,
  DispatchHandler,
  IncomingHeaders,
  LegacyDispatchHandler,
} from '../exchange/handler.js'
import { adaptInnerHandler } from '../exchange/legacy-handler.js'
import type { DispatchOptions } from '../exchange/request.js'
import { toRequestBody } from '../exchange/request-body.js'
import { reportThrown } from '../exchange/thrown-errors.js'
import {
  addressInUrl,
  checkRecord,
  type DNSInterceptorOriginRecords,
  type DNSInterceptorRecord,
  type DNSStorage,
  filterRecords,
  hostnameToResolve,
  type Lookup,
  MemoryStorage,
  pickRecord,
  RecordCache,
  systemLookup,
} from './dns-records.js'
import { mergeOptions, type NonNullOptions, omitNull, readOptionsOnce } from './option-layers.js'
import { RelayController } from './relay-controller.js'
import { abortErrorOf, locateRequest, startWait } from './wait.js'

/** Preferred address family; null: alternate. */
export type DNSAffinity = 4 | 6 | null
/** Function that selects the address for a request. */
export type DNSPick = (
  origin: URL,
  records: DNSInterceptorOriginRecords,
  affinity: 4 | 6,
) => DNSInterceptorRecord | null | undefined

/** Options of `interceptors.dns`. Source: undici's `Interceptors.md`. */
export interface DNSOptions {
  /** Maximum time to live of records in ms; 0: no limit. Default: 0. */
  maxTTL?: number | null | undefined
  /** Maximum number of hosts in the cache; the oldest is removed. Default: no limit. */
  maxItems?: number | null | undefined
  /** Whether addresses of both families are used. Default: true. */
  dualStack?: boolean | null | undefined
  /** Preferred address family, or without `dualStack` the only one; null: alternate. Default: null. */
  affinity?: DNSAffinity | undefined
  /** Function that looks up the addresses of `origin.hostname`; each may have its own `port`. Default: `dns.lookup` of Node. */
  lookup?: Lookup | null | undefined
  /** Function that selects an address. Default: in turn. */
  pick?: DNSPick | null | undefined
  /** Storage of the records. Default: in memory. */
  storage?: DNSStorage | null | undefined
}

/** Error codes of connections that could not be established: the request was not sent, so another address can be used. */
const CONNECT_ERRORS = new Set<unknown>([
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'ENETDOWN',
  'ENETUNREACH',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'EADDRNOTAVAIL',
  'EAFNOSUPPORT',
])

/**
 * Resolves host names, caches their addresses and uses them in turn. The `host` header and the TLS server name stay those
 * of the host. If an address can not be connected to, the request is sent to the next one. Requires a dispatcher that
 * sends to any origin, such as an Agent. Must be the innermost interceptor, since others work with host names.
 * Source: undici's `Interceptors.md`.
 * @throws {InvalidArgumentError} an option is invalid
 * @example
 * const agent = new Agent().compose(interceptors.dns({ maxTTL: 10_000 }))
 * const { statusCode } = await agent.request({ origin: 'http://localhost:3000', path: '/', method: 'GET' })
 */
export function dns(options: DNSOptions = {}): DispatchInterceptor {
  // Null means "not given", as in undici.
  const given = omitNull(mergeOptions(options))
  atCaller(dns, () => checkOptions(given))
  const { maxTTL = 0, maxItems = Number.POSITIVE_INFINITY, dualStack = true, affinity = null } = given
  const { lookup = systemLookup, pick = pickRecord, storage = new MemoryStorage(maxItems) } = given
  warnUnknownOptions({ bag: 'interceptors.dns', names: NAMES }, given)
  const cache = new RecordCache({ maxTTL, family: dualStack ? null : (affinity ?? 4), lookup, storage })
  return (dispatch) => (given, handler) => {
    const request = readOptionsOnce(given)
    const url = urlToResolve(request?.origin)
    if (url === null) return dispatch(request, handler)
    const limited = withDeadline(request)
    return new DNSHandler(handler, { dispatch, request: limited, url, cache, pick, affinity }).start()
  }
}

const NAMES = ['maxTTL', 'maxItems', 'dualStack', 'affinity', 'lookup', 'pick', 'storage']

function checkOptions(options: NonNullOptions<DNSOptions>): void {
  const { maxTTL, maxItems, dualStack, affinity, lookup, pick, storage } = options
  if (maxTTL !== undefined && (typeof maxTTL !== 'number' || !(maxTTL >= 0))) {
    throw invalidOption('maxTTL', 'a non-negative number of ms', maxTTL)
  }
  if (maxItems !== undefined && (typeof maxItems !== 'number' || !(maxItems >= 1))) {
    throw invalidOption('maxItems', 'a number of at least 1', maxItems)
  }
  if (dualStack !== undefined && typeof dualStack !== 'boolean')
    throw invalidOption('dualStack', 'a boolean', dualStack)
  if (affinity !== undefined && affinity !== null && affinity !== 4 && affinity !== 6) {
    throw invalidChoice('affinity', '4, 6 or null', affinity)
  }
  if (lookup !== undefined && typeof lookup !== 'function') throw invalidOption('lookup', 'a function', lookup)
  if (pick !== undefined && typeof pick !== 'function') throw invalidOption('pick', 'a function', pick)
  if (storage === undefined) return
  for (const method of ['get', 'set', 'delete', 'full'] as const) {
    if (typeof storage?.[method] !== 'function') {
      throw invalidOption('storage', 'an object with get, set, delete and full', storage)
    }
  }
}

/** Returns the URL whose host is looked up; null if it needs no lookup. */
function urlToResolve(origin: unknown): URL | null {
  if (origin === undefined || origin === null) return null
  let url: URL
  try {
    url = new URL(new URL(origin as string | URL).origin)
  } catch {
    return null
  }
  return hostnameToResolve(url) === null ? null : url
}

interface DNSRequest {
  dispatch: Dispatch
  request: DispatchOptions
  url: URL
  cache: RecordCache
  pick: DNSPick
  affinity: DNSAffinity
}

/** Handler of a request that is sent to one address after the other; the next handler gets one controller. */
class DNSHandler extends DecoratorHandler {
  readonly #context: DNSRequest
  readonly #controller = new RelayController((reason) => this.#fail(abortErrorOf(reason, this.#context.request)))
  readonly #headers: RequestHeaders
  readonly #tried = new Set<string>()
  /** Async context of the caller; the request is sent in it, not in that of another request that waited for the lookup. */
  readonly #asyncScope = new (builtinModule('node:async_hooks').AsyncResource)('sluice.dns')
  #records: DNSInterceptorOriginRecords = { records: { 4: null, 6: null } }
  #address = ''
  #origin = ''
  #queuedNotified = false
  #responseStarted = false
  #completed = false
  /** Error with which the request has failed. */
  #failure: Error | null = null
  #stopWaiting: (() => void) | null = null

  constructor(handler: DispatchHandler | LegacyDispatchHandler, part: DNSRequest) {
    super(adaptInnerHandler(handler, part.request.upgrade != null && part.request.upgrade !== false))
    this.#context = part
    const headers = rereadableHeaders(part.request.headers)
    const named = hasHeader(headers, 'host')
    this.#headers = (named ? headers : withHeaders(headers, ['host', part.url.host])) as RequestHeaders
  }

  start(): boolean {
    const { cache, url } = this.#context
    let record: DNSInterceptorRecord
    try {
      const known = cache.get(url.hostname)
      if (known === null) return this.#lookUp()
      this.#records = known
      record = this.#pickAddress()
    } catch (error) {
      this.#failUnsent(copyForeignError(error))
      return true
    }
    return this.#send(record)
  }

  #lookUp(): boolean {
    const { cache, url, request, dispatch } = this.#context
    // The controller can abort the request during the lookup.
    this.#notifyQueued()
    if (this.#completed) return true
    let leave = () => {}
    const fail = (error: Error) => this.#failUnsent(error)
    const end = startWait(request, coreOf(dispatch), { fail: fail, release: () => leave() })
    this.#stopWaiting = end
    leave = cache.lookup(url, (error, records) => {
      end()
      if (records === null) return this.#failUnsent(error as Error)
      this.#records = records
      this.#sendToNext(null)
    })
    return true
  }

  override onRequestQueued(controller: DispatchController): void {
    this.#controller.attach(controller)
    this.#notifyQueued()
  }

  override onRequestStart(controller: DispatchController, context: unknown): void {
    this.#controller.attach(controller)
    if (!this.#completed && !this.#controller.abortedByHandler) super.onRequestStart(this.#controller, context)
  }

  override onRequestUpgrade(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHeaders,
    socket: Duplex,
  ): void {
    this.#controller.attach(controller)
    this.#controller.end()
    super.onRequestUpgrade(this.#controller, statusCode, headers, socket)
    // Set after the call: an exception of the handler comes back as onResponseError.
    this.#completed = true
  }

  override onResponseStart(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHeaders,
    statusMessage?: string,
  ): void {
    this.#controller.attach(controller)
    this.#responseStarted = true
    if (!this.#completed) super.onResponseStart(this.#controller, statusCode, headers, statusMessage)
  }

  override onResponseData(_controller: DispatchController, chunk: Buffer): void {
    if (!this.#completed) super.onResponseData(this.#controller, chunk)
  }

  override onResponseEnd(_controller: DispatchController, trailers: IncomingHeaders): void {
    if (this.#completed) return
    this.#controller.end()
    super.onResponseEnd(this.#controller, trailers)
    // Set after the call: an exception of the handler comes back as onResponseError.
    this.#completed = true
  }

  override onResponseError(_controller: DispatchController, error: Error): void {
    if (this.#completed) {
      if (!this.#controller.abortedByHandler) reportThrown(error, this.#failure)
      return
    }
    if (this.#responseStarted || !isConnectFailure(error, this.#origin)) return this.#fail(error)
    const { cache, url, request } = this.#context
    try {
      cache.removeAddress(url.hostname, this.#address)
    } catch (problem) {
      return this.#failUnsent(copyForeignError(problem))
    }
    if (this.#controller.aborted || !isUnread(request.body)) return this.#fail(error)
    this.#controller.detach()
    this.#sendToNext(error)
  }

  #notifyQueued(): void {
    if (this.#queuedNotified || this.#completed) return
    this.#queuedNotified = true
    try {
      super.onRequestQueued(this.#controller)
    } catch (error) {
      if (this.#controller.aborted) reportUncaught(error)
      else this.#controller.abort(error as Error)
    }
  }

  /** Selects an address. @throws {InformationalError} every address was tried */
  #pickAddress(): DNSInterceptorRecord {
    const { url, pick, affinity } = this.#context
    const left =
      this.#tried.size === 0
        ? this.#records
        : filterRecords(this.#records, (one) => !this.#tried.has(addressInUrl(one)))
    // Declared as in undici, although it is null without a preference.
    const record = pick(url, left, affinity as 4 | 6) ?? null
    if (record !== null && !this.#tried.has(addressInUrl(record))) return checkRecord(record, 'the result of pick')
    throw new InformationalError(`No DNS entries found for ${url.hostname}`)
  }

  #send(record: DNSInterceptorRecord): boolean {
    const { dispatch, request, url } = this.#context
    const place = addressInUrl(record)
    this.#tried.add(place)
    this.#address = place
    const port = record.port == null && url.port !== '' ? `:${url.port}` : ''
    const origin = `${url.protocol}//${place}${port}`
    this.#origin = new URL(origin).origin
    const named = { ...request, origin, headers: this.#headers, servername: url.hostname }
    return dispatch(named, this)
  }

  /** Sends the request to the next address. `failed` is the error of the address before. */
  #sendToNext(failed: Error | null): void {
    let record: DNSInterceptorRecord
    try {
      record = this.#pickAddress()
    } catch (error) {
      // The error of the last address says more than that no address is left.
      if (failed !== null && error instanceof InformationalError) return this.#fail(failed)
      return this.#failUnsent(copyForeignError(error))
    }
    try {
      this.#asyncScope.runInAsyncScope(() => this.#send(record))
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  /** Fails the request before it was sent. */
  #failUnsent(error: Error): void {
    const { request, url } = this.#context
    locateRequest(error, { ...request, origin: url.origin }, { ...UNSENT_CONTEXT, phase: 'connect' })
    this.#fail(error)
  }

  #fail(error: Error): void {
    if (this.#completed) return
    this.#completed = true
    this.#failure = error
    this.#stopWaiting?.()
    this.#controller.end(error)
    callUserCode(() => super.onResponseError(this.#controller, error))
  }
}

/** Whether `origin` could not be connected to. An interceptor below may have sent the request to another one. */
function isConnectFailure(error: Error, origin: string): boolean {
  const tried = readProperty(error, 'origin')
  if (tried !== undefined && tried !== origin) return false
  const code = readProperty(error, 'code')
  if (code === 'UND_ERR_CONNECT_TIMEOUT') return true
  return (
    CONNECT_ERRORS.has(code) &&
    (readProperty(error, 'phase') === 'connect' || readProperty(error, 'syscall') === 'connect')
  )
}

/** Whether the body can still be sent: not a stream that was destroyed with the connection. */
function isUnread(body: unknown): boolean {
  try {
    toRequestBody(body)
    return true
  } catch {
    return false
  }
}
