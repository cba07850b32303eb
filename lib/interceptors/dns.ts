import type { Duplex } from 'node:stream'
import { builtin } from '../base/builtin.js'
import { callUser, reportUncaught } from '../base/gate.js'
import type { Dispatch, DispatchInterceptor } from '../dispatcher/dispatcher.js'
import { coreOf } from '../dispatcher/dispatcher-core.js'
import { propertyOf } from '../errors/foreign.js'
import { adoptError, InformationalError, invalidOption, UNSENT } from '../errors.js'
import { withDeadline } from '../exchange/deadlines.js'
import { DecoratorHandler } from '../exchange/decorator-handler.js'
import type { RequestHeaders } from '../exchange/documented.js'
import type {
  DispatchController,
  DispatchHandler,
  IncomingHeaders,
  LegacyDispatchHandler,
} from '../exchange/handler.js'
import { hasHeader, lastingHeaders, withHeaders } from '../exchange/header-form.js'
import { decorated } from '../exchange/legacy-handler.js'
import type { DispatchOptions } from '../exchange/request.js'
import { toRequestBody } from '../exchange/request-body.js'
import {
  checked,
  type DNSInterceptorOriginRecords,
  type DNSInterceptorRecord,
  type DNSStorage,
  hostOf,
  type Lookup,
  MemoryStorage,
  only,
  pickRecord,
  placeOf,
  RecordCache,
  systemLookup,
} from './dns-records.js'
import { RelayController } from './relay-controller.js'
import { type Given, merge, readOnce, withoutNull } from './settings.js'
import { abortErrorOf, locateRequest, startWait } from './wait.js'

type Affinity = 4 | 6 | null
type Pick = (
  origin: URL,
  records: DNSInterceptorOriginRecords,
  affinity: 4 | 6,
) => DNSInterceptorRecord | null | undefined

/** Options of `interceptors.dns`. Source: undici's `Interceptors.md`. */
export interface DNSOptions {
  /** Longest time in ms that a record is used, whatever its own says; 0: as long as that says. Default: 0. */
  maxTTL?: number | null | undefined
  /** Hosts remembered at most; the oldest goes. Default: no limit. */
  maxItems?: number | null | undefined
  /** Use addresses of both families. Default: true. */
  dualStack?: boolean | null | undefined
  /** Family that is preferred, or without `dualStack` the only one; null: take turns. Default: null. */
  affinity?: Affinity | undefined
  /** Finds the addresses of `origin.hostname`, each with a `port` of its own if need be. Default: `dns.lookup` of Node. */
  lookup?: Lookup | null | undefined
  /** Chooses an address. Default: one after the other. */
  pick?: Pick | null | undefined
  /** Where records are kept. Default: in memory. */
  storage?: DNSStorage | null | undefined
}

