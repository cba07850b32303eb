import { builtinModule } from '../base/builtin-modules.js'
import { Alarm, type AlarmListener } from '../base/clock.js'
import { unpolluted } from '../base/prototype-pollution.js'
import type { UpstreamChange } from '../dispatcher/discover.js'
import { parseOrigin } from '../dispatcher/origin.js'
import type { WeightedUpstream } from '../dispatcher/upstream.js'
import { atCaller } from '../errors/caller.js'
import { positiveNumber } from '../errors/option-checks.js'
import { refuseUnknownOptions } from '../errors/unknown-options.js'
import { invalidChoice, invalidOption } from '../errors.js'
import { hostnameToResolve } from './dns-records.js'
import { type Service, UpstreamLookups, type UpstreamResolver } from './upstream-lookups.js'

/** Options of {@link dnsUpstreams}. Sluice-specific. */
export interface DNSUpstreamsOptions {
  /** Minimum time between two lookups in ms; doubled after each failure. Default: 1 000. */
  minTTL?: number
  /** Maximum time between two lookups in ms. Default: 30 000. */
  maxTTL?: number
  /** Address family; null: both. Default: null. */
  family?: 4 | 6 | null
  /** Resolver for the lookups. Default: a `Resolver` of `node:dns`, with the name servers of the system. */
  resolver?: UpstreamResolver | null
}

/** Name of SRV records, such as `_http._tcp.example.com` (RFC 2782); host names have no underscore. */
const SRV_NAME = /^_[^.]+\._[^.]+\./

/**
 * Returns the addresses of a host as upstreams, for `discover`; they are looked up again when their time to live has
 * passed. The `host` header and the TLS server name stay those of the host. A name such as `_http._tcp.example.com` is
 * looked up as SRV records (RFC 2782): the targets of the lowest priority, with their port and weight. While name servers
 * fail, or have no address, the last upstreams stay. Names must be complete: search domains and `/etc/hosts` are not used.
 * Sluice-specific.
 * @throws {InvalidArgumentError} the URL has no host name, or an option is invalid
 * @example
 * const pool = new BalancedPool([], { strategy: 'least-requests' })
 * await discover(pool, dnsUpstreams('http://my-service.internal:3000')).ready
 */
export function dnsUpstreams(url: URL | string, given: DNSUpstreamsOptions = {}): AsyncIterable<UpstreamChange> {
  const { service, settings } = atCaller(dnsUpstreams, () => check(url, given))
  return { [Symbol.asyncIterator]: () => new UpstreamIterator(service, settings) }
}

function check(url: URL | string, given: DNSUpstreamsOptions): { service: Service; settings: Settings } {
  const origin = parseOrigin(url)
  const host = hostnameToResolve(origin)
  if (host === null) throw invalidOption('url', 'an origin with a name, not an address', origin.origin)
  const srv = SRV_NAME.test(host)
  if (srv && origin.port !== '') throw invalidOption('url', 'without a port, which SRV records have', origin.origin)
  if (typeof given !== 'object' || given === null) throw invalidOption('options', 'an object', given)
  refuseUnknownOptions({ bag: 'dnsUpstreams', names: ['minTTL', 'maxTTL', 'family', 'resolver'] }, given)
  const options = unpolluted(given)
  const { family = null, resolver = null } = options
  const minTTL = positiveNumber('minTTL', options.minTTL, [1_000])
  const maxTTL = positiveNumber('maxTTL', options.maxTTL, [Math.max(30_000, minTTL)])
  if (maxTTL < minTTL) throw invalidOption('maxTTL', 'minTTL or more', maxTTL)
  if (family !== null && family !== 4 && family !== 6) throw invalidChoice('family', '4, 6 or null', family)
  for (const method of ['resolve4', 'resolve6', 'resolveSrv'] as const) {
    if (resolver !== null && typeof resolver[method] !== 'function') {
      throw invalidOption('resolver', 'an object with resolve4, resolve6 and resolveSrv', resolver)
    }
  }
  // Without the final dot of a complete name, which certificates do not have.
  const authority = origin.host.replace(SRV_NAME, '').replace(/\.(?=:|$)/, '')
  const service: Service = { host, srv, authority, protocol: origin.protocol, port: origin.port }
  return { service, settings: { minTTL, maxTTL, family, resolver } }
}

interface Settings {
  minTTL: number
  maxTTL: number
  family: 4 | 6 | null
  resolver: UpstreamResolver | null
}

class UpstreamIterator implements AsyncIterator<UpstreamChange>, AlarmListener {
  readonly #settings: Settings
  readonly #lookups: UpstreamLookups
  /** Cancels lookups in progress of a resolver that this iterator created. */
  readonly #cancel: () => void
  readonly #alarm = new Alarm(this)
  /** Upstreams by origin, as last reported. */
  #upstreams: ReadonlyMap<string, WeightedUpstream> = new Map()
  readonly #changes: UpstreamChange[] = []
  #failures = 0
  #stopped = false
  #wake: (() => void) | null = null

  constructor(service: Service, settings: Settings) {
    this.#settings = settings
    const own = settings.resolver === null ? new (builtinModule('node:dns').promises.Resolver)() : null
    this.#cancel = () => own?.cancel()
    this.#lookups = new UpstreamLookups(service, settings.family, own ?? (settings.resolver as UpstreamResolver))
  }

  async next(): Promise<IteratorResult<UpstreamChange, undefined>> {
    while (!this.#stopped) {
      const value = this.#changes.shift()
      if (value !== undefined) return { done: false, value }
      if (this.#alarm.pending) await this.#waitForAlarm()
      else await this.#refresh()
    }
    return { done: true, value: undefined }
  }

  /** Ends the iteration at once, including a pending `next`. */
  async return(): Promise<IteratorResult<UpstreamChange, undefined>> {
    this.#stopped = true
    this.#alarm.dispose()
    this.#cancel()
    this.#wake?.()
    return { done: true, value: undefined }
  }

  #waitForAlarm(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  onAlarm(): void {
    this.#wake?.()
  }

  async #refresh(): Promise<void> {
    const { upstreams, ttl, errors } = await this.#lookups.lookUp()
    if (this.#stopped) return
    const { minTTL, maxTTL } = this.#settings
    this.#failures = errors.length === 0 ? 0 : this.#failures + 1
    const wait = this.#failures === 0 ? ttl : minTTL * 2 ** (this.#failures - 1)
    this.#alarm.set(Math.min(maxTTL, Math.max(minTTL, wait)))
    if (upstreams !== null) this.#queueChange(upstreams)
    for (const error of errors) this.#changes.push({ error })
  }

  #queueChange(upstreams: ReadonlyMap<string, WeightedUpstream>): void {
    const before = this.#upstreams
    const add = [...upstreams].filter(([origin, { weight }]) => before.get(origin)?.weight !== weight)
    const remove = [...before.keys()].filter((origin) => !upstreams.has(origin))
    this.#upstreams = upstreams
    if (add.length + remove.length > 0) this.#changes.push({ add: add.map(([, upstream]) => upstream), remove })
  }
}
