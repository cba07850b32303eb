import type { LookupOptions } from 'node:dns'
import { builtinModule } from '../base/builtin-modules.js'
import { queueMicrotask } from '../base/clock.js'
import { unpolluted } from '../base/prototype-pollution.js'
import { isThenable } from '../base/user-code.js'
import { copyForeignError, InformationalError, invalidOption } from '../errors.js'

/** Address of a host. */
export interface DNSInterceptorRecord {
  address: string
  /** Port that replaces the one of the origin, as in SRV records. */
  port?: number | undefined
  /** Time to live in ms. Default: `maxTTL`, or 10 000. */
  ttl: number
  family: 4 | 6
  /** Time of the lookup, in ms since 1970. */
  timestamp?: number
}

/** Addresses of one family, and the index of the next one to use. */
export interface FamilyRecords {
  ips: DNSInterceptorRecord[]
  offset?: number
}

/** Addresses of a host by family; `turn` counts selections and alternates between the families. */
export interface DNSInterceptorOriginRecords {
  records: { 4: FamilyRecords | null; 6: FamilyRecords | null }
  turn?: number
}

/** Storage of DNS records by host name. */
export interface DNSStorage {
  /** Number of hosts. */
  readonly size: number
  get(origin: string): DNSInterceptorOriginRecords | null | undefined
  set(origin: string, records: DNSInterceptorOriginRecords | null, options: { ttl: number }): void
  delete(origin: string): void
  /** Whether no host can be added. */
  full(): boolean
}

/** Function that looks up the addresses of `origin.hostname`. */
export type Lookup = (
  origin: URL,
  options: LookupOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: DNSInterceptorRecord[]) => void,
) => void

/** Default time to live in ms: lookups of the system have none. */
export const DEFAULT_TTL = 10_000

/** Number of hosts in memory from which expired ones are removed. */
const MIN_SWEEP_SIZE = 128

/** Storage in memory; when it is full, the host that was added first is removed. */
export class MemoryStorage implements DNSStorage {
  readonly #hosts = new Map<string, { records: DNSInterceptorOriginRecords; until: number }>()
  readonly #maxItems: number
  #sweepSize = MIN_SWEEP_SIZE

  constructor(maxItems: number) {
    this.#maxItems = maxItems
  }

  get size(): number {
    return this.#hosts.size
  }

  get(origin: string): DNSInterceptorOriginRecords | null {
    return this.#hosts.get(origin)?.records ?? null
  }

