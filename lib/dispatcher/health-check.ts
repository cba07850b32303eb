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

type ResolvedOptions = Required<HealthCheckOptions>

/**
 * Sends a request to each upstream at intervals, over a connection of its own, and leaves out those that do not answer
 * well. The connection is made by the factory of the pool. Upstreams are healthy at first. Source: Envoy's "Health
 * checking".
 */
export class HealthCheck implements UpstreamWatcher<Upstream> {
  readonly #options: ResolvedOptions

  /** @throws {InvalidArgumentError} an option is not what is documented */
  constructor(given: HealthCheckOptions = {}) {
    const options = unpolluted(given)
    const { path = '/' } = options
    if (typeof path !== 'string' || !path.startsWith('/'))
      throw invalidOption('path', 'a string that starts with a slash', path)
    this.#options = {
      path,
      interval: positiveNumber('interval', options.interval, [10_000]),
      timeout: positiveNumber('timeout', options.timeout, [5_000]),
      healthyThreshold: positiveNumber('healthyThreshold', options.healthyThreshold, [2]),
      unhealthyThreshold: positiveNumber('unhealthyThreshold', options.unhealthyThreshold, [3]),
      panicThreshold: positiveNumber('panicThreshold', options.panicThreshold, [50, 100]),
    }
  }

  get panicThreshold(): number {
    return this.#options.panicThreshold
  }

  /** What stands over one pool. */
  watch(leaveOut: (upstream: Upstream, out: boolean) => void): UpstreamWatch<Upstream> {
    const checks = new Map<Upstream, UpstreamCheck>()
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
      joined: (upstream) => void checks.set(upstream, new UpstreamCheck(upstream, this.#options, leaveOut)),
      left,
      stop: async () => {
        for (const upstream of [...checks.keys()]) left(upstream)
        await Promise.all(ending)
      },
    }
  }
}

/** The checks of one upstream, one after the other. */
class UpstreamCheck implements AlarmListener {
  readonly #upstream: Upstream
  readonly #options: ResolvedOptions
  readonly #setEjected: (upstream: Upstream, out: boolean) => void
  readonly #alarm = new Alarm(this)
  /** Apart from the pool: behind the requests of a busy pool a check would come too late. */
  #probe: ManagedDispatcher | null = null
  /** Given when it is stopped. */
  #isUsedByOther: ((probe: Dispatcher) => boolean) | null = null
  #controller: DispatchController | null = null
  #ejected = false
  /** Checks in a row that contradict {@link #out}. */
  #contradicting = 0

  constructor(upstream: Upstream, settings: ResolvedOptions, leaveOut: (upstream: Upstream, out: boolean) => void) {
    this.#upstream = upstream
    this.#options = settings
    this.#setEjected = leaveOut
    this.#alarm.set(0)
  }

  uses(dispatcher: Dispatcher): boolean {
    return this.#probe?.dispatcher === dispatcher
  }

  /** @param inUse whether another check uses the same dispatcher */
  async stop(inUse: (probe: Dispatcher) => boolean): Promise<void> {
    this.#isUsedByOther = inUse
    this.#alarm.dispose()
    this.#controller?.abort()
    const probe = this.#probe
    if (probe === null) return
    // A factory may return the same dispatcher again: then it has requests of others.
    const { dispatcher } = probe
    if (!this.#upstream.isUpstreamDispatcher(dispatcher) && !inUse(dispatcher))
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

  #record(well: boolean): void {
    this.#controller = null
    if (this.#isUsedByOther !== null) return
    this.#alarm.set(this.#options.interval)
    this.#contradicting = well === this.#ejected ? this.#contradicting + 1 : 0
    const { healthyThreshold, unhealthyThreshold } = this.#options
    if (this.#contradicting < (this.#ejected ? healthyThreshold : unhealthyThreshold)) return
    this.#contradicting = 0
    this.#ejected = !this.#ejected
    this.#setEjected(this.#upstream, this.#ejected)
  }
}
