import type { UpstreamWatch, UpstreamWatcher } from '../balance/strategy.js'
import { Alarm, type AlarmListener } from '../base/clock.js'
import { unpolluted } from '../base/prototype-pollution.js'
import { reportUncaught } from '../base/user-code.js'
import { positiveNumber } from '../errors/option-checks.js'
import { ClientClosedError, invalidOption } from '../errors.js'
import type { DispatchController, DispatchHandler } from '../exchange/handler.js'
import type { Dispatcher } from './dispatcher.js'
import { isClosed } from './dispatcher-core.js'
import { ManagedDispatcher } from './managed-dispatcher.js'
import type { Upstream } from './upstream.js'

/** How upstreams are asked whether they are well; times in ms. Source: Envoy's "Health checking". */
export interface HealthCheckOptions {
  /** Asked for by GET; well is who answers with 2xx. Default: `/`. */
  path?: string
  /** From the end of a check to the next. Default: 10 000. */
  interval?: number
  /** A check takes no longer. Default: 5 000. */
  timeout?: number
  /** Good checks in a row after which an upstream is used again. Default: 2. */
  healthyThreshold?: number
  /** Bad checks in a row after which it is left out. Default: 3. */
  unhealthyThreshold?: number
  /** In percent: all are used while fewer of them are good. Default: 50. */
  panicThreshold?: number
}

type Settings = Required<HealthCheckOptions>

/**
 * Sends a request to each upstream at intervals, over a connection of its own, and leaves out those that do not answer
 * well. The connection is made by the factory of the pool. Upstreams are healthy at first. Source: Envoy's "Health
 * checking".
 */
export class HealthCheck implements UpstreamWatcher<Upstream> {
  readonly #settings: Settings

  /** @throws {InvalidArgumentError} an option is not what is documented */
  constructor(given: HealthCheckOptions = {}) {
    const options = unpolluted(given)
    const { path = '/' } = options
    if (typeof path !== 'string' || !path.startsWith('/')) throw invalidOption('path', 'a path', path)
    this.#settings = {
      path,
      interval: positiveNumber('interval', options.interval, [10_000]),
      timeout: positiveNumber('timeout', options.timeout, [5_000]),
      healthyThreshold: positiveNumber('healthyThreshold', options.healthyThreshold, [2]),
      unhealthyThreshold: positiveNumber('unhealthyThreshold', options.unhealthyThreshold, [3]),
      panicThreshold: positiveNumber('panicThreshold', options.panicThreshold, [50, 100]),
    }
  }

  get panicThreshold(): number {
    return this.#settings.panicThreshold
  }

  /** What stands over one pool. */
  watch(leaveOut: (upstream: Upstream, out: boolean) => void): UpstreamWatch<Upstream> {
    const checks = new Map<Upstream, Check>()
    const ending = new Set<Promise<void>>()
    const inUse = (probe: Dispatcher) => [...checks.values()].some((check) => check.uses(probe))
    const left = (upstream: Upstream) => {
      const check = checks.get(upstream)
      checks.delete(upstream)
      if (check === undefined) return
      const end = check.stop(inUse)
      ending.add(end)
      end.then(() => ending.delete(end))
    }
    return {
      joined: (upstream) => void checks.set(upstream, new Check(upstream, this.#settings, leaveOut)),
      left,
      stop: async () => {
        for (const upstream of [...checks.keys()]) left(upstream)
        await Promise.all(ending)
      },
    }
  }
}

/** The checks of one upstream, one after the other. */
class Check implements AlarmListener {
  readonly #upstream: Upstream
  readonly #settings: Settings
  readonly #leaveOut: (upstream: Upstream, out: boolean) => void
  readonly #alarm = new Alarm(this)
  /** Apart from the pool: behind the requests of a busy pool a check would come too late. */
  #probe: ManagedDispatcher | null = null
  /** Given when it is stopped. */
  #inUse: ((probe: Dispatcher) => boolean) | null = null
  #current: DispatchController | null = null
  #out = false
  /** Checks in a row that contradict {@link #out}. */
  #against = 0

  constructor(upstream: Upstream, settings: Settings, leaveOut: (upstream: Upstream, out: boolean) => void) {
    this.#upstream = upstream
    this.#settings = settings
    this.#leaveOut = leaveOut
    this.#alarm.set(0)
  }

  uses(dispatcher: Dispatcher): boolean {
    return this.#probe?.dispatcher === dispatcher
  }

  /** @param inUse whether another check uses the same dispatcher */
  async stop(inUse: (probe: Dispatcher) => boolean): Promise<void> {
    this.#inUse = inUse
    this.#alarm.dispose()
    this.#current?.abort()
    const probe = this.#probe
    if (probe === null) return
    // A factory may return the same dispatcher again: then it has requests of others.
    const { dispatcher } = probe
    if (!this.#upstream.isPool(dispatcher) && !inUse(dispatcher)) await probe.destroy(new ClientClosedError())
  }

  onAlarm(): void {
    try {
      if (this.#probe === null || isClosed(this.#probe.dispatcher)) this.#probe = this.#open()
      if (this.#inUse !== null) void this.stop(this.#inUse)
      else this.#check(this.#probe)
    } catch {
      this.#judge(false)
    }
  }

  #open(): ManagedDispatcher {
    const dispatcher = this.#upstream.openProbe()
    return new ManagedDispatcher(
      dispatcher,
      { onDispatcherFree() {}, onDispatcherIdle() {}, onHandlerError: reportUncaught },
      null,
    )
  }

  #check(probe: ManagedDispatcher): void {
    const { path, timeout } = this.#settings
    const limits = { headersTimeout: timeout, bodyTimeout: timeout, timeouts: { total: timeout } }
    const start = (controller: DispatchController) => {
      this.#current = controller
    }
    let status = 0
    const handler: DispatchHandler = {
      onRequestQueued: start,
      onRequestStart: start,
      onResponseStart: (_controller, statusCode) => {
        status = statusCode
      },
      onResponseEnd: () => this.#judge(status >= 200 && status < 300),
      onResponseError: () => this.#judge(false),
    }
    probe.send({ path, method: 'GET', ...limits }, handler, { origin: this.#upstream.origin })
  }

  #judge(well: boolean): void {
    this.#current = null
    if (this.#inUse !== null) return
    this.#alarm.set(this.#settings.interval)
    this.#against = well === this.#out ? this.#against + 1 : 0
    const { healthyThreshold, unhealthyThreshold } = this.#settings
    if (this.#against < (this.#out ? healthyThreshold : unhealthyThreshold)) return
    this.#against = 0
    this.#out = !this.#out
    this.#leaveOut(this.#upstream, this.#out)
  }
}
