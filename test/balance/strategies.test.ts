import t from 'tap'
import { PeakEwma } from '../../lib/balance/peak-ewma.js'
import type { Candidate } from '../../lib/balance/strategy.js'
import { LeastRequests } from '../../lib/balance/two-choices.js'
import { WeightedRoundRobin } from '../../lib/balance/weighted-round-robin.js'
import fc from '../property.js'

/** Park and Miller's generator: the same numbers in every run. */
function seeded(seed: number): () => number {
  let state = seed % 2147483647 || 1
  return () => {
    state = (state * 48271) % 2147483647
    return state / 2147483648
  }
}

class Upstream implements Candidate {
  index = -1
  due = 0
  order = 0
  active = 0
  picked = 0
  readonly origin: string
  weight: number
  constructor(origin: string, weight = 1) {
    this.origin = origin
    this.weight = weight
  }
}

const quick = { latency: 1, failed: false, aborted: false }

function upstreams(weights: readonly number[]): Upstream[] {
  return weights.map((weight, index) => new Upstream(`http://${index}`, weight))
}

function pickers(random: () => number, now = () => 0) {
  return {
    'round-robin': new WeightedRoundRobin<Upstream>(),
    'least-requests': new LeastRequests(random),
    'peak-ewma': new PeakEwma({ random, now, decayTime: 1000, failureLatency: 100 }),
  }
}

for (const name of ['round-robin', 'least-requests', 'peak-ewma'] as const) {
  t.test(`${name}: picks existing upstreams that are not excluded, after any changes`, async () => {
    const step = fc.record({ what: fc.constantFrom('add', 'remove', 'pick', 'end', 'weigh'), index: fc.nat(5) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), fc.array(fc.nat(5)), fc.nat(), (steps, exclude, seed) => {
        const picker = pickers(seeded(seed))[name]
        const all = upstreams([1, 1, 2, 3, 100, 1])
        const excluded = exclude.map((index) => `http://${index}`)
        const there = new Set<Upstream>()
        for (const { what, index } of steps) {
          const one = all[index] as Upstream
          if (what === 'add' && !there.has(one)) {
            picker.add(one)
            there.add(one)
          } else if (what === 'remove') {
            picker.remove(one)
            there.delete(one)
          } else if (what === 'weigh') {
            one.weight = 1 + ((one.weight * 7) % 100)
            picker.reweighed(one)
          } else if (what === 'end' && one.active > 0) {
            one.active--
            if (!(picker instanceof WeightedRoundRobin)) picker.ended(one, quick)
          } else if (what === 'pick') {
            const left = [...there].filter(({ origin }) => !excluded.includes(origin))
            const chosen = picker.pick(excluded) as Upstream | null
            if (left.length === 0 ? chosen !== null : !left.includes(chosen as Upstream)) return false
            const any = picker.pick() as Upstream | null
            if (there.size === 0 ? any !== null : !there.has(any as Upstream)) return false
            if (any === null) continue
            any.active++
            if (!(picker instanceof WeightedRoundRobin)) picker.started(any)
          }
        }
        return true
      }),
    )
  })
}

t.test('least requests without load: distributes by weight', async (t) => {
  for (const weights of [
    [1, 1],
    [3, 1],
    [5, 2, 2, 1],
    [100, ...new Array(50).fill(1)],
  ]) {
    const picker = new LeastRequests(seeded(7))
    const all = upstreams(weights)
    for (const one of all) picker.add(one)
    const rounds = 40_000
    for (let i = 0; i < rounds; i++) (picker.pick() as Upstream).picked++
    const total = weights.reduce((sum, weight) => sum + weight)
    const off = all.map(({ picked, weight }) => Math.abs(picked / rounds - weight / total))
    t.ok(Math.max(...off) < 0.01, `${weights.slice(0, 5)}: shares are off by ${Math.max(...off)} at most`)
  }
})

t.test('least requests of n: the largest load exceeds the mean by ln ln n / ln 2 and a constant', async (t) => {
  const n = 1000
  const picker = new LeastRequests(seeded(11))
  const all = upstreams(new Array(n).fill(1))
  for (const one of all) picker.add(one)
  for (let i = 0; i < 10 * n; i++) {
    const one = picker.pick() as Upstream
    one.active++
    picker.started(one)
  }
  const most = Math.max(...all.map(({ active }) => active))
  t.ok(most <= 10 + Math.log(Math.log(n)) / Math.LN2 + 1, `${most} where 10 is the mean`)
})

