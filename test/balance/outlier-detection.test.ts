import t from 'tap'
import { type EligibilityEntry, EligibleUpstreams } from '../../lib/balance/eligible-upstreams.js'
import { OutlierDetection } from '../../lib/balance/outlier-detection.js'
import type { Candidate } from '../../lib/balance/strategy.js'
import { Clock } from '../../lib/base/clock.js'
import fc from '../property.js'

const good = { latency: 1, failed: false, aborted: false }
const bad = { latency: 1, failed: true, aborted: false }

/** Clock of the test. */
function manualTime() {
  let time = 0
  let timers: { at: number; callback: () => void }[] = []
  return {
    clock: new Clock({
      now: () => time,
      setTimeout: (callback, delay) => {
        const timer = { at: time + delay, callback }
        timers.push(timer)
        return timer
      },
      clearTimeout: (timer) => {
        timers = timers.filter((one) => one !== timer)
      },
    }),
    pending: () => timers.length,
    pass(ms: number): void {
      const end = time + ms
      for (;;) {
        const next = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
        if (next === undefined) break
        timers = timers.filter((one) => one !== next)
        time = next.at
        next.callback()
      }
      time = end
    },
  }
}

class Upstream implements EligibilityEntry {
  readonly weight = 1
  inSlowStart = false
  slowStart = 0
  ejectedBy = 0
  eligible = false
  slow = 0
  readonly origin: string
  constructor(origin: string) {
    this.origin = origin
  }
  beginSlowStart(): void {
    this.slow++
  }
}

function scene(count: number, options: object) {
  const time = manualTime()
  const all = new Array(count).fill(0).map((_, index) => new Upstream(String(index)))
  const out = new Set<Candidate>()
  const watch = new OutlierDetection(options, time.clock).watch((upstream, left) => {
    if (left) out.add(upstream)
    else out.delete(upstream)
  })
  for (const one of all) watch.joined(one)
  const report = (upstream: Upstream, outcome: object, times = 1) => {
    for (let i = 0; i < times; i++) watch.ended?.(upstream, { ...good, ...outcome })
  }
  return { time, all, out, watch, report, names: () => [...out].map(({ origin }) => origin).join('') }
}

t.test('ejects after consecutive failures, for longer each time', async (t) => {
  const { time, all, report, names, watch } = scene(4, { consecutiveFailures: 3, interval: 10, baseEjectionTime: 100 })
  const [one] = all as [Upstream]
  report(one, bad, 2)
  report(one, good)
  report(one, bad, 2)
  report(one, { aborted: true, failed: true })
  t.equal(names(), '', 'two consecutive failures do not eject at a limit of three')
  report(one, bad)
  t.equal(names(), '0')
  report(one, bad, 9)
  time.pass(99)
  t.equal(names(), '0')
  time.pass(1)
  t.equal(names(), '', 'back')
  report(one, bad, 3)
  time.pass(190)
  t.equal(names(), '0', 'the second ejection lasts twice as long')
  time.pass(20)
  t.equal(names(), '')
  time.pass(1000)
  report(one, bad, 3)
  time.pass(110)
  t.equal(names(), '', 'after a long healthy time, the ejection has the base length again')
  time.pass(1000)
  t.equal(time.pending(), 0, 'no timer runs without ejected upstreams')
  report(one, bad, 3)
  watch.stop()
  time.pass(1e6)
  t.equal(names(), '0', 'stopped')
})

t.test('ejects a recovered upstream after as many failures as before', async (t) => {
  const { time, all, report, names } = scene(2, { consecutiveFailures: 3, interval: 10, baseEjectionTime: 100 })
  const [one] = all as [Upstream]
  report(one, bad, 5)
  time.pass(100)
  t.equal(names(), '')
  report(one, bad, 2)
  t.equal(names(), '')
  report(one, bad)
  t.equal(names(), '0')
})

t.test('ejection times of other upstreams do not change the first one', async (t) => {
  const { time, all, report, names } = scene(4, { consecutiveFailures: 1, interval: 10, baseEjectionTime: 100 })
  report(all[0] as Upstream, bad)
  time.pass(50)
  report(all[1] as Upstream, bad)
  time.pass(99)
  t.equal(names(), '1')
  time.pass(10)
  t.equal(names(), '')
})

t.test('removing an upstream returns those ejected first, up to the allowed share', async (t) => {
  const { time, all, report, names, watch } = scene(6, { consecutiveFailures: 1, interval: 10, baseEjectionTime: 100 })
  const [one, two, three, four, five, six] = all as [Upstream, Upstream, Upstream, Upstream, Upstream, Upstream]
  for (const upstream of [three, one, two]) {
    report(upstream, bad)
    time.pass(1)
  }
  report(four, bad)
  t.equal(names(), '201', 'half of six upstreams')
  watch.left(six)
  t.equal(names(), '01', 'two of five upstreams')
  watch.left(one)
  watch.joined(one)
  t.equal(names(), '01', 'one of five, as an added upstream is not ejected')
  report(five, bad)
  t.equal(names(), '014')
  report(four, bad)
  t.equal(names(), '014')
})

t.test('a removed upstream is not counted', async (t) => {
  const { all, report, names, watch } = scene(3, { consecutiveFailures: 1 })
  watch.left(all[0] as Upstream)
  report(all[0] as Upstream, bad, 9)
  t.equal(names(), '')
})

