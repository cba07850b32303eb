import t from 'tap'
import { start } from '../../bench/harness/processes.js'
import { CONCURRENCY, complaints, growth, LIMITS, Overload, SERVICE } from '../../bench/overload/soak.js'
import { Waits } from '../../bench/overload/waits.js'

t.test('three times what an origin can do', async (t) => {
  const origin = start({ program: 'overload/origin.js', place: 'origin', affinity: { cores: null, note: '' } })
  t.teardown(() => origin.close())
  const url = await origin.channel.ask<string>('open', { concurrency: CONCURRENCY, service: SERVICE })
  const overload = new Overload(url, LIMITS)
  // Too short for the last percents, and beside other tests.
  await overload.slice({ seconds: 3, samples: 0 })
  const outcome = await overload.close()
  t.strictSame(complaints({ ...outcome, heap: [0] }, 0.5), [])
  t.ok(outcome.wait.p99 > outcome.wait.p50 / 2, 'some waited')
  for (const [spoiled, word] of [
    [{ goodput: 0.4 }, /goodput/],
    [{ wait: { ...outcome.wait, p99: outcome.timers + 1 } }, /wait/],
    [{ queued: LIMITS.maxQueued + 1 }, /at once/],
    [{ heap: [1, 2, 2e6] }, /heap/],
    [{ sent: outcome.sent + 1 }, /other things/],
    [{ failed: {} }, /limits/],
  ] satisfies [object, RegExp][]) {
    t.match(complaints({ ...outcome, heap: [0], ...spoiled }, 0.5).join(), word)
  }
})

t.test('what the bench counts by', async (t) => {
  const waits = new Waits()
  for (let i = 1; i <= 100; i++) waits.record(i)
  t.strictSame(
    [0.5, 0.99, 1].map((part) => waits.percentile(part)),
    [50, 99, 100],
  )
  t.equal(growth([5, 9, 7, 7, 8, 6, 9]), 1)
})