t.test('least requests under load: distributes by weight, and little to a slow upstream', async (t) => {
  const picker = new LeastRequests(seeded(3))
  const all = upstreams([3, 1])
  for (const one of all) picker.add(one)
  for (let i = 0; i < 400; i++) {
    const one = picker.pick() as Upstream
    one.active++
    picker.started(one)
  }
  t.ok(Math.abs((all[0] as Upstream).active - 300) <= 3, `${all.map(({ active }) => active)} of 400`)
  picker.remove(all[0] as Upstream)
  for (let i = 0; i < 50; i++) picker.ended(all[0] as Upstream, quick)
  picker.add(all[0] as Upstream)
  t.equal(picker.pick(), all[0], 'requests that end while the upstream is removed are counted')
})

t.test('peak ewma: cost of slow, failed and aborted requests, and its decay', async (t) => {
  let time = 0
  const picker = pickers(seeded(5), () => time)['peak-ewma']
  const [one, two] = upstreams([1, 1]) as [Upstream, Upstream]
  picker.add(one)
  picker.add(two)
  const report = (upstream: Upstream, outcome: Partial<typeof quick>) => {
    picker.started(upstream)
    picker.ended(upstream, { ...quick, ...outcome })
  }
  const picks = (upstream: Upstream) => new Array(20).fill(0).every(() => picker.pick() === upstream)
  report(one, { latency: 5 })
  report(two, { latency: 50 })
  t.ok(picks(one), 'picks the upstream with the lower latency')
  for (let i = 0; i < 12; i++) picker.started(one)
  t.ok(picks(two), 'picks the slower one if the faster one has many requests')
  for (let i = 0; i < 12; i++) picker.ended(one, quick)
  t.ok(picks(one))
  report(one, { failed: true })
  t.ok(picks(two), 'a fast failure does not count as a low latency')
  time += 1000
  report(two, { latency: 60, aborted: true })
  t.ok(picks(one), 'a late abort counts as latency, and the failure decays')
  report(one, { latency: 80 })
  report(two, { latency: 0, aborted: true })
  t.ok(picks(two))
  report(two, { latency: 100 })
  t.ok(picks(one), 'an early abort does not change the latency')
  const [cold] = upstreams([1]) as [Upstream]
  picker.add(cold)
  picker.remove(two)
  t.ok(picks(cold), 'picks an upstream without measurements')
  picker.started(cold)
  t.ok(picks(one), 'sends only one request to it')
})

/** Numbers for which two upstreams of these weights are drawn in their order, each once. */
function drawnInOrder(weights: readonly number[]): number[] {
  const heaviest = Math.max(...weights)
  // One more for each that is not the heaviest: whether it is kept.
  return weights.flatMap((weight, index) => [index === 0 ? 0 : 0.9, ...(weight < heaviest ? [0] : [])])
}

t.test(
  'least requests: picks the second upstream if it has fewer requests for its weight, before and with this one',
  async (t) => {
    for (const [weights, active, preferred] of [
      [[1, 1], [1, 1], 0],
      [[1, 1], [1, 0], 1],
      [[1, 1], [0, 1], 0],
      [[2, 2], [2, 1], 1],
      [[2, 1], [2, 0], 1],
      [[2, 1], [1, 0], 0],
      [[3, 1], [4, 0], 1],
      [[4, 1], [2, 0], 0],
      [[1, 4], [1, 3], 1],
      [[1, 4], [1, 4], 0],
      [[1, 4], [0, 1], 0],
      [[1, 4], [1, 2], 1],
    ] as const) {
      const draws = drawnInOrder(weights)
      const picker = new LeastRequests(() => draws.shift() ?? 0)
      const all = upstreams(weights)
      for (const [index, one] of all.entries()) {
        picker.add(one)
        for (let i = 0; i < (active[index] as number); i++) picker.started(one)
      }
      t.equal(picker.pick(), all[preferred], `${weights} with ${active}`)
      t.strictSame(draws, [])
    }
  },
)

t.test('least requests: changed weights apply at once', async (t) => {
  const picker = new LeastRequests(seeded(13))
  const all = upstreams([1, 1, 200])
  for (const one of all) picker.add(one)
  const shares = () => {
    for (const one of all) one.picked = 0
    for (let i = 0; i < 4000; i++) (picker.pick() as Upstream).picked++
    return all.map(({ picked }) => Math.round(picked / 40))
  }
  t.ok((shares()[2] as number) > 45, 'the upstream with the largest weight is drawn first nearly always')
  picker.remove(all[2] as Upstream)
  t.match(shares()[0], /^(4[5-9]|5[0-5])$/)
  ;(all[0] as Upstream).weight = 3
  picker.reweighed()
  t.match(shares()[0], /^7[1-9]$/)
  ;(all[0] as Upstream).weight = 1
  picker.reweighed()
  t.match(shares()[0], /^(4[5-9]|5[0-5])$/)
})

