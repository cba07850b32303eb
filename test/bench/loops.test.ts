import t from 'tap'
import { arrivals } from '../../bench/harness/arrivals.js'
import { closedLoop } from '../../bench/harness/closed-loop.js'
import { latencyOf } from '../../bench/harness/histogram.js'
import type { Session } from '../../bench/harness/session.js'
import { histogram, open } from './session.js'

t.test('a wrong response ends a measurement', async (t) => {
  const { session } = await open(t, 'wrong')
  const options = { width: 4, warm: 0.01, seconds: 0.01, histogram: histogram() }
  await t.rejects(closedLoop(session, options), { name: 'WrongResponse' })
  await t.rejects(arrivals(session, { ...options, rate: 100 }), { name: 'WrongResponse' })
})

t.test('a closed loop keeps so many under way, and counts what is answered', async (t) => {
  const { origin, session } = await open(t, 'small', { connections: 2, pipelining: 5 })
  let [running, most, sent] = [0, 0, 0]
  const counting: Session = {
    send(done) {
      most = Math.max(most, ++running)
      sent++
      session.send((error) => {
        running--
        done(error)
      })
    },
    close: async () => {},
  }
  const recorded = histogram()
  const round = await closedLoop(counting, { width: 10, warm: 0.02, seconds: 0.05, histogram: recorded })
  t.equal(most, 10)
  t.equal(running, 0, 'all are answered when it ends')
  t.equal(origin.responses, sent)
  t.ok(round.requests > 0 && round.requests < sent)
  t.ok(recorded.totalCount > 0 && recorded.totalCount <= round.requests)
})

t.test('requests arrive at the rate that was asked for, all of them', async (t) => {
  const { origin, session } = await open(t, 'small')
  const recorded = histogram()
  const arrived = await arrivals(session, { rate: 1000, warm: 0.1, seconds: 0.2, histogram: recorded })
  t.equal(arrived.requests, 200)
  t.equal(recorded.totalCount, 200, 'the warm-up is not recorded')
  t.equal(origin.responses, 300)
})

t.test('an origin that stalls is seen by what arrives meanwhile: no coordinated omission', async (t) => {
  const { session } = await open(t, 'stalling')
  const recorded = histogram()
  // The origin stalls for 250 ms of each second.
  await arrivals(session, { rate: 200, warm: 0, seconds: 1.5, histogram: recorded })
  const { p50, p99 } = latencyOf(recorded)
  t.ok(p99 > 200_000, `p99 is ${p99} µs`)
  t.ok(p99 > 5 * p50, `p50 is ${p50} µs`)
})

t.test('a client that is busy itself is seen too', async (t) => {
  const { session } = await open(t, 'small')
  const recorded = histogram()
  let answered = 0
  const until = performance.now() + 100
  const onAnswer = () => {
    // Nothing else can run for a while: what should have started then counts from then.
    if (++answered === 5) while (performance.now() < until + 100);
  }
  await arrivals(session, { rate: 500, warm: 0, seconds: 0.4, histogram: recorded, onAnswer })
  t.equal(recorded.totalCount, 200)
  t.ok(latencyOf(recorded).p90 > 50_000, `p90 is ${latencyOf(recorded).p90} µs`)
})

t.test('failures are counted where someone asks for them', async (t) => {
  const { session } = await open(t, 'wrong')
  let told = 0
  const onFailure = () => told++
  const arrived = await arrivals(session, { rate: 200, warm: 0.05, seconds: 0.1, histogram: histogram(), onFailure })
  t.equal(told, 30)
  t.equal(arrived.failures, 20, 'those of the warm-up do not count')
})
