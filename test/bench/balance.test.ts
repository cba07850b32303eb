import t from 'tap'
import { percentile, simulate } from '../../bench/balance/simulation.js'

t.test('in virtual time: the same from the same seed, and what strategies are for', async (t) => {
  const short = { seconds: 5 }
  const plain = simulate({ strategy: 'round-robin', outliers: false, retries: 0 }, short)
  const again = simulate({ strategy: 'round-robin', outliers: false, retries: 0 }, short)
  t.strictSame(again, plain)
  const guarded = simulate({ strategy: 'least-requests', outliers: true, retries: 2 }, short)
  t.ok(guarded.success > 0.999)
  t.ok(percentile(guarded.latencies, 0.99) < percentile(plain.latencies, 0.99) / 2)
})