t.test('peak ewma: the cost is the decaying mean latency times requests, by weight', async (t) => {
  let time = 0
  let draws: number[] = []
  const settings = { random: () => draws.shift() ?? 0, now: () => time, decayTime: 1000, failureLatency: 100 }
  const picker = new PeakEwma(settings)
  const one = new Upstream('http://one')
  picker.add(one)
  const report = (upstream: Upstream, outcome: Partial<typeof quick>) => {
    picker.started(upstream)
    picker.ended(upstream, { ...quick, ...outcome })
  }
  const isPickedBefore = (rival: Upstream) => {
    picker.add(rival)
    draws = drawnInOrder([one.weight, rival.weight])
    const picked = picker.pick()
    picker.remove(rival)
    return picked === one
  }
  /** An upstream without requests whose latency is a little lower is picked first, and one with a higher one is not. */
  const costs = (cost: number, what: string) => {
    for (const part of [0.99, 1.01]) {
      const rival = new Upstream('http://rival')
      report(rival, { latency: cost * part })
      t.equal(isPickedBefore(rival), part > 1, `${what}: ${cost * part}`)
    }
  }
  report(one, { latency: 100 })
  costs(100, 'the first latency')
  time += 1000
  report(one, { latency: 20 })
  costs(100 / Math.E + 20 * (1 - 1 / Math.E), 'the decaying mean')
  time += 1000
  costs((100 / Math.E + 20 * (1 - 1 / Math.E)) / Math.E, 'the mean decays')
  report(one, { latency: 500 })
  costs(500, 'a higher latency applies at once')
  report(one, { latency: 300, aborted: true })
  costs(500, 'aborted below the mean')
  time += 10
  report(one, { latency: 0, failed: true, aborted: true })
  costs(500 * Math.exp(-0.01), 'aborted below the mean, and failed')
  report(one, { latency: 900, aborted: true })
  costs(900, 'aborted above the mean')
  picker.started(one)
  costs(1800, 'one request in flight')
  one.weight = 4
  picker.reweighed()
  costs(450, 'divided by the weight')
  time += 1e6
  report(one, { failed: true })
  costs(50, 'a failure')
  const [busy, busier] = [new Upstream('http://busy'), new Upstream('http://busier')]
  picker.remove(one)
  picker.add(busy)
  for (const upstream of [busy, busier, busier]) picker.started(upstream)
  picker.add(busier)
  draws = drawnInOrder([1, 1])
  t.equal(picker.pick(), busy, 'of two upstreams without measurements, picks the one with fewer requests')
  picker.ended(busier, { ...quick, latency: 1e6 })
  draws = drawnInOrder([1, 1])
  t.equal(picker.pick(), busier, 'prefers an upstream with measurements, however slow')
})

t.test('round robin: exclusion keeps the order of the others', async (t) => {
  const turns = new WeightedRoundRobin<Upstream>()
  const all = upstreams([1, 1, 1])
  for (const one of all) turns.add(one)
  const order = Array.from({ length: 6 }, () => turns.pick(['http://0'])?.origin.at(-1)).join('')
  t.equal(order, '121212')
  for (let i = 0; i < 30; i++) (turns.pick() as Upstream).picked++
  t.strictSame(
    all.map(({ picked }) => picked),
    [12, 9, 9],
    'with the 6 picks before, each upstream has 12 of 36',
  )
})

t.test('round robin: smooth by weight, strict turns for equal weights', async (t) => {
  const orderOf = (weights: readonly number[], count: number) => {
    const turns = new WeightedRoundRobin<Upstream>()
    for (const one of upstreams(weights)) turns.add(one)
    return Array.from({ length: count }, () => turns.pick()?.origin.at(-1)).join('')
  }
  t.equal(orderOf([1, 1, 1], 9), '012012012')
  t.equal(orderOf([100, 100, 100], 9), '012012012')
  t.equal(orderOf([3, 1], 12), '001000100010')
  t.equal(orderOf([1, 2, 1], 8), '10211021')
})

t.test('round robin: an added upstream is due from now on, and a larger weight shortens the wait', async (t) => {
  const turns = new WeightedRoundRobin<Upstream>()
  const [one, two, three] = upstreams([1, 1, 1]) as [Upstream, Upstream, Upstream]
  turns.add(one)
  turns.add(two)
  for (let i = 0; i < 100; i++) turns.pick()
  turns.add(three)
  const next = (count: number) => Array.from({ length: count }, () => turns.pick()?.origin.at(-1)).join('')
  t.equal(next(6), '012012')
  turns.remove(three)
  three.weight = 0.01
  turns.add(three)
  t.equal(next(20), '01'.repeat(10))
  three.weight = 1
  turns.reweighed(three)
  t.equal(next(6), '201201')
  three.weight = 0.001
  turns.reweighed(three)
  t.equal(next(6), '201010', 'a lower weight keeps a turn that is already due')
  turns.remove(three)
  three.weight = 1000
  turns.reweighed(three)
  t.notMatch(next(10), /2/, 'a removed upstream is not picked')
})
