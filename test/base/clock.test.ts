import t from 'tap'
import { Alarm, Clock, type TimeSource } from '../../lib/base/clock.js'
import fc from '../property.js'

/** Time source whose time advances only by calls of the test. */
class Time implements TimeSource {
  current = 0
  timers = new Map<number, { at: number; callback: () => void }>()
  set = 0

  now(): number {
    return this.current
  }

  setTimeout(callback: () => void, delay: number): number {
    this.timers.set(++this.set, { at: this.current + delay, callback })
    return this.set
  }

  clearTimeout(timer: unknown): void {
    this.timers.delete(timer as number)
  }

  /** Fires all timers now: late, as after a blocked event loop, or a fraction early, as Node's timers may. */
  jump(ms: number): void {
    this.current += ms
    const all = [...this.timers.values()]
    this.timers.clear()
    for (const { callback } of all) callback()
  }

  pass(ms: number): void {
    const until = this.current + ms
    for (;;) {
      const due = [...this.timers].filter(([, { at }]) => at <= until).sort((a, b) => a[1].at - b[1].at)[0]
      if (due === undefined) break
      this.timers.delete(due[0])
      this.current = Math.max(this.current, due[1].at)
      due[1].callback()
    }
    this.current = until
  }
}

t.test('alarms fire once and in time, and moving one to later starts no native timer', async (t) => {
  const time = new Time()
  const clock = new Clock(time)
  const fired: [string, number][] = []
  const named = (name: string) => new Alarm({ onAlarm: () => fired.push([name, time.current]) }, clock)
  const [a, b, c] = [named('a'), named('b'), named('c')]
  a.set(100)
  b.set(50)
  c.set(70)
  c.clear()
  t.equal(c.pending, false)
  const timers = time.set
  for (let i = 0; i < 1000; i++) a.set(100 + i)
  t.equal(time.set, timers, 'no native timer is started')
  time.pass(60)
  t.strictSame(fired, [['b', 50]])
  t.equal(b.pending, false)
  a.set(5)
  time.pass(10)
  t.strictSame(fired.at(-1), ['a', 65])
  time.pass(10_000)
  t.equal(fired.length, 2)
  t.equal(clock.size, 0)
  t.equal(time.timers.size, 0, 'no timer is left')
})

t.test('handles delays above the setTimeout maximum, late timers and listeners that throw', async (t) => {
  const time = new Time()
  const clock = new Clock(time)
  const fired: string[] = []
  const far = new Alarm({ onAlarm: () => fired.push('far') }, clock)
  far.set(2 ** 33)
  time.pass(2 ** 32)
  t.strictSame(fired, [])
  time.pass(2 ** 32 + 10)
  t.strictSame(fired, ['far'])
  const bad = new Alarm(
    {
      onAlarm: () => {
        throw new Error('a bug')
      },
    },
    clock,
  )
  const good = new Alarm({ onAlarm: () => fired.push('good') }, clock)
  bad.set(1)
  good.set(2)
  const uncaught = new Promise((resolve) => process.once('uncaughtException', resolve))
  time.pass(3)
  t.strictSame(fired, ['far', 'good'])
  t.match(await uncaught, { message: 'a bug' })
})

t.test('after a blocked event loop, due alarms fire in the order of their deadlines, not of insertion', async (t) => {
  const time = new Time()
  const clock = new Clock(time)
  const fired: string[] = []
  const named = (name: string) => new Alarm({ onAlarm: () => fired.push(name) }, clock)
  const [moved, still, first] = [named('moved'), named('still'), named('first')]
  moved.set(10)
  moved.set(30)
  still.set(20)
  first.set(15)
  time.jump(100)
  t.strictSame(fired, ['first', 'still', 'moved'])
  t.equal(clock.size, 0)
})

t.test('a listener can set and clear its own alarm and others', async (t) => {
  const time = new Time()
  const clock = new Clock(time)
  const fired: string[] = []
  let rounds = 0
  const again = new Alarm(
    {
      onAlarm: (alarm) => {
        fired.push('again')
        if (++rounds < 3) alarm.set(0)
        cleared.clear()
        later.set(50)
        now.set(0)
      },
    },
    clock,
  )
  const cleared = new Alarm({ onAlarm: () => fired.push('cleared') }, clock)
  const later = new Alarm({ onAlarm: () => fired.push(`later@${time.current}`) }, clock)
  const now = new Alarm({ onAlarm: () => fired.push('now') }, clock)
  again.set(1)
  for (const alarm of [cleared, later, now]) alarm.set(2)
  time.jump(10)
  t.strictSame(
    fired,
    ['again'],
    'an alarm set to 0 ms by a listener fires in the next turn, to prevent an endless loop',
  )
  time.pass(1)
  time.pass(1)
  t.strictSame(fired.filter((name) => name === 'again').length, 3)
  t.equal(fired.includes('cleared'), false)
  time.pass(60)
  t.strictSame(fired.slice(-2), ['now', 'later@62'])
  t.equal(time.timers.size, 0)
})

