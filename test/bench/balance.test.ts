import t from 'tap'
import { PROMISED } from '../../bench/balance/contenders.js'
import { kept, measure } from '../../bench/balance/real.js'
import { percentile, simulate } from '../../bench/balance/simulation.js'

/** ms */
const LATE = 100

t.test('in virtual time: the same from the same seed, and what strategies are for', async (t) => {
  const short = { seconds: 5 }
  const plain = simulate({ strategy: 'round-robin', outliers: false, retries: 0 }, short)
  const again = simulate({ strategy: 'round-robin', outliers: false, retries: 0 }, short)
  t.strictSame(again, plain)
  const guarded = simulate({ strategy: 'least-requests', outliers: true, retries: 2 }, short)
  t.ok(guarded.success > 0.999)
  t.ok(percentile(guarded.latencies, 0.99) < percentile(plain.latencies, 0.99) / 2)
})

t.test('over sockets, before backends that are slow, refuse and die', async (t) => {
  const load = { rate: 200, seconds: 2, only: ['round-robin', PROMISED] }
  const [plain, promised] = await measure('failures', load, { bound: { cores: null, note: '' }, packages: null })
  if (plain === undefined || promised === undefined) return t.fail('both are measured')
  t.equal(promised.failed, 0)
  t.ok(plain.failed > 0, 'nobody tries again')
  // So short a time that the first few, by which the slow one is known, are more than one of a hundred; half of the
  // plain ones are slow. Where requests start late, latencies are the machine's, not the strategy's.
  const late = Math.max(plain.late, promised.late)
  if (late > LATE) t.comment(`requests started ${late} ms late: latencies are not compared`)
  else t.ok(percentile(promised.latencies, 0.75) < percentile(plain.latencies, 0.75) / 5)
  t.ok((promised.shares[0] as number) < (plain.shares[0] as number) / 2)
  t.notOk(kept([plain, { ...promised, success: 0.999 }]).kept)
  t.notOk(kept([plain, { ...promised, latencies: plain.latencies }]).kept)
})
