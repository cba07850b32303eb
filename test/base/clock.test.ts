import fc from 'fast-check'
import t from 'tap'
import { Alarm, Clock, type TimeSource } from '../../lib/base/clock.js'

/** Time that passes only when told. */
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

t.test('alarms go off in time, once, and cost no timer when moved to later', async (t) => {
  const time = new Time()
  const clock = new Clock(time)
  const rung: [string, number][] = []
  const named = (name: string) => new Alarm({ onAlarm: () => rung.push([name, time.current]) }, clock)
  const [a, b, c] = [named('a'), named('b'), named('c')]
  a.set(100)
  b.set(50)
  c.set(70)
  c.clear()
  t.equal(c.pending, false)
  const timers = time.set
  for (let i = 0; i < 1000; i++) a.set(100 + i)
  t.equal(time.set, timers, 'no timer was wound')
  time.pass(60)
  t.strictSame(rung, [['b', 50]])
  t.equal(b.pending, false)
  a.set(5)
  time.pass(10)
  t.strictSame(rung.at(-1), ['a', 65])
  time.pass(10_000)
  t.equal(rung.length, 2)
  t.equal(clock.size, 0)
  t.equal(time.timers.size, 0, 'no timer is left')
})

t.test('a long delay, a late wake-up and a listener that throws', async (t) => {
  const time = new Time()
  const clock = new Clock(time)
  const rung: string[] = []
  const far = new Alarm({ onAlarm: () => rung.push('far') }, clock)
  far.set(2 ** 33)
  time.pass(2 ** 32)
  t.strictSame(rung, [])
  time.pass(2 ** 32 + 10)
  t.strictSame(rung, ['far'])
  const bad = new Alarm(
    {
      onAlarm: () => {
        throw new Error('a bug')
      },
    },
    clock,
  )
  const good = new Alarm({ onAlarm: () => rung.push('good') }, clock)
  bad.set(1)
  good.set(2)
  const heard = new Promise((resolve) => process.once('uncaughtException', resolve))
  time.pass(3)
  t.strictSame(rung, ['far', 'good'])
  t.match(await heard, { message: 'a bug' })
})

t.test('agrees with a simple model', async () => {
  const step = fc.record({
    alarm: fc.nat(5),
    what: fc.constantFrom('set', 'clear', 'pass'),
    ms: fc.integer({ min: 1, max: 50 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const time = new Time()
      const clock = new Clock(time)
      const rung: string[] = []
      const wanted: string[] = []
      const due: number[] = new Array(6).fill(Infinity)
      const alarms = due.map((_, index) => new Alarm({ onAlarm: () => rung.push(`${index}@${time.current}`) }, clock))
      for (const { alarm, what, ms } of steps) {
        if (what === 'set') {
          alarms[alarm]?.set(ms)
          due[alarm] = time.current + ms
        } else if (what === 'clear') {
          alarms[alarm]?.clear()
          due[alarm] = Infinity
        } else {
          const until = time.current + ms
          for (const [index, at] of due.entries()) {
            if (at > until) continue
            wanted.push(`${index}@${at}`)
            due[index] = Infinity
          }
          time.pass(ms)
        }
      }
      return rung.sort().join() === wanted.sort().join()
    }),
  )
})

t.test('the process clock rings and keeps no process alive', async (t) => {
  await new Promise<void>((resolve) => {
    const alarm = new Alarm({ onAlarm: () => resolve() })
    alarm.set(5)
    setTimeout(() => {}, 200).ref()
  })
  t.pass()
  new Alarm({ onAlarm: () => {} }).set(600_000)
})
