import { Alarm, type AlarmListener, type Clock, processClock } from '../base/clock.js'
import { unpolluted } from '../base/prototype-pollution.js'
import { atCaller } from '../errors/caller.js'
import { positiveNumber } from '../errors/option-checks.js'
import { refuseUnknownOptions } from '../errors/unknown-options.js'
import type { Candidate, Outcome, UpstreamWatch, UpstreamWatcher } from './strategy.js'

/** Options of {@link OutlierDetection}. Source: Envoy's "Outlier detection". */
export interface OutlierDetectionOptions {
  /** Number of consecutive failed requests that ejects an upstream. Default: 5. */
  consecutiveFailures?: number
  /**
   * Interval in ms at which ejections are checked for their end. An upstream that was not ejected for an interval has
   * its number of ejections lowered by one. Default: 10 000.
   */
  interval?: number
  /** Duration of the first ejection in ms; the n-th lasts n times as long. Default: 30 000. */
  baseEjectionTime?: number
  /** Longest duration of an ejection in ms. Default: 300 000, or `baseEjectionTime` if that is more. */
  maxEjectionTime?: number
  /** Maximum percentage of upstreams that are ejected at the same time. Default: 50. */
  maxEjectionPercent?: number
  /** Percentage of healthy upstreams below which all upstreams are used. Default: 50. */
  panicThreshold?: number
}

type ResolvedOptions = Required<OutlierDetectionOptions>

/**
 * Ejects upstreams of a BalancedPool for a while after consecutive failed requests. Source: Envoy's "Outlier
 * detection".
 * @example
 * const pool = new BalancedPool(origins, { outlierDetection: new OutlierDetection({ consecutiveFailures: 3 }) })
 */
export class OutlierDetection implements UpstreamWatcher {
  readonly #options: ResolvedOptions
  readonly #clock: Clock

  /** @throws {InvalidArgumentError} an option is invalid */
  constructor(given?: OutlierDetectionOptions)
  /** @internal With another clock. */
  constructor(given?: OutlierDetectionOptions, clock?: Clock)
  /** @throws {InvalidArgumentError} an option is invalid */
  constructor(given: OutlierDetectionOptions = {}, clock: Clock = processClock) {
    this.#options = atCaller(OutlierDetection, () => resolveOptions(given))
    this.#clock = clock
  }

  /** Percentage of healthy upstreams below which all upstreams are used. */
  get panicThreshold(): number {
    return this.#options.panicThreshold
  }

  /** Starts watching the upstreams of one pool. Called by BalancedPool. */
  watch(setEjected: (upstream: Candidate, ejected: boolean) => void): UpstreamWatch {
    return new PoolEjections(this.#options, this.#clock, setEjected)
  }
}

/** Ejections of one pool. */
class PoolEjections implements UpstreamWatch, AlarmListener {
  readonly #options: ResolvedOptions
  readonly #clock: Clock
  readonly #setEjected: (upstream: Candidate, ejected: boolean) => void
  /** `until`: time in ms at which the ejection ends; 0 without an ejection. */
  readonly #records = new Map<Candidate, { failures: number; ejections: number; until: number }>()
  readonly #alarm: Alarm
  #ejectedCount = 0

  constructor(options: ResolvedOptions, clock: Clock, setEjected: (upstream: Candidate, ejected: boolean) => void) {
    this.#options = options
    this.#clock = clock
    this.#setEjected = setEjected
    this.#alarm = new Alarm(this, clock)
  }

  joined(upstream: Candidate): void {
    this.#records.set(upstream, { failures: 0, ejections: 0, until: 0 })
  }

  /** Removes an upstream, and readmits others until `maxEjectionPercent` holds for those that remain. */
  left(upstream: Candidate): void {
    if ((this.#records.get(upstream)?.until ?? 0) > 0) this.#ejectedCount--
    this.#records.delete(upstream)
    const ejected = [...this.#records].filter(([, { until }]) => until > 0).sort(([, a], [, b]) => a.until - b.until)
    for (const [first] of ejected) if (!this.#isAllowed(this.#ejectedCount)) this.#readmit(first)
  }

  ended(upstream: Candidate, { failed, aborted }: Outcome): void {
    const record = this.#records.get(upstream)
    if (record === undefined || aborted) return
    record.failures = failed ? record.failures + 1 : 0
    const { consecutiveFailures, baseEjectionTime, maxEjectionTime, interval } = this.#options
    if (record.failures < consecutiveFailures || record.until > 0 || !this.#isAllowed(this.#ejectedCount + 1)) return
    record.ejections++
    record.until = this.#clock.now() + Math.min(maxEjectionTime, baseEjectionTime * record.ejections)
    this.#ejectedCount++
    this.#setEjected(upstream, true)
    if (!this.#alarm.pending) this.#alarm.set(interval)
  }

  describe(upstream: Candidate): string | null {
    const { until = 0, failures = 0 } = this.#records.get(upstream) ?? {}
    if (until > 0) return `ejected, ${Math.max(0, Math.ceil((until - this.#clock.now()) / 1000))} s left`
    return failures > 0 ? `failing: ${failures} in a row` : null
  }

  stop(): void {
    this.#alarm.dispose()
  }

  onAlarm(): void {
    const now = this.#clock.now()
    let pending = false
    for (const [upstream, record] of this.#records) {
      if (record.until === 0 && record.ejections > 0) record.ejections--
      if (record.until > 0 && record.until <= now) this.#readmit(upstream)
      pending ||= record.ejections > 0
    }
    if (pending) this.#alarm.set(this.#options.interval)
  }

  #isAllowed(ejectedCount: number): boolean {
    return ejectedCount * 100 <= this.#options.maxEjectionPercent * this.#records.size
  }

  #readmit(upstream: Candidate): void {
    const record = this.#records.get(upstream)
    if (record === undefined) return
    record.until = 0
    record.failures = 0
    this.#ejectedCount--
    this.#setEjected(upstream, false)
  }
}

function resolveOptions(given: OutlierDetectionOptions): ResolvedOptions {
  const options = unpolluted(given)
  const baseEjectionTime = positiveNumber('baseEjectionTime', options.baseEjectionTime, [30_000])
  const resolved = {
    consecutiveFailures: positiveNumber('consecutiveFailures', options.consecutiveFailures, [5]),
    interval: positiveNumber('interval', options.interval, [10_000]),
    baseEjectionTime,
    maxEjectionTime: Math.max(positiveNumber('maxEjectionTime', options.maxEjectionTime, [300_000]), baseEjectionTime),
    maxEjectionPercent: positiveNumber('maxEjectionPercent', options.maxEjectionPercent, [50, 100]),
    panicThreshold: positiveNumber('panicThreshold', options.panicThreshold, [50, 100]),
  }
  refuseUnknownOptions({ bag: 'OutlierDetection', names: Object.keys(resolved) }, given)
  return resolved
}
