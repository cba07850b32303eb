import t from 'tap'
import { OutlierDetection } from '../../lib/balance/outlier-detection.js'
import { type Listed, Roster } from '../../lib/balance/roster.js'
import type { Candidate } from '../../lib/balance/strategy.js'
import { Clock } from '../../lib/base/clock.js'
import fc from '../property.js'

const good = { latency: 1, failed: false, aborted: false }
const bad = { latency: 1, failed: true, aborted: false }

/** Time that goes on when told. */
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

class Upstream implements Listed {
  readonly weight = 1
  readonly starting = false
  readonly slowStart = 0
  blocks = 0
  listed = false
  slow = 0
  readonly origin: string
  constructor(origin: string) {
    this.origin = origin
  }
  startSlowly(): void {
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
  const tell = (upstream: Upstream, outcome: object, times = 1) => {
    for (let i = 0; i < times; i++) watch.ended?.(upstream, { ...good, ...outcome })
  }
  return { time, all, out, watch, tell, names: () => [...out].map(({ origin }) => origin).join('') }
}

t.test('ejected after failures in a row, for longer each time, and sooner forgiven', async (t) => {
  const { time, all, tell, names, watch } = scene(4, { consecutiveFailures: 3, interval: 10, baseEjectionTime: 100 })
  const [one] = all as [Upstream]
  tell(one, bad, 2)
  tell(one, good)
  tell(one, bad, 2)
  tell(one, { aborted: true, failed: true })
  t.equal(names(), '', 'two in a row are no three')
  tell(one, bad)
  t.equal(names(), '0')
  tell(one, bad, 9)
  time.pass(99)
  t.equal(names(), '0')
  time.pass(1)
  t.equal(names(), '', 'back')
  tell(one, bad, 3)
  time.pass(190)
  t.equal(names(), '0', 'twice as long')
  time.pass(20)
  t.equal(names(), '')
  time.pass(1000)
  tell(one, bad, 3)
  time.pass(110)
  t.equal(names(), '', 'long ago: as the first time')
  time.pass(1000)
  t.equal(time.pending(), 0, 'nothing to look at: no timer')
  tell(one, bad, 3)
  watch.stop()
  time.pass(1e6)
  t.equal(names(), '0', 'stopped')
})

t.test('no longer than maxEjectionTime', async (t) => {
  const { time, all, tell, names } = scene(2, {
    consecutiveFailures: 1,
    interval: 1,
    baseEjectionTime: 10,
    maxEjectionTime: 15,
  })
  for (let i = 0; i < 5; i++) {
    tell(all[0] as Upstream, bad)
    t.equal(names(), '0')
    time.pass(16)
    t.equal(names(), '')
  }
})

t.test('never more than their share, whatever fails, comes and goes', async () => {
  const step = fc.record({ what: fc.constantFrom('bad', 'bad', 'good', 'join', 'leave', 'pass'), whom: fc.nat(9) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 100 }), (steps, maxEjectionPercent) => {
      const { all, out, tell, watch, time } = scene(10, { consecutiveFailures: 2, maxEjectionPercent })
      const there = new Set(all)
      for (const { what, whom } of steps) {
        const one = all[whom] as Upstream
        if (what === 'bad') tell(one, bad)
        else if (what === 'good') tell(one, good)
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

t.test('a roster lists those that are good, or all when too few are', async () => {
  const step = fc.record({ what: fc.constantFrom('add', 'remove', 'block', 'block', 'free'), whom: fc.nat(5) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 0, max: 100 }), (steps, threshold) => {
      const listed = new Set<Upstream>()
      const roster = new Roster<Upstream>(
        { add: (one) => void listed.add(one), remove: (one) => void listed.delete(one), pick: () => null },
        threshold,
      )
      const all = '012345'.split('').map((name) => new Upstream(name))
      const there = new Set<Upstream>()
      for (const { what, whom } of steps) {
        const one = all[whom] as Upstream
        if (what === 'add' && !there.has(one)) {
          all[whom] = new Upstream(String(whom))
          there.add(all[whom])
          roster.add(all[whom])
        } else if (what === 'remove' && there.delete(one)) roster.remove(one)
        else if (what === 'block' && there.has(one) && one.blocks < 2) roster.block(one, true)
        else if (what === 'free' && there.has(one) && one.blocks > 0) roster.block(one, false)
        const fit = [...there].filter(({ blocks }) => blocks === 0)
        const panic = fit.length === 0 || fit.length * 100 < threshold * there.size
        const expected = panic ? [...there] : fit
        if (expected.length !== listed.size || !expected.every((one) => listed.has(one))) return false
      }
      return true
    }),
  )
})

t.test('options', async (t) => {
  for (const options of [{ interval: 0 }, { maxEjectionPercent: 101 }, { panicThreshold: 'x' }]) {
    t.throws(() => new OutlierDetection(options as never), { code: 'UND_ERR_INVALID_ARG' })
  }
})