  set(origin: string, records: DNSInterceptorOriginRecords | null, { ttl }: { ttl: number }): void {
    this.#hosts.delete(origin)
    if (records === null) return
    if (this.#hosts.size >= this.#sweepSize) this.#removeExpired()
    for (const oldest of this.#hosts.keys()) {
      if (this.#hosts.size < this.#maxItems) break
      this.#hosts.delete(oldest)
    }
    this.#hosts.set(origin, { records, until: Date.now() + ttl })
  }

  delete(origin: string): void {
    this.#hosts.delete(origin)
  }

  /** Always false: an old host is removed instead. */
  full(): boolean {
    return false
  }

  /** Removes expired hosts: a crawler visits any number of hosts, most of them once. */
  #removeExpired(): void {
    const now = Date.now()
    for (const [host, { until }] of this.#hosts) if (until <= now) this.#hosts.delete(host)
    this.#sweepSize = Math.max(MIN_SWEEP_SIZE, 2 * this.#hosts.size)
  }
}

/** Settings of a {@link RecordCache}. */
export interface RecordSettings {
  /** Maximum time to live in ms; 0: no limit. */
  maxTTL: number
  /** Address family; null: both. */
  family: 4 | 6 | null
  lookup: Lookup
  storage: DNSStorage
}

type LookupCallback = (error: Error | null, records: DNSInterceptorOriginRecords | null) => void

/** Callbacks of the requests that wait for one lookup. */
type WaitingCallbacks = Set<LookupCallback>

/** Cache of DNS records, with at most one lookup per host at a time. */
export class RecordCache {
  readonly #settings: RecordSettings
  /** Lookups in progress by host, which other requests can join. */
  readonly #lookups = new Map<string, WaitingCallbacks>()

  constructor(settings: RecordSettings) {
    this.#settings = settings
  }

  /** Returns the records of a host that have not expired; null if there are none. */
  get(host: string): DNSInterceptorOriginRecords | null {
    const { storage } = this.#settings
    const kept = storage.get(host) ?? null
    if (kept === null) return null
    const now = Date.now()
    const { records } = filterRecords(kept, ({ timestamp = now, ttl }) => timestamp + ttl > now)
    kept.records = records
    if (records[4] !== null || records[6] !== null) return kept
    storage.delete(host)
    return null
  }

  /**
   * Starts a lookup of the host, or joins the one of another request.
   * @returns a function that leaves the lookup; if no request is left, the next one starts a new lookup
   */
  lookup(origin: URL, callback: LookupCallback): () => void {
    const host = origin.hostname
    const joined = this.#lookups.get(host)
    const waiting = joined ?? new Set()
    waiting.add(callback)
    if (joined === undefined) {
      this.#lookups.set(host, waiting)
      this.#startLookup(origin, waiting)
    }
    return () => {
      if (waiting.delete(callback)) this.#closeLookup(host, waiting)
    }
  }

  /** Removes an address that can not be connected to, until the next lookup of the host. */
  removeAddress(host: string, address: string): void {
    const { storage } = this.#settings
    const kept = this.get(host)
    if (kept === null) return
    const left = filterRecords(kept, (record) => addressInUrl(record) !== address)
    if (left.records[4] === null && left.records[6] === null) storage.delete(host)
    else storage.set(host, left, { ttl: longestTTL(left.records) })
  }

  #startLookup(origin: URL, waiting: WaitingCallbacks): void {
    const { lookup, family } = this.#settings
    let open = true
    const end = (error: unknown, addresses?: unknown) => {
      if (!open) return
      open = false
      this.#notifyWaiting(origin.hostname, waiting, { error, addresses })
    }
    const fail = (error: unknown) => end(error ?? new InformationalError('The DNS lookup failed without an error'))
    let answer: [error: unknown, addresses: unknown] | null = null
    const proceed = () => answer !== null && end(...answer)
    // A lookup that throws or rejects right after its callback has failed. Null until that can be excluded.
    let schedule: ((act: () => void) => void) | null = null
    try {
      const returned: unknown = lookup(origin, { all: true, family: family ?? 0 }, (...given) => {
        if (answer !== null) return
        answer = given
        schedule?.(proceed)
      })
      schedule = isThenable(returned) ? (act) => queueMicrotask(() => queueMicrotask(act)) : (act) => act()
      if (isThenable(returned)) returned.then(undefined, fail)
    } catch (error) {
      return fail(error)
    }
    schedule(proceed)
  }

  /** Calls the callbacks of all waiting requests, each with its own error. */
  #notifyWaiting(
    host: string,
    waiting: WaitingCallbacks,
    { error, addresses }: { error: unknown; addresses: unknown },
  ): void {
    this.#closeLookup(host, waiting)
    const all = [...waiting]
    waiting.clear()
    let failure = error
    let records: DNSInterceptorOriginRecords | null = null
    try {
      if (!failure) records = this.#store(host, addresses)
    } catch (problem) {
      failure = problem
    }
    for (const found of all) found(records === null ? copyForeignError(failure) : null, records)
  }

  #closeLookup(host: string, waiting: WaitingCallbacks): void {
    if (this.#lookups.get(host) === waiting) this.#lookups.delete(host)
  }

