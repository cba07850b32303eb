import type { WeightedUpstream } from '../dispatcher/upstream.js'
import { readProperty } from '../errors/safe-read.js'
import { InformationalError, invalidOption } from '../errors.js'
import { checkRecord, DEFAULT_TTL, type DNSInterceptorRecord } from './dns-records.js'

/** Resolver with the methods of `node:dns/promises` and its `Resolver`; `ttl` in seconds. */
export interface UpstreamResolver {
  resolve4(host: string, options: { ttl: true }): Promise<readonly { address: string; ttl: number }[]>
  resolve6(host: string, options: { ttl: true }): Promise<readonly { address: string; ttl: number }[]>
  resolveSrv(name: string): Promise<readonly { name: string; port: number; priority: number; weight: number }[]>
}

/** Service whose upstreams are looked up. */
export interface Service {
  host: string
  /** Whether `host` is the name of SRV records. */
  srv: boolean
  authority: string
  protocol: string
  port: string
}

interface LookupResult {
  /** Upstreams by origin; null if the lookup failed. */
  upstreams: Map<string, WeightedUpstream> | null
  /** Time to live in ms. */
  ttl: number
  /** Errors of the lookups that failed. */
  errors: unknown[]
}

/** Addresses in URL syntax. */
interface Addresses {
  hosts: string[]
  /** Time to live in ms. */
  ttl: number
}

/** Result of the lookup of one address family. */
interface FamilyAnswer extends Addresses {
  key: string
  error: unknown
  /** Whether the name server answered that there are no records. */
  noRecords: boolean
}

interface Target {
  name: string
  port: string
  weight: number
}

/** Weight of targets with weight 0: they get few requests if others have a weight (RFC 2782). */
const NO_WEIGHT = 0.1

/** Error codes of answers without records. */
const NO_RECORDS = new Set(['ENODATA', 'ENOTFOUND'])

/** Lookups of the upstreams of a service. If a lookup fails, its last successful answer is used. */
export class UpstreamLookups {
  readonly #service: Service
  readonly #families: readonly (4 | 6)[]
  readonly #resolver: UpstreamResolver
  #answers = new Map<string, Addresses>()
  /** Answers of the current lookup; names that are not used any more are removed. */
  #newAnswers = new Map<string, Addresses>()
  #errors: unknown[] = []

  constructor(service: Service, family: 4 | 6 | null, resolver: UpstreamResolver) {
    this.#service = service
    this.#families = family === null ? [4, 6] : [family]
    this.#resolver = resolver
  }

  /** Looks up all upstreams. Never rejects. */
  async lookUp(): Promise<LookupResult> {
    const { protocol, authority } = this.#service
    this.#errors = []
    this.#newAnswers = new Map()
    try {
      const targets = await this.#lookUpTargets()
      const found = await Promise.all(targets.map(({ name }) => this.#lookUpAddresses(name)))
      const upstreams = new Map<string, WeightedUpstream>()
      for (const [index, { port, weight }] of targets.entries()) {
        const { hosts } = found[index] as Addresses
        for (const host of hosts) {
          const { origin } = new URL(`${protocol}//${host}${port}`)
          // The addresses of a target share its weight.
          const combined = (upstreams.get(origin)?.weight ?? 0) + weight / (this.#service.srv ? hosts.length : 1)
          upstreams.set(origin, { origin, weight: combined, authority })
        }
      }
      this.#answers = this.#newAnswers
      const ttl = Math.min(...found.map((one) => one.ttl))
      return { upstreams: upstreams.size === 0 ? null : upstreams, ttl, errors: this.#errors }
    } catch (error) {
      return { upstreams: null, ttl: 0, errors: [...this.#errors, error] }
    }
  }

  async #lookUpTargets(): Promise<Target[]> {
    const { host, srv, port } = this.#service
    if (!srv) return [{ name: host, port: port && `:${port}`, weight: 1 }]
    const good = checkArray(await this.#resolver.resolveSrv(host)).filter((record) => this.#isTarget(record))
    const first = Math.min(...good.map(({ priority }) => priority))
    const targets = good.filter(({ priority }) => priority === first)
    if (targets.length === 0) throw new InformationalError(`No DNS entries found for ${host}`)
    return targets.map(({ name, port, weight }) => ({ name, port: `:${port}`, weight: weight || NO_WEIGHT }))
  }

  #isTarget(record: { name: string; port: number; priority: number; weight: number }): boolean {
    const { name, port, priority, weight } = record ?? {}
    // The service is not available (RFC 2782).
    if (name === '' || name === '.') return false
    const numbers = [port, priority, weight].every((one) => Number.isInteger(one) && one >= 0 && one <= 65_535)
    if (typeof name === 'string' && numbers && port > 0) return true
    this.#errors.push(invalidOption('the result of resolver', 'records of a name, port, priority and weight', record))
    return false
  }

  /** Looks up each address family of a name. If one fails, its last answer is used. */
  async #lookUpAddresses(name: string): Promise<Addresses> {
    const parts = await Promise.all(this.#families.map((family) => this.#lookUpFamily(name, family)))
    const some = parts.some(({ hosts }) => hosts.length > 0)
    // A name may have addresses of one family only. If it has none at all, the last ones stay.
    const failed = parts.filter(({ error, noRecords: none }) => error !== undefined && !(some && none))
    const reported = failed.find(({ noRecords: none }) => !none) ?? failed[0]
    if (reported !== undefined) this.#errors.push(reported.error)
    const known = parts.map((part) => (failed.includes(part) ? this.#answers.get(part.key) : undefined) ?? part)
    known.forEach(({ hosts, ttl }, index) => {
      this.#newAnswers.set((parts[index] as FamilyAnswer).key, { hosts, ttl })
    })
    return { hosts: known.flatMap(({ hosts }) => hosts), ttl: Math.min(...known.map(({ ttl }) => ttl)) }
  }

  /** Looks up one address family of a name. Never rejects. */
  async #lookUpFamily(name: string, family: 4 | 6): Promise<FamilyAnswer> {
    const key = `${family} ${name}`
    try {
      const options = { ttl: true } as const
      const method = family === 4 ? 'resolve4' : 'resolve6'
      const hosts = new Set<string>()
      let ttl = Number.POSITIVE_INFINITY
      for (const { address, ttl: seconds } of checkArray(await this.#resolver[method](name, options))) {
        checkRecord({ address, family } as DNSInterceptorRecord)
        // URLs can not have a zone.
        if (address.includes('%')) continue
        hosts.add(family === 6 ? `[${address}]` : address)
        ttl = Math.min(ttl, seconds >= 0 ? seconds * 1_000 : DEFAULT_TTL)
      }
      const error = hosts.size > 0 ? undefined : new InformationalError(`No DNS entries found for ${name}`)
      return { key, hosts: [...hosts], ttl, error, noRecords: error !== undefined }
    } catch (error) {
      const none = NO_RECORDS.has(readProperty(error, 'code') as string)
      return { key, hosts: [], ttl: Number.POSITIVE_INFINITY, error, noRecords: none }
    }
  }
}

function checkArray<Item>(records: readonly Item[]): readonly Item[] {
  if (Array.isArray(records)) return records
  throw invalidOption('the result of resolver', 'an array of records', records)
}
