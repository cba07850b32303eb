import t from 'tap'
import { type Measured, measureFailures } from '../../bench/balance/real.js'
import { percentile, simulate } from '../../bench/balance/simulation.js'

t.test('over sockets: one slow, one refusing, one dying in the midst of responses', async (t) => {
  const load = { requests: 1_500, plain: 300, width: 20, delay: 2 }
  const [plain, , guarded] = (await measureFailures(load)) as [Measured, Measured, Measured]
  t.ok(guarded.p99 < plain.p99, `p99 ${guarded.p99} ms, plain ${plain.p99} ms`)
  t.equal(guarded.failed, 0)
  t.ok(plain.failed > 0)
})

t.test('in virtual time: the same from the same seed, and what strategies are for', async (t) => {
  const short = { seconds: 5 }
  const plain = simulate({ strategy: 'round-robin', outliers: false, retries: 0 }, short)
  const again = simulate({ strategy: 'round-robin', outliers: false, retries: 0 }, short)
  t.strictSame(again, plain)
  const guarded = simulate({ strategy: 'least-requests', outliers: true, retries: 2 }, short)
  t.ok(guarded.success > 0.999)
  t.ok(percentile(guarded.latencies, 0.99) < percentile(plain.latencies, 0.99) / 2)
})
