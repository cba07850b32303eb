import t from 'tap'
import { start } from '../../bench/harness/processes.js'
import { CONCURRENCY, growth, LIMITS, Overload, SERVICE, violations } from '../../bench/overload/overload.js'
import { WaitHistogram } from '../../bench/overload/wait-histogram.js'

t.test('keeps goodput and queue wait within limits at three times the capacity, and reports violations', async (t) => {
  const origin = start({ program: 'overload/origin.js', role: 'origin', affinity: { cores: null, note: '' } })
  t.teardown(() => origin.close())
  const url = await origin.channel.call<string>('open', { concurrency: CONCURRENCY, service: SERVICE })
  const overload = new Overload(url, LIMITS)
  // Goodput of 50 % suffices: the run is short, and other tests run at the same time.
  await overload.slice({ seconds: 3, samples: 0 })
  const outcome = await overload.close()
  t.strictSame(violations({ ...outcome, heap: [0] }, 0.5), [])
  t.ok(outcome.wait.p99 > outcome.wait.p50 / 2, 'requests were queued')
  for (const [spoiled, word] of [
    [{ goodput: 0.4 }, /goodput/],
    [{ wait: { ...outcome.wait, p99: outcome.timers + 1 } }, /time in the queue/],
    [{ queued: LIMITS.maxQueued + 1 }, /queued/],
    [{ heap: [1, 2, 2e6] }, /heap/],
    [{ sent: outcome.sent + 1 }, /other errors/],
    [{ failed: {} }, /limits/],
  ] satisfies [object, RegExp][]) {
    t.match(violations({ ...outcome, heap: [0], ...spoiled }, 0.5).join(), word)
  }
})

t.test('computes percentiles of waits and heap growth', async (t) => {
  const waits = new WaitHistogram()
  for (let i = 1; i <= 100; i++) waits.record(i)
  t.strictSame(
    [0.5, 0.99, 1].map((fraction) => waits.percentile(fraction)),
    [50, 99, 100],
  )
  t.equal(growth([5, 9, 7, 7, 8, 6, 9]), 1)
})
