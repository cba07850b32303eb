import type { LookupOptions } from 'node:dns'
import { builtinModule } from '../base/builtin-modules.js'
import { queueMicrotask } from '../base/clock.js'
import { unpolluted } from '../base/prototype-pollution.js'
import { isThenable } from '../base/user-code.js'
import { copyForeignError, InformationalError, invalidOption } from '../errors.js'

/** An address of a host. */
export interface DNSInterceptorRecord {
  address: string
  /** In the place of that of the origin, as SRV records have it. */
  port?: number | undefined
  /** How long it holds, in ms. Default: `maxTTL`, or 10 000. */
  ttl: number
  family: 4 | 6
  /** When it was found, in ms since 1970. */
  timestamp?: number
}

/** The addresses of one family, and whose turn it is. */
interface FamilyRecords {
  ips: DNSInterceptorRecord[]
  offset?: number
}

/** All addresses of a host, and which family's turn it is. */
export interface DNSInterceptorOriginRecords {
  records: { 4: FamilyRecords | null; 6: FamilyRecords | null }
  turn?: number
}

/** Where records are kept, by the name of the host. */
export interface DNSStorage {
  /** How many hosts are in it. */
  readonly size: number
  get(origin: string): DNSInterceptorOriginRecords | null | undefined
  set(origin: string, records: DNSInterceptorOriginRecords | null, options: { ttl: number }): void
  delete(origin: string): void
  /** No other host is to be added. */
  full(): boolean
}

export type Lookup = (
  origin: URL,
  options: LookupOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: DNSInterceptorRecord[]) => void,
) => void

/** What is known when nothing else is said: a lookup of the system tells no time to live. */
export const DEFAULT_TTL = 10_000

/** Hosts in memory before it is looked for what does not hold any more. */
const MIN_SWEEP_SIZE = 128

/** Records in memory; a host too many drives out the one that has been in there longest. */
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

  /** There is always room: somebody else goes. */
  full(): boolean {
    return false
  }

  /** A crawler meets hosts without end, and most of them once. */
  #removeExpired(): void {
    const now = Date.now()
    for (const [host, { until }] of this.#hosts) if (until <= now) this.#hosts.delete(host)
    this.#sweepSize = Math.max(MIN_SWEEP_SIZE, 2 * this.#hosts.size)
  }
}

export interface RecordSettings {
  /** ms; 0 for no limit of ours. */
  maxTTL: number
  /** Null: both. */
  family: 4 | 6 | null
  lookup: Lookup
  storage: DNSStorage
}

type LookupCallback = (error: Error | null, records: DNSInterceptorOriginRecords | null) => void

/** The requests that wait for one lookup. */
type WaitingCallbacks = Set<LookupCallback>

/** Finds addresses of hosts and remembers them as long as they hold. */
export class RecordCache {
  readonly #settings: RecordSettings
  /** By host: the lookup that other requests may join. */
  readonly #lookups = new Map<string, WaitingCallbacks>()

  constructor(settings: RecordSettings) {
    this.#settings = settings
  }

  /** What holds still; null when there is nothing. */
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
   * Looks the host up, or joins the lookup of another request.
   * @returns leaves the lookup: nothing is known of how long it may take, so later requests look the host up again
   */
  lookup(origin: URL, found: LookupCallback): () => void {
    const host = origin.hostname
    const joined = this.#lookups.get(host)
    const waiting = joined ?? new Set()
    waiting.add(found)
    if (joined === undefined) {
      this.#lookups.set(host, waiting)
      this.#startLookup(origin, waiting)
    }
    return () => {
      if (waiting.delete(found)) this.#closeLookup(host, waiting)
    }
  }

