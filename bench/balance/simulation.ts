import { type EligibilityEntry, EligibleUpstreams } from '../../lib/balance/eligible-upstreams.js'
import { OutlierDetection } from '../../lib/balance/outlier-detection.js'
import { PeakEwma } from '../../lib/balance/peak-ewma.js'
import type { UpstreamPicker, UpstreamWatch } from '../../lib/balance/strategy.js'
import { LeastRequests } from '../../lib/balance/two-choices.js'
import { WeightedRoundRobin } from '../../lib/balance/weighted-round-robin.js'
import { Clock } from '../../lib/base/clock.js'
import { type Behaviour, exponential, field, seeded } from './behaviours.js'

/** Virtual time: what is due is called in order, and nobody waits. */
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
  blocks = 0
  listed = false
  readonly weight = 1
  readonly starting = false
  readonly slowStart = 0
  readonly origin: string
  readonly behaviour: Behaviour
  taken = 0
  active = 0
  most = 0
  constructor(behaviour: Behaviour) {
    this.behaviour = behaviour
    this.origin = behaviour.name
  }
  startSlowly(): void {}
}

export type StrategyName = 'random' | 'round-robin' | 'least-requests' | 'peak-ewma'

export interface Contender {
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
  contender: Contender
  requests: number
  /** Part of the requests that ended well. */
  success: number
  /** ms, from the first try to the end of the last. */
  latencies: Float64Array
  /** Part of the tries that each backend had. */
  shares: number[]
}

/** Clients that ask, wait for the answer, think, and ask again: the same random numbers for all. */
export function simulate(contender: Contender, { clients = 100, seconds = 60, seed = 1 } = {}): Result {
  const time = new VirtualTime()
  const random = seeded(seed)
  const picker = pickerFor(contender.strategy, seeded(seed + 1), () => time.now)
  const roster = new EligibleUpstreams<Backend>(picker, contender.outliers ? 30 : 0)
  const detection = new OutlierDetection(
    { consecutiveFailures: 5, interval: 1_000, baseEjectionTime: 2_000, maxEjectionPercent: 50 },
    time.clock,
  )
  const leaveOut = (one: unknown, out: boolean) => roster.block(one as Backend, out)
  const watch: UpstreamWatch | null = contender.outliers ? detection.watch(leaveOut) : null
  const backends = field.map((behaviour) => new Backend(behaviour))
  for (const backend of backends) {
    roster.add(backend)
    watch?.joined(backend)
  }
  const latencies: number[] = []
  let good = 0

  const attempt = (done: (well: boolean) => void, tried: string[], left: number): void => {
    const backend = (tried.length > 0 ? picker.pick(tried) : null) ?? (picker.pick() as Backend)
    const started = time.now
    tried.push(backend.origin)
    backend.taken++
    picker.started?.(backend)
    const alive = backend.behaviour.alive(started)
    const takes = alive ? 1 + exponential(random, 9) * backend.behaviour.slowness(started) : 0.5
    time.schedule(takes, () => {
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
      (well) => {
        latencies.push(time.now - started)
        if (well) good++
        time.schedule(exponential(random, 10), client)
      },
      [],
      contender.retries,
    )
  }
  for (let i = 0; i < clients; i++) time.schedule(exponential(random, 10), client)
  time.run(seconds * 1000)
  watch?.stop()
  const tries = backends.reduce((sum, { taken }) => sum + taken, 0)
  return {
    contender,
    requests: latencies.length,
    success: good / latencies.length,
    latencies: Float64Array.from(latencies).sort(),
    shares: backends.map(({ taken }) => taken / tries),
  }
}

/** Requests that stay, thrown at n backends: by how much the fullest exceeds the mean. */
export function excess(strategy: StrategyName, { n, perBackend, seed }: Record<'n' | 'perBackend' | 'seed', number>) {
  const picker = pickerFor(strategy, seeded(seed), () => 0)
  const backends = new Array(n).fill(field[0]).map((one, index) => new Backend({ ...one, name: String(index) }))
  for (const backend of backends) picker.add(backend)
  for (let i = 0; i < n * perBackend; i++) {
    const backend = picker.pick() as Backend
    backend.active++
    picker.started?.(backend)
  }
  return Math.max(...backends.map(({ active }) => active)) - perBackend
}

export function percentile(sorted: Float64Array, part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] as number
}