/** Failures of a connection that was never there: the request is still whole, and another address may do. */
const UNREACHED = new Set<unknown>([
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
 * Looks hosts up itself, remembers their addresses and takes turns among them. The `host` field and the TLS server
 * name stay those of the host. An address that can not be connected to is left out, and the request goes to the next.
 * For a dispatcher that goes where a request says, such as an Agent; innermost, as the others work with names.
 * Source: undici's `Interceptors.md`.
 * @throws {InvalidArgumentError} an option is not what is documented
 */
export function dns(options: DNSOptions = {}): DispatchInterceptor {
  // Null is what is not given, as in undici.
  const given = withoutNull(merge(options))
  check(given)
  const { maxTTL = 0, maxItems = Number.POSITIVE_INFINITY, dualStack = true, affinity = null } = given
  const { lookup = systemLookup, pick = pickRecord, storage = new MemoryStorage(maxItems) } = given
  const cache = new RecordCache({ maxTTL, family: dualStack ? null : (affinity ?? 4), lookup, storage })
  return (dispatch) => (given, handler) => {
    const request = readOnce(given)
    const url = urlOf(request?.origin)
    if (url === null) return dispatch(request, handler)
    const limited = withDeadline(request)
    return new DNSHandler(handler, { dispatch, request: limited, url, cache, pick, affinity }).start()
  }
}

function check(options: Given<DNSOptions>): void {
  const { maxTTL, maxItems, dualStack, affinity, lookup, pick, storage } = options
  if (maxTTL !== undefined && (typeof maxTTL !== 'number' || !(maxTTL >= 0))) {
    throw invalidOption('maxTTL', 'a number of ms, 0 or more', maxTTL)
  }
  if (maxItems !== undefined && (typeof maxItems !== 'number' || !(maxItems >= 1))) {
    throw invalidOption('maxItems', 'a number, 1 or more', maxItems)
  }
  if (dualStack !== undefined && typeof dualStack !== 'boolean')
    throw invalidOption('dualStack', 'a boolean', dualStack)
  if (affinity !== undefined && affinity !== null && affinity !== 4 && affinity !== 6) {
    throw invalidOption('affinity', '4, 6 or null', affinity)
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

/** Null for what is not to be looked up. */
function urlOf(origin: unknown): URL | null {
  if (origin === undefined || origin === null) return null
  let url: URL
  try {
    url = new URL(new URL(origin as string | URL).origin)
  } catch {
    return null
  }
  return hostOf(url) === null ? null : url
}

interface Part {
  dispatch: Dispatch
  request: DispatchOptions
  url: URL
  cache: RecordCache
  pick: Pick
  affinity: Affinity
}

/** One request on its way from address to address; its handler sees one controller. */
class DNSHandler extends DecoratorHandler {
  readonly #part: Part
  readonly #controller = new RelayController((reason) => this.#fail(abortErrorOf(reason, this.#part.request)))
  readonly #headers: RequestHeaders
  readonly #tried = new Set<string>()
  /** What is sent later belongs to whoever asked: to its trace, not to that of another who waited for the host. */
  readonly #sender = new (builtin('node:async_hooks').AsyncResource)('sluice.dns')
  #records: DNSInterceptorOriginRecords = { records: { 4: null, 6: null } }
  #place = ''
  #origin = ''
  #announced = false
  #answered = false
  #over = false
  #stopWaiting: (() => void) | null = null

  constructor(handler: DispatchHandler | LegacyDispatchHandler, part: Part) {
    super(decorated(handler, part.request.upgrade != null && part.request.upgrade !== false))
    this.#part = part
    const headers = lastingHeaders(part.request.headers)
    const named = hasHeader(headers, 'host')
    this.#headers = (named ? headers : withHeaders(headers, ['host', part.url.host])) as RequestHeaders
  }

  start(): boolean {
    const { cache, url } = this.#part
    let record: DNSInterceptorRecord
    try {
      const known = cache.known(url.hostname)
      if (known === null) return this.#lookUp()
      this.#records = known
      record = this.#choose()
    } catch (error) {
      this.#refuse(adoptError(error))
      return true
    }
    return this.#send(record)
  }

  #lookUp(): boolean {
    const { cache, url, request, dispatch } = this.#part
    // It can be aborted while it waits.
    this.#announce()
    if (this.#over) return true
    let leave = () => {}
    const fail = (error: Error) => this.#refuse(error)
    const end = startWait(request, coreOf(dispatch), { fail, release: () => leave() })
    this.#stopWaiting = end
    leave = cache.find(url, (error, records) => {
      end()
      if (records === null) return this.#refuse(error as Error)
      this.#records = records
      this.#trySend(null)
    })
    return true
  }

  override onRequestQueued(controller: DispatchController): void {
    this.#controller.attach(controller)
    this.#announce()
  }

  override onRequestStart(controller: DispatchController, context: unknown): void {
    this.#controller.attach(controller)
    if (!this.#over && !this.#controller.abortedAbove) super.onRequestStart(this.#controller, context)
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
    // Not before: what it throws comes back as an error.
    this.#over = true
  }

  override onResponseStart(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHeaders,
    statusMessage?: string,
  ): void {
    this.#controller.attach(controller)
    this.#answered = true
    if (!this.#over) super.onResponseStart(this.#controller, statusCode, headers, statusMessage)
  }

  override onResponseData(_controller: DispatchController, chunk: Buffer): void {
    if (!this.#over) super.onResponseData(this.#controller, chunk)
  }

  override onResponseEnd(_controller: DispatchController, trailers: IncomingHeaders): void {
    if (this.#over) return
    this.#controller.end()
    super.onResponseEnd(this.#controller, trailers)
    // Not before: what it throws comes back as an error.
    this.#over = true
  }

  override onResponseError(_controller: DispatchController, error: Error): void {
    if (this.#over) return
    if (this.#answered || !neverReached(error, this.#origin)) return this.#fail(error)
    const { cache, url, request } = this.#part
    try {
      cache.drop(url.hostname, this.#place)
    } catch (problem) {
      return this.#refuse(adoptError(problem))
    }
    if (this.#controller.aborted || !isWhole(request.body)) return this.#fail(error)
    this.#controller.detach()
    this.#trySend(error)
  }

  #announce(): void {
    if (this.#announced || this.#over) return
    this.#announced = true
    try {
      super.onRequestQueued(this.#controller)
    } catch (error) {
      if (this.#controller.aborted) reportUncaught(error)
      else this.#controller.abort(error as Error)
    }
  }

  /** @throws {InformationalError} there is no address that was not tried */
  #choose(): DNSInterceptorRecord {
    const { url, pick, affinity } = this.#part
    const left = this.#tried.size === 0 ? this.#records : only(this.#records, (one) => !this.#tried.has(placeOf(one)))
    // Declared as in undici, though null when there is no preference.
    const record = pick(url, left, affinity as 4 | 6) ?? null
    if (record !== null && !this.#tried.has(placeOf(record))) return checked(record, 'what pick chose')
    throw new InformationalError(`No DNS entries found for ${url.hostname}`)
  }

  #send(record: DNSInterceptorRecord): boolean {
    const { dispatch, request, url } = this.#part
    const place = placeOf(record)
    this.#tried.add(place)
    this.#place = place
    const port = record.port == null && url.port !== '' ? `:${url.port}` : ''
    const origin = `${url.protocol}//${place}${port}`
    this.#origin = new URL(origin).origin
    const named = { ...request, origin, headers: this.#headers, servername: url.hostname }
    return dispatch(named, this)
  }

  /** `failed`: why the address before did not do. */
  #trySend(failed: Error | null): void {
    let record: DNSInterceptorRecord
    try {
      record = this.#choose()
    } catch (error) {
      // That no address is left says less than why the last one did not do.
      if (failed !== null && error instanceof InformationalError) return this.#fail(failed)
      return this.#refuse(adoptError(error))
    }
    try {
      this.#sender.runInAsyncScope(() => this.#send(record))
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  /** Nothing was sent. */
  #refuse(error: Error): void {
    const { request, url } = this.#part
    locateRequest(error, { ...request, origin: url.origin }, { ...UNSENT, phase: 'connect' })
    this.#fail(error)
  }

  #fail(error: Error): void {
    if (this.#over) return
    this.#over = true
    this.#stopWaiting?.()
    this.#controller.end(error)
    callUser(() => super.onResponseError(this.#controller, error))
  }
}

/** Whether `origin` could not be connected to: an interceptor beneath may have sent the request elsewhere. */
function neverReached(error: Error, origin: string): boolean {
  const tried = propertyOf(error, 'origin')
  if (tried !== undefined && tried !== origin) return false
  const code = propertyOf(error, 'code')
  if (code === 'UND_ERR_CONNECT_TIMEOUT') return true
  return UNREACHED.has(code) && (propertyOf(error, 'phase') === 'connect' || propertyOf(error, 'syscall') === 'connect')
}

/** Not a stream that went down with the connection. */
function isWhole(body: unknown): boolean {
  try {
    toRequestBody(body)
    return true
  } catch {
    return false
  }
}