  #store(host: string, addresses: unknown): DNSInterceptorOriginRecords {
    const { storage, maxTTL } = this.#settings
    if (!Array.isArray(addresses)) throw invalidOption('the result of lookup', 'an array of records', addresses)
    const records: DNSInterceptorOriginRecords['records'] = { 4: null, 6: null }
    const timestamp = Date.now()
    for (const found of addresses as DNSInterceptorRecord[]) {
      const { address, family, port } = checkRecord(found)
      // URLs can not have a zone (despite RFC 6874).
      if (address.includes('%')) continue
      if (this.#settings.family !== null && family !== this.#settings.family) continue
      const ttlOfRecord = typeof found.ttl === 'number' && found.ttl >= 0 ? found.ttl : maxTTL || DEFAULT_TTL
      const ttl = maxTTL > 0 ? Math.min(ttlOfRecord, maxTTL) : ttlOfRecord
      records[family] ??= { ips: [] }
      records[family].ips.push({ address, family, ttl, timestamp, ...(port == null ? {} : { port }) })
    }
    if (records[4] === null && records[6] === null) throw new InformationalError(`No DNS entries found for ${host}`)
    const storable = storage.get(host) != null || !storage.full()
    const ttl = longestTTL(records)
    const found = { records, turn: 0 }
    if (storable) storage.set(host, found, { ttl })
    return found
  }
}

function longestTTL(records: DNSInterceptorOriginRecords['records']): number {
  return Math.max(...[...(records[4]?.ips ?? []), ...(records[6]?.ips ?? [])].map(({ ttl }) => ttl))
}

/** Filters records; the position of the next address is kept. */
export function filterRecords(
  { records, turn }: DNSInterceptorOriginRecords,
  predicate: (record: DNSInterceptorRecord) => boolean,
): DNSInterceptorOriginRecords {
  const filter = (group: FamilyRecords | null | undefined): FamilyRecords | null => {
    if (!group) return null
    const ips = group.ips.filter(predicate)
    if (ips.length === group.ips.length) return group
    const before = group.ips.slice(0, (group.offset ?? 0) % group.ips.length)
    return ips.length === 0 ? null : { ips, offset: before.filter(predicate).length }
  }
  return { records: { 4: filter(records[4]), 6: filter(records[6]) }, turn: turn ?? 0 }
}

const IPV4 = /^\d{1,3}(\.\d{1,3}){3}$/

/** Checks that a record has an IP address, as it becomes part of a URL. @throws {InvalidArgumentError} it has none */
export function checkRecord(record: DNSInterceptorRecord, source = 'the result of lookup'): DNSInterceptorRecord {
  const { address, family, port } = record ?? {}
  if (port != null && !(Number(port) > 0 && Number.isInteger(Number(port)) && Number(port) < 65_536))
    throw invalidOption(`the port in ${source}`, 'a port number', port)
  const four = family === 4 && IPV4.test(address) && URL.canParse(`http://${address}`)
  const six = family === 6 && typeof address === 'string' && URL.canParse(`http://[${address.replace(/%\w+$/, '')}]`)
  if (four || six) return record
  throw invalidOption(source, 'an IP address and its family', address)
}

/** Returns the address, with its port if it has one, in URL syntax. */
export function addressInUrl({ address, family, port }: DNSInterceptorRecord): string {
  return `${family === 6 ? `[${address}]` : address}${port == null ? '' : `:${Number(port)}`}`
}

/** Returns the host name to look up; null if the host is an IP address. */
export function hostnameToResolve(url: URL): string | null {
  const { hostname } = url
  return hostname === '' || hostname.startsWith('[') || IPV4.test(hostname) ? null : hostname
}

/** Selects addresses in turn: alternates between the families, unless one is preferred, and between their addresses. */
export function pickRecord(
  _origin: URL,
  found: DNSInterceptorOriginRecords,
  affinity: 4 | 6 | null,
): DNSInterceptorRecord | null {
  const { records, turn = 0 } = found
  const preferred = affinity ?? (turn % 2 === 0 ? 4 : 6)
  const group = records[preferred] ?? records[preferred === 4 ? 6 : 4]
  if (!group) return null
  found.turn = turn + 1
  const offset = group.offset ?? 0
  group.offset = offset + 1
  return group.ips[offset % group.ips.length] ?? null
}

/** Lookup of the operating system (`dns.lookup`). */
export const systemLookup: Lookup = (origin, options, callback) => {
  builtinModule('node:dns').lookup(origin.hostname, unpolluted({ ...options, all: true }), (error, addresses) => {
    callback(error, (addresses ?? []) as DNSInterceptorRecord[])
  })
}
