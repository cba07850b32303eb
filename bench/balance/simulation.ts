import { type EligibilityEntry, EligibleUpstreams } from '../../lib/balance/eligible-upstreams.js'
import { OutlierDetection } from '../../lib/balance/outlier-detection.js'
import { PeakEwma } from '../../lib/balance/peak-ewma.js'
import type { UpstreamPicker, UpstreamWatch } from '../../lib/balance/strategy.js'
import { LeastRequests } from '../../lib/balance/two-choices.js'
import { WeightedRoundRobin } from '../../lib/balance/weighted-round-robin.js'
import { Clock } from '../../lib/base/clock.js'
import { type Behaviour, exponential, mixedBackends, seeded } from './behaviours.js'

/** Virtual clock: runs scheduled calls in order, without waiting. */
export class VirtualTime {
  now = 0
  readonly #heap: { at: number; order: number; call: () => void; cancelled: boolean }[] = []
  #orders = 0

  schedule(delay: number, call: () => void): { cancelled: boolean } {
    const entry = { at: this.now + delay, order: this.#orders++, call, cancelled: false }
    const heap = this.#heap
    let index = heap.push(entry) - 1
    for (let up = (index - 1) >> 1; index > 0 && before(entry, heap[up] as typeof entry); up = (index - 1) >> 1) {
      heap[index] = heap[up] as typeof entry
      index = up
    }
    heap[index] = entry
    return entry
  }

  run(until: number): void {
    for (let next = this.#heap[0]; next !== undefined && next.at <= until; next = this.#heap[0]) {
      this.#shift()
      this.now = next.at
      if (!next.cancelled) next.call()
    }
    this.now = until
  }

  get clock(): Clock {
    return new Clock({
      now: () => this.now,
      setTimeout: (call, delay) => this.schedule(delay, call),
      clearTimeout: (timer) => {
        Object.assign(timer as object, { cancelled: true })
      },
    })
  }

  #shift(): void {
    const heap = this.#heap
    const last = heap.pop() as (typeof heap)[number]
    if (heap.length === 0) return
    let index = 0
    for (let child = 1; child < heap.length; child = 2 * index + 1) {
      if (child + 1 < heap.length && before(heap[child + 1] as typeof last, heap[child] as typeof last)) child++
      if (!before(heap[child] as typeof last, last)) break
      heap[index] = heap[child] as typeof last
      index = child
    }
    heap[index] = last
  }
}

function before(a: { at: number; order: number }, b: { at: number; order: number }): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

class Backend implements EligibilityEntry {
  index = -1
  due = 0
  order = 0
  ejectedBy = 0
  eligible = false
  readonly weight = 1
  readonly inSlowStart = false
  readonly slowStart = 0
  readonly origin: string
  readonly behaviour: Behaviour
  attempts = 0
  active = 0
  most = 0
  constructor(behaviour: Behaviour) {
    this.behaviour = behaviour
    this.origin = behaviour.name
  }
  beginSlowStart(): void {}
}

export type StrategyName = 'random' | 'round-robin' | 'least-requests' | 'peak-ewma'

export interface Configuration {
  strategy: StrategyName
  outliers: boolean
  retries: number
}

function pickerFor(strategy: StrategyName, random: () => number, now: () => number): UpstreamPicker<Backend> {
  if (strategy === 'round-robin') return new WeightedRoundRobin<Backend>()
  if (strategy === 'least-requests') return new LeastRequests(random) as UpstreamPicker as UpstreamPicker<Backend>
  const ewma = new PeakEwma({ random, now, decayTime: 10_000, failureLatency: 1_000 })
  if (strategy === 'peak-ewma') return ewma as UpstreamPicker as UpstreamPicker<Backend>
  const all: Backend[] = []
  return {
    add: (one) => void all.push(one),
    remove: (one) => void all.splice(all.indexOf(one), 1),
    pick: (exclude) => {
      const left = exclude === undefined ? all : all.filter(({ origin }) => !exclude.includes(origin))
      return left[Math.floor(random() * left.length)] ?? null
    },
  }
}

export interface Result {
  configuration: Configuration
  requests: number
  /** Fraction of the requests that succeeded. */
  success: number
  /** Latencies in ms, from the first attempt to the end of the last. */
  latencies: Float64Array
  /** Fraction of the attempts that each backend received. */
  shares: number[]
}

/** Simulates clients that send a request, wait for its response, pause and repeat. All configurations use the same random numbers. */
export function simulate(configuration: Configuration, { clients = 100, seconds = 60, seed = 1 } = {}): Result {
  const time = new VirtualTime()
  const random = seeded(seed)
  const picker = pickerFor(configuration.strategy, seeded(seed + 1), () => time.now)
  const eligible = new EligibleUpstreams<Backend>(picker, configuration.outliers ? 30 : 0)
  const detection = new OutlierDetection(
    { consecutiveFailures: 5, interval: 1_000, baseEjectionTime: 2_000, maxEjectionPercent: 50 },
    time.clock,
  )
  const block = (one: unknown, ejected: boolean) => eligible.setEjected(one as Backend, ejected)
  const watch: UpstreamWatch | null = configuration.outliers ? detection.watch(block) : null
  const backends = mixedBackends.map((behaviour) => new Backend(behaviour))
  for (const backend of backends) {
    eligible.add(backend)
    watch?.joined(backend)
  }
  const latencies: number[] = []
  let successes = 0

  const attempt = (done: (succeeded: boolean) => void, tried: string[], left: number): void => {
    const backend = (tried.length > 0 ? picker.pick(tried) : null) ?? (picker.pick() as Backend)
    const started = time.now
    tried.push(backend.origin)
    backend.attempts++
    picker.started?.(backend)
    const alive = backend.behaviour.alive(started)
    const serviceTime = alive ? 1 + exponential(random, 9) * backend.behaviour.slowness(started) : 0.5
    time.schedule(serviceTime, () => {
      const failed = !alive || !backend.behaviour.alive(time.now)
      const outcome = { latency: time.now - started, failed, aborted: false }
      picker.ended?.(backend, outcome)
      watch?.ended?.(backend, outcome)
      if (failed && left > 0) attempt(done, tried, left - 1)
      else done(!failed)
    })
  }
  const client = (): void => {
    const started = time.now
    attempt(
      (succeeded) => {
        latencies.push(time.now - started)
        if (succeeded) successes++
        time.schedule(exponential(random, 10), client)
      },
      [],
      configuration.retries,
    )
  }
  for (let i = 0; i < clients; i++) time.schedule(exponential(random, 10), client)
  time.run(seconds * 1000)
  watch?.stop()
  const allAttempts = backends.reduce((sum, { attempts }) => sum + attempts, 0)
  return {
    configuration,
    requests: latencies.length,
    success: successes / latencies.length,
    latencies: Float64Array.from(latencies).sort(),
    shares: backends.map(({ attempts }) => attempts / allAttempts),
  }
}

/** Assigns requests that never end to n backends, and returns by how much the fullest exceeds the mean. */
export function excess(strategy: StrategyName, { n, perBackend, seed }: Record<'n' | 'perBackend' | 'seed', number>) {
  const picker = pickerFor(strategy, seeded(seed), () => 0)
  const backends = new Array(n).fill(mixedBackends[0]).map((one, index) => new Backend({ ...one, name: String(index) }))
  for (const backend of backends) picker.add(backend)
  for (let i = 0; i < n * perBackend; i++) {
    const backend = picker.pick() as Backend
    backend.active++
    picker.started?.(backend)
  }
  return Math.max(...backends.map(({ active }) => active)) - perBackend
}

export function percentile(sorted: Float64Array, fraction: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] as number
}
