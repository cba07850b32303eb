import type { UpstreamWatch } from '../balance/strategy.js'
import { Alarm, type AlarmListener } from '../base/clock.js'
import { unpolluted } from '../base/prototype-pollution.js'
import { reportUncaught } from '../base/user-code.js'
import { atCaller } from '../errors/caller.js'
import { positiveNumber } from '../errors/option-checks.js'
import { refuseUnknownOptions } from '../errors/unknown-options.js'
import { ClientClosedError, invalidOption } from '../errors.js'
import type { DispatchController, DispatchHandler } from '../exchange/handler.js'
import type { Dispatcher } from './dispatcher.js'
import { isClosed } from './dispatcher-core.js'
import { ManagedDispatcher } from './managed-dispatcher.js'
import type { Upstream } from './upstream.js'

/** Options of a HealthCheck; times in ms. Source: Envoy's "Health checking". */
export interface HealthCheckOptions {
  /** Path requested by GET. A response with status 2xx means healthy. Default: `/`. */
  path?: string
  /** Time in ms from the end of a check to the next one. Default: 10 000. */
  interval?: number
  /** Maximum duration of a check in ms. Default: 5 000. */
  timeout?: number
  /** Number of consecutive successful checks after which an ejected upstream recovers. Default: 2. */
  healthyThreshold?: number
  /** Number of consecutive failed checks after which an upstream is ejected. Default: 3. */
  unhealthyThreshold?: number
  /** Percentage of healthy upstreams below which all upstreams are used. Default: 50. */
  panicThreshold?: number
}

type ResolvedOptions = Required<HealthCheckOptions>

/**
 * Active health check: sends a request to each upstream of a BalancedPool at intervals, over a separate connection, and
 * ejects upstreams that fail. The factory of the pool creates the connection. Upstreams are healthy at first. Source:
 * Envoy's "Health checking".
 * @example
 * const pool = new BalancedPool(origins, { healthCheck: new HealthCheck({ path: '/health', interval: 5_000 }) })
 */
export class HealthCheck {
  readonly #options: ResolvedOptions

  /** @throws {InvalidArgumentError} an option is invalid */
  constructor(given: HealthCheckOptions = {}) {
    this.#options = atCaller(HealthCheck, () => resolveOptions(given))
  }

  /** Percentage of healthy upstreams below which all upstreams are used. */
  get panicThreshold(): number {
    return this.#options.panicThreshold
  }