t.test('ejects for at most maxEjectionTime', async (t) => {
  const { time, all, report, names } = scene(2, {
    consecutiveFailures: 1,
    interval: 1,
    baseEjectionTime: 10,
    maxEjectionTime: 15,
  })
  for (let i = 0; i < 5; i++) {
    report(all[0] as Upstream, bad)
    t.equal(names(), '0')
    time.pass(16)
    t.equal(names(), '')
  }
})

t.test('never ejects more than the allowed share', async () => {
  const step = fc.record({ what: fc.constantFrom('bad', 'bad', 'good', 'join', 'leave', 'pass'), index: fc.nat(9) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 100 }), (steps, maxEjectionPercent) => {
      const { all, out, report, watch, time } = scene(10, { consecutiveFailures: 2, maxEjectionPercent })
      const there = new Set(all)
      for (const { what, index } of steps) {
        const one = all[index] as Upstream
        if (what === 'bad') report(one, bad)
        else if (what === 'good') report(one, good)
        else if (what === 'pass') time.pass(10_000)
        else if (what === 'join' && !there.has(one)) {
          there.add(one)
          watch.joined(one)
        } else if (what === 'leave' && there.delete(one)) {
          out.delete(one)
          watch.left(one)
        }
        if (out.size * 100 > maxEjectionPercent * there.size) return false
      }
      return true
    }),
  )
})

t.test('lists healthy upstreams, or all if too few are healthy', async () => {
  const step = fc.record({ what: fc.constantFrom('add', 'remove', 'block', 'block', 'free'), index: fc.nat(5) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 0, max: 100 }), (steps, threshold) => {
      const listed = new Set<Upstream>()
      const roster = new EligibleUpstreams<Upstream>(
        { add: (one) => void listed.add(one), remove: (one) => void listed.delete(one), pick: () => null },
        threshold,
      )
      const all = '012345'.split('').map((name) => new Upstream(name))
      const there = new Set<Upstream>()
      for (const { what, index } of steps) {
        const one = all[index] as Upstream
        if (what === 'add' && !there.has(one)) {
          all[index] = new Upstream(String(index))
          there.add(all[index])
          roster.add(all[index])
        } else if (what === 'remove' && there.delete(one)) roster.remove(one)
        else if (what === 'block' && there.has(one) && one.ejectedBy < 2) roster.setEjected(one, true)
        else if (what === 'free' && there.has(one) && one.ejectedBy > 0) roster.setEjected(one, false)
        const fit = [...there].filter(({ ejectedBy }) => ejectedBy === 0)
        const panic = fit.length === 0 || fit.length * 100 < threshold * there.size
        const expected = panic ? [...there] : fit
        if (expected.length !== listed.size || !expected.every((one) => listed.has(one))) return false
      }
      return true
    }),
  )
})

function rosterOf(panicThreshold: number) {
  const listed = new Set<Upstream>()
  const reweighed: string[] = []
  const picker = {
    add: (one: Upstream) => void listed.add(one),
    remove: (one: Upstream) => void listed.delete(one),
    reweighed: (one: Upstream) => void reweighed.push(one.origin),
    pick: () => null,
  }
  return { roster: new EligibleUpstreams<Upstream>(picker, panicThreshold), listed, reweighed }
}

t.test('lists an upstream again when no watcher excludes it, with slow start', async (t) => {
  const { roster, listed } = rosterOf(0)
  const [one, two] = [new Upstream('1'), new Upstream('2')]
  roster.add(one)
  roster.add(two)
  roster.setEjected(one, true)
  roster.setEjected(one, true)
  roster.setEjected(one, false)
  t.strictSame([...listed], [two])
  t.equal(one.slow, 0)
  roster.setEjected(one, false)
  t.strictSame([...listed], [two, one])
  t.equal(one.slow, 1)
  const stranger = new Upstream('3')
  roster.setEjected(stranger, true)
  t.equal(stranger.ejectedBy, 0)
  t.strictSame([...listed], [two, one])
})

t.test('notifies the picker of growing weights in steps', async (t) => {
  const { roster, reweighed } = rosterOf(0)
  const one = new Upstream('1')
  Object.assign(one, { inSlowStart: true, slowStart: 1e9 })
  roster.add(one)
  roster.updateWeights()
  roster.updateWeights()
  t.strictSame(reweighed.splice(0), ['1'], 'one step only')
  const { roster: other, reweighed: again } = rosterOf(0)
  const two = new Upstream('2')
  other.add(two)
  other.updateWeights()
  t.strictSame(again, [], 'no notification without slow start')
  other.setEjected(two, true)
  two.inSlowStart = true
  other.setEjected(two, false)
  other.updateWeights()
  other.updateWeights()
  t.strictSame(again.splice(0), ['2', '2'])
  two.inSlowStart = false
  other.updateWeights()
  other.updateWeights()
  t.strictSame(again.splice(0), ['2'], 'one more notification with the full weight')
  two.inSlowStart = true
  other.setEjected(two, true)
  other.remove(two)
  other.updateWeights()
  t.strictSame(again, [])
})

t.test('rejects invalid options', async (t) => {
  t.equal(new OutlierDetection({ panicThreshold: 30 }).panicThreshold, 30)
  for (const options of [{ interval: 0 }, { maxEjectionPercent: 101 }, { panicThreshold: 'x' }]) {
    t.throws(() => new OutlierDetection(options as never), { code: 'UND_ERR_INVALID_ARG' })
  }
})
