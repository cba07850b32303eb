import t from 'tap'
import type { Session } from '../../bench/harness/client-session.js'
import { closedLoop } from '../../bench/harness/closed-loop.js'
import { latencyOf } from '../../bench/harness/histogram.js'
import { openLoop } from '../../bench/harness/open-loop.js'
import { histogram, open } from './client-session.js'

t.test('a wrong response ends the measurement', async (t) => {
  const { session } = await open(t, 'wrong')
  const options = { width: 4, warm: 0.01, seconds: 0.01, histogram: histogram() }
  await t.rejects(closedLoop(session, options), { name: 'WrongResponse' })
  await t.rejects(openLoop(session, { ...options, rate: 100 }), { name: 'WrongResponse' })
})

t.test('a closed loop keeps `width` requests in flight and counts responses', async (t) => {
  const { origin, session } = await open(t, 'small', { connections: 2, pipelining: 5 })
  let [running, maxRunning, sent] = [0, 0, 0]
  const counting: Session = {
    send(done) {
      maxRunning = Math.max(maxRunning, ++running)
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
  t.equal(maxRunning, 10)
  t.equal(running, 0, 'all requests have completed when it ends')
  t.equal(origin.responses, sent)
  t.ok(round.requests > 0 && round.requests < sent)
  t.ok(recorded.totalCount > 0 && recorded.totalCount <= round.requests)
})

t.test('an open loop sends every request at the given rate', async (t) => {
  const { origin, session } = await open(t, 'small')
  const recorded = histogram()
  const result = await openLoop(session, { rate: 1000, warm: 0.1, seconds: 0.2, histogram: recorded })
  t.equal(result.requests, 200)
  t.equal(recorded.totalCount, 200, 'the warm-up is not recorded')
  t.equal(origin.responses, 300)
})

t.test('latency includes the time that requests wait for a stalled origin (no coordinated omission)', async (t) => {
  const { session } = await open(t, 'stalling')
  const recorded = histogram()
  // The origin stalls for 250 ms of each second.
  await openLoop(session, { rate: 200, warm: 0, seconds: 1.5, histogram: recorded })
  const { p50, p99 } = latencyOf(recorded)
  t.ok(p99 > 200_000, `p99 is ${p99} µs`)
  t.ok(p99 > 5 * p50, `p50 is ${p50} µs`)
})

t.test('latency includes the time that requests wait for a busy client', async (t) => {
  const { session } = await open(t, 'small')
  const recorded = histogram()
  let answered = 0
  const until = performance.now() + 100
  const onResponse = () => {
    // Blocks the event loop for 100 ms: requests scheduled meanwhile count from their intended start.
    if (++answered === 5) while (performance.now() < until + 100);
  }
  await openLoop(session, { rate: 500, warm: 0, seconds: 0.4, histogram: recorded, onResponse })
  t.equal(recorded.totalCount, 200)
  t.ok(latencyOf(recorded).p90 > 50_000, `p90 is ${latencyOf(recorded).p90} µs`)
})

t.test('with onFailure, failures are counted and do not end the run', async (t) => {
  const { session } = await open(t, 'wrong')
  let failureCount = 0
  const onFailure = () => failureCount++
  const result = await openLoop(session, { rate: 200, warm: 0.05, seconds: 0.1, histogram: histogram(), onFailure })
  t.equal(failureCount, 30)
  t.equal(result.failures, 20, 'failures of the warm-up do not count')
})