  /** The place does not answer: nobody is sent there until it is looked up anew. */
  removeAddress(host: string, place: string): void {
    const { storage } = this.#settings
    const kept = this.get(host)
    if (kept === null) return
    const left = filterRecords(kept, (record) => addressInUrl(record) !== place)
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
    const fail = (error: unknown) => end(error ?? new InformationalError('The lookup failed without an error'))
    let answer: [error: unknown, addresses: unknown] | null = null
    const proceed = () => answer !== null && end(...answer)
    // A lookup that throws, or rejects, as soon as it has answered has failed: null while it may still do so.
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

  /** Each request gets an error of its own. */
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
    if (!Array.isArray(addresses)) throw invalidOption('what lookup found', 'an array of records', addresses)
    const records: DNSInterceptorOriginRecords['records'] = { 4: null, 6: null }
    const timestamp = Date.now()
    for (const found of addresses as DNSInterceptorRecord[]) {
      const { address, family, port } = checkRecord(found)
      // A zone has no place in a URL (RFC 6874 notwithstanding).
      if (address.includes('%')) continue
      if (this.#settings.family !== null && family !== this.#settings.family) continue
      const told = typeof found.ttl === 'number' && found.ttl >= 0 ? found.ttl : maxTTL || DEFAULT_TTL
      const ttl = maxTTL > 0 ? Math.min(told, maxTTL) : told
      records[family] ??= { ips: [] }
      records[family].ips.push({ address, family, ttl, timestamp, ...(port == null ? {} : { port }) })
    }
    if (records[4] === null && records[6] === null) throw new InformationalError(`No DNS entries found for ${host}`)
    const room = storage.get(host) != null || !storage.full()
    const ttl = longestTTL(records)
    const found = { records, turn: 0 }
    if (room) storage.set(host, found, { ttl })
    return found
  }
}

function longestTTL(records: DNSInterceptorOriginRecords['records']): number {
  return Math.max(...[...(records[4]?.ips ?? []), ...(records[6]?.ips ?? [])].map(({ ttl }) => ttl))
}

/** Those addresses that are wanted; whose turn it is stays. */
export function filterRecords(
  { records, turn }: DNSInterceptorOriginRecords,
  wanted: (record: DNSInterceptorRecord) => boolean,
): DNSInterceptorOriginRecords {
  const sift = (group: FamilyRecords | null | undefined): FamilyRecords | null => {
    if (!group) return null
    const ips = group.ips.filter(wanted)
    if (ips.length === group.ips.length) return group
    const before = group.ips.slice(0, (group.offset ?? 0) % group.ips.length)
    return ips.length === 0 ? null : { ips, offset: before.filter(wanted).length }
  }
  return { records: { 4: sift(records[4]), 6: sift(records[6]) }, turn: turn ?? 0 }
}

const IPV4 = /^\d{1,3}(\.\d{1,3}){3}$/

/** It becomes part of a URL: nothing but an address may. */
export function checkRecord(record: DNSInterceptorRecord, source = 'what lookup found'): DNSInterceptorRecord {
  const { address, family, port } = record ?? {}
  if (port != null && !(Number(port) > 0 && Number.isInteger(Number(port)) && Number(port) < 65_536))
    throw invalidOption(`the port of ${source}`, 'a port number', port)
  const four = family === 4 && IPV4.test(address) && URL.canParse(`http://${address}`)
  const six = family === 6 && typeof address === 'string' && URL.canParse(`http://[${address.replace(/%\w+$/, '')}]`)
  if (four || six) return record
  throw invalidOption(source, 'an IP address and its family', address)
}

/** Address and, where it has one of its own, port: as they stand in a URL. */
export function addressInUrl({ address, family, port }: DNSInterceptorRecord): string {
  return `${family === 6 ? `[${address}]` : address}${port == null ? '' : `:${Number(port)}`}`
}

/** The name of the host as it is to be looked up; null for an address. */
export function hostnameToResolve(url: URL): string | null {
  const { hostname } = url
  return hostname === '' || hostname.startsWith('[') || IPV4.test(hostname) ? null : hostname
}

/** Takes turns: between the families, unless one is preferred, and among the addresses of each. */
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

/** The system's own lookup, as applications do it. */
export const systemLookup: Lookup = (origin, options, callback) => {
  builtinModule('node:dns').lookup(origin.hostname, unpolluted({ ...options, all: true }), (error, addresses) => {
    callback(error, (addresses ?? []) as DNSInterceptorRecord[])
  })
}