t.test('an alarm never fires early, even if the native timer does', async (t) => {
  const time = new Time()
  const clock = new Clock(time)
  const fired: number[] = []
  const alarm = new Alarm({ onAlarm: () => fired.push(time.current) }, clock)
  alarm.set(10)
  time.jump(9.4)
  t.strictSame(fired, [])
  time.pass(2)
  t.equal(fired.length, 1)
  t.ok(Number(fired[0]) >= 10)
  alarm.set(Infinity)
  t.equal(alarm.pending, false)
  t.equal(clock.size, 0, 'an alarm at Infinity is not stored')
})

t.test('the clock continues after fake timers are uninstalled', async (t) => {
  const { setTimeout: wait, clearTimeout: end } = globalThis
  const { now } = performance
  performance.now = () => 0
  globalThis.setTimeout = (() => 0) as never
  globalThis.clearTimeout = () => {}
  new Alarm({ onAlarm: () => {} }).set(1)
  performance.now = now
  globalThis.setTimeout = wait
  globalThis.clearTimeout = end
  while (performance.now() < 1100) await new Promise((resolve) => wait(resolve, 50))
  const alive = wait(() => {}, 60_000)
  await new Promise<void>((resolve) => new Alarm({ onAlarm: () => resolve() }).set(5))
  end(alive)
  t.pass('rings by the real ones')
})

t.test('fires the same alarms as a simple model, for random operations', async () => {
  const step = fc.record({
    alarm: fc.nat(5),
    what: fc.constantFrom('set', 'set', 'clear', 'pass', 'block'),
    ms: fc.integer({ min: 1, max: 50 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const time = new Time()
      const clock = new Clock(time)
      const fired: string[] = []
      const wanted: string[] = []
      const due: number[] = new Array(6).fill(Infinity)
      const alarms = due.map(
        (_, index) => new Alarm({ onAlarm: () => fired.push(`${deadlines[index]}@${time.current}`) }, clock),
      )
      const deadlines = [...due]
      for (const { alarm, what, ms } of steps) {
        if (what === 'set') {
          alarms[alarm]?.set(ms)
          due[alarm] = time.current + ms
          deadlines[alarm] = time.current + ms
        } else if (what === 'clear') {
          alarms[alarm]?.clear()
          due[alarm] = Infinity
        } else {
          const until = time.current + ms
          const blocked = what === 'block'
          const ringing = [...due.entries()].filter(([, at]) => at <= until)
          for (const [index, at] of ringing.sort((a, b) => a[1] - b[1])) {
            wanted.push(`${at}@${blocked ? until : at}`)
            due[index] = Infinity
          }
          if (blocked) time.jump(ms)
          else time.pass(ms)
        }
      }
      return fired.join() === wanted.join()
    }),
  )
})

t.test('the process clock fires alarms and does not keep the process alive', async (t) => {
  await new Promise<void>((resolve) => {
    const alarm = new Alarm({ onAlarm: () => resolve() })
    alarm.set(5)
    setTimeout(() => {}, 200).ref()
  })
  t.pass()
  new Alarm({ onAlarm: () => {} }).set(600_000)
})

t.test('dispose removes an alarm from the heap, and the other alarms still fire', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 500 }), fc.boolean()), { maxLength: 40 }), (given) => {
      const time = new Time()
      const clock = new Clock(time)
      const fired: number[] = []
      const alarms = given.map(([delay]) => {
        const alarm = new Alarm({ onAlarm: () => fired.push(delay) }, clock)
        alarm.set(delay)
        return alarm
      })
      for (const [index, [, dropped]] of given.entries()) if (dropped) alarms[index]?.dispose()
      const left = given.filter(([, dropped]) => !dropped).map(([delay]) => delay)
      const held = clock.size
      time.pass(1000)
      return held === left.length && fired.join() === left.sort((a, b) => a - b).join()
    }),
  )
  const clock = new Clock(new Time())
  const alarm = new Alarm({ onAlarm: () => {} }, clock)
  alarm.dispose()
  alarm.set(300_000)
  alarm.dispose()
  alarm.dispose()
  t.equal(clock.size, 0)
  t.equal(alarm.pending, false)
})