  /** @internal Starts the checks of one pool. Called by BalancedPool. */
  watch(setEjected: (upstream: Upstream, ejected: boolean) => void): UpstreamWatch<Upstream> {
    const checks = new Map<Upstream, UpstreamCheck>()
    const ending = new Set<Promise<void>>()
    const isUsedByOther = (probe: Dispatcher) => [...checks.values()].some((check) => check.uses(probe))
    const left = (upstream: Upstream) => {
      const check = checks.get(upstream)
      checks.delete(upstream)
      if (check === undefined) return
      const end = check.stop(isUsedByOther)
      ending.add(end)
      end.then(() => ending.delete(end))
    }
    return {
      joined: (upstream) => void checks.set(upstream, new UpstreamCheck(upstream, this.#options, setEjected)),
      left,
      describe: (upstream) => checks.get(upstream)?.state ?? null,
      stop: async () => {
        for (const upstream of [...checks.keys()]) left(upstream)
        await Promise.all(ending)
      },
    }
  }
}

/** Periodic checks of one upstream. */
class UpstreamCheck implements AlarmListener {
  readonly #upstream: Upstream
  readonly #options: ResolvedOptions
  readonly #setEjected: (upstream: Upstream, ejected: boolean) => void
  readonly #alarm = new Alarm(this)
  /** Dispatcher of the checks. Separate from the pool: a check would be delayed behind the requests of a busy pool. */
  #probe: ManagedDispatcher | null = null
  /** Whether another check uses the same dispatcher; null until the check is stopped. */
  #isUsedByOther: ((probe: Dispatcher) => boolean) | null = null
  #controller: DispatchController | null = null
  #ejected = false
  /** Number of consecutive checks that contradict {@link #ejected}. */
  #contradicting = 0

  constructor(
    upstream: Upstream,
    options: ResolvedOptions,
    setEjected: (upstream: Upstream, ejected: boolean) => void,
  ) {
    this.#upstream = upstream
    this.#options = options
    this.#setEjected = setEjected
    this.#alarm.set(0)
  }

  /** Describes failed checks; null without any. */
  get state(): string | null {
    if (this.#ejected) return 'ejected by health checks'
    return this.#contradicting > 0 ? `failing: ${this.#contradicting} health checks in a row` : null
  }

  uses(dispatcher: Dispatcher): boolean {
    return this.#probe?.dispatcher === dispatcher
  }

  /** @param isUsedByOther whether another check uses the same dispatcher */
  async stop(isUsedByOther: (probe: Dispatcher) => boolean): Promise<void> {
    this.#isUsedByOther = isUsedByOther
    this.#alarm.dispose()
    this.#controller?.abort()
    const probe = this.#probe
    if (probe === null) return
    // A factory may have returned a dispatcher that has other requests: it must not be destroyed.
    const { dispatcher } = probe
    if (!this.#upstream.isUpstreamDispatcher(dispatcher) && !isUsedByOther(dispatcher))
      await probe.destroy(new ClientClosedError())
  }

  onAlarm(): void {
    try {
      if (this.#probe === null || isClosed(this.#probe.dispatcher)) this.#probe = this.#open()
      if (this.#isUsedByOther !== null) void this.stop(this.#isUsedByOther)
      else this.#sendRequest(this.#probe)
    } catch {
      this.#record(false)
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

  #sendRequest(probe: ManagedDispatcher): void {
    const { path, timeout } = this.#options
    const limits = { headersTimeout: timeout, bodyTimeout: timeout, timeouts: { total: timeout } }
    const start = (controller: DispatchController) => {
      this.#controller = controller
    }
    let status = 0
    const handler: DispatchHandler = {
      onRequestQueued: start,
      onRequestStart: start,
      onResponseStart: (_controller, statusCode) => {
        status = statusCode
      },
      onResponseEnd: () => this.#record(status >= 200 && status < 300),
      onResponseError: () => this.#record(false),
    }
    probe.send({ path, method: 'GET', ...limits }, handler, { origin: this.#upstream.origin })
  }

  #record(healthy: boolean): void {
    this.#controller = null
    if (this.#isUsedByOther !== null) return
    this.#alarm.set(this.#options.interval)
    this.#contradicting = healthy === this.#ejected ? this.#contradicting + 1 : 0
    const { healthyThreshold, unhealthyThreshold } = this.#options
    if (this.#contradicting < (this.#ejected ? healthyThreshold : unhealthyThreshold)) return
    this.#contradicting = 0
    this.#ejected = !this.#ejected
    this.#setEjected(this.#upstream, this.#ejected)
  }
}

function resolveOptions(given: HealthCheckOptions): ResolvedOptions {
  const options = unpolluted(given)
  const { path = '/' } = options
  if (typeof path !== 'string' || !path.startsWith('/'))
    throw invalidOption('path', 'a string that starts with a slash', path)
  const resolved = {
    path,
    interval: positiveNumber('interval', options.interval, [10_000]),
    timeout: positiveNumber('timeout', options.timeout, [5_000]),
    healthyThreshold: positiveNumber('healthyThreshold', options.healthyThreshold, [2]),
    unhealthyThreshold: positiveNumber('unhealthyThreshold', options.unhealthyThreshold, [3]),
    panicThreshold: positiveNumber('panicThreshold', options.panicThreshold, [50, 100]),
  }
  refuseUnknownOptions({ bag: 'HealthCheck', names: Object.keys(resolved) }, given)
  return resolved
}
