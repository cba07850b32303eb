import { Alarm, type AlarmListener, type Clock, processClock } from '../base/clock.js'
import { unpolluted } from '../base/prototype-pollution.js'
import { positiveNumber } from '../errors/option-checks.js'
import type { Candidate, Outcome, UpstreamWatch, UpstreamWatcher } from './strategy.js'

/** When an upstream is left out, and for how long. Source: Envoy's "Outlier detection". */
export interface OutlierDetectionOptions {
  /** Failed requests in a row, none of them good, that eject an upstream. Default: 5. */
  consecutiveFailures?: number
  /** ms between two looks at who may come back; one that was good in between is ejected more shortly. Default: 10 000. */
  interval?: number
  /** ms that the first ejection lasts at least; the second lasts twice as long, and so on. Default: 30 000. */
  baseEjectionTime?: number
  /** ms that an ejection lasts at most. Default: 300 000, or `baseEjectionTime` if that is more. */
  maxEjectionTime?: number
  /** No more than this part of the upstreams is out at once. Default: 50. */
  maxEjectionPercent?: number
  /** All are used while fewer than this part of them are good. Default: 50. */
  panicThreshold?: number
}

type ResolvedOptions = Required<OutlierDetectionOptions>

/** Leaves upstreams out that fail again and again, for a while. Source: Envoy's "Outlier detection". */
export class OutlierDetection implements UpstreamWatcher {
  readonly #options: ResolvedOptions
  readonly #clock: Clock

  /** @throws {InvalidArgumentError} an option is not what is documented */
  constructor(given: OutlierDetectionOptions = {}, clock: Clock = processClock) {
    const options = unpolluted(given)
    const baseEjectionTime = positiveNumber('baseEjectionTime', options.baseEjectionTime, [30_000])
    this.#options = {
      consecutiveFailures: positiveNumber('consecutiveFailures', options.consecutiveFailures, [5]),
      interval: positiveNumber('interval', options.interval, [10_000]),
      baseEjectionTime,
      maxEjectionTime: Math.max(
        positiveNumber('maxEjectionTime', options.maxEjectionTime, [300_000]),
        baseEjectionTime,
      ),
      maxEjectionPercent: positiveNumber('maxEjectionPercent', options.maxEjectionPercent, [50, 100]),
      panicThreshold: positiveNumber('panicThreshold', options.panicThreshold, [50, 100]),
    }
    this.#clock = clock
  }

  get panicThreshold(): number {
    return this.#options.panicThreshold
  }

  /** What stands over one pool. */
  watch(leaveOut: (upstream: Candidate, out: boolean) => void): UpstreamWatch {
    return new PoolEjections(this.#options, this.#clock, leaveOut)
  }
}

class PoolEjections implements UpstreamWatch, AlarmListener {
  readonly #options: ResolvedOptions
  readonly #clock: Clock
  readonly #setEjected: (upstream: Candidate, out: boolean) => void
  /** `until`: when it may come back; 0 when it is not out. */
  readonly #records = new Map<Candidate, { failures: number; ejections: number; until: number }>()
  readonly #alarm: Alarm
  #ejectedCount = 0

  constructor(settings: ResolvedOptions, clock: Clock, leaveOut: (upstream: Candidate, out: boolean) => void) {
    this.#options = settings
    this.#clock = clock
    this.#setEjected = leaveOut
    this.#alarm = new Alarm(this, clock)
  }

  joined(upstream: Candidate): void {
    this.#records.set(upstream, { failures: 0, ejections: 0, until: 0 })
  }

  /** Fewer are left: no more of them may be out than their share. */
  left(upstream: Candidate): void {
    if ((this.#records.get(upstream)?.until ?? 0) > 0) this.#ejectedCount--
    this.#records.delete(upstream)
    const out = [...this.#records].filter(([, { until }]) => until > 0).sort(([, a], [, b]) => a.until - b.until)
    for (const [first] of out) if (!this.#isAllowed(this.#ejectedCount)) this.#readmit(first)
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

  stop(): void {
    this.#alarm.dispose()
  }

  onAlarm(): void {
    const now = this.#clock.now()
    let remembered = false
    for (const [upstream, record] of this.#records) {
      if (record.until === 0 && record.ejections > 0) record.ejections--
      if (record.until > 0 && record.until <= now) this.#readmit(upstream)
      remembered ||= record.ejections > 0
    }
    if (remembered) this.#alarm.set(this.#options.interval)
  }

  #isAllowed(out: number): boolean {
    return out * 100 <= this.#options.maxEjectionPercent * this.#records.size
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
