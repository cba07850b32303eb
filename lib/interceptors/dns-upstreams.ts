import { builtinModule } from '../base/builtin-modules.js'
import { Alarm, type AlarmListener } from '../base/clock.js'
import { unpolluted } from '../base/prototype-pollution.js'
import type { UpstreamChange } from '../dispatcher/discover.js'
import { parseOrigin } from '../dispatcher/origin.js'
import type { WeightedUpstream } from '../dispatcher/upstream.js'
import { positiveNumber } from '../errors/option-checks.js'
import { invalidOption } from '../errors.js'
import { hostnameToResolve } from './dns-records.js'
import { type Service, UpstreamLookups, type UpstreamResolver } from './upstream-lookups.js'

/** Options of {@link dnsUpstreams}. Ours. */
export interface DNSUpstreamsOptions {
  /** ms; records that hold more shortly are asked for no sooner. After failures doubled each time. Default: 1 000. */
  minTTL?: number
  /** ms; records that hold longer are asked for again by then. Default: 30 000. */
  maxTTL?: number
  /** Addresses of this family alone. Default: both. */
  family?: 4 | 6 | null
  /** Whom to ask. Default: a `Resolver` of `node:dns`, with the name servers of the system. */
  resolver?: UpstreamResolver | null
}

/** SRV records have names such as `_http._tcp.example.com` (RFC 2782); names of hosts have no underscore. */
const SRV_NAME = /^_[^.]+\._[^.]+\./

/**
 * The addresses of a name as upstreams, for `discover`: asked for again whenever they cease to hold. Requests keep the
 * name in `host`, and certificates must be of it. A name such as `_http._tcp.example.com` stands for its SRV records:
 * targets of the lowest priority, with port and weight (RFC 2782); the name is what follows. While name servers fail, or know no
 * address, upstreams stay as last known. Names are complete: neither search domains nor `/etc/hosts` are looked at.
 * @throws {InvalidArgumentError} no origin with a name, or an option that is not what is documented
 */
export function dnsUpstreams(url: URL | string, given: DNSUpstreamsOptions = {}): AsyncIterable<UpstreamChange> {
  const origin = parseOrigin(url)
  const host = hostnameToResolve(origin)
  if (host === null) throw invalidOption('url', 'an origin with a name, not an address', origin.origin)
  const srv = SRV_NAME.test(host)
  if (srv && origin.port !== '') throw invalidOption('url', 'without a port, which SRV records have', origin.origin)
  if (typeof given !== 'object' || given === null) throw invalidOption('options', 'an object', given)
  const options = unpolluted(given)
  const { family = null, resolver = null } = options
  const minTTL = positiveNumber('minTTL', options.minTTL, [1_000])
  const maxTTL = positiveNumber('maxTTL', options.maxTTL, [Math.max(30_000, minTTL)])
  if (maxTTL < minTTL) throw invalidOption('maxTTL', 'minTTL or more', maxTTL)
  if (family !== null && family !== 4 && family !== 6) throw invalidOption('family', '4, 6 or null', family)
  for (const method of ['resolve4', 'resolve6', 'resolveSrv'] as const) {
    if (resolver !== null && typeof resolver[method] !== 'function') {
      throw invalidOption('resolver', 'an object with resolve4, resolve6 and resolveSrv', resolver)
    }
  }
  // With the dot that ends a complete name no certificate has it.
  const authority = origin.host.replace(SRV_NAME, '').replace(/\.(?=:|$)/, '')
  const service: Service = { host, srv, authority, protocol: origin.protocol, port: origin.port }
  return { [Symbol.asyncIterator]: () => new UpstreamIterator(service, { minTTL, maxTTL, family, resolver }) }
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
  /** Ends questions under way, where they are nobody else's. */
  readonly #cancel: () => void
  readonly #alarm = new Alarm(this)
  /** By origin, as last told. */
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

  /** Answers at once, and lets a `next` that waits end. */
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
