import t from 'tap'
import { BalancedPool, Client, interceptors, RetryAgent } from '../../lib/index.js'
import { RetryBudget } from '../../lib/interceptors/retry-budget.js'
import { httpOrigin } from '../servers/origin.js'

const get = { path: '/', method: 'GET' }

t.test('allows ratio of the requests in ten seconds, plus minPerSecond', async (t) => {
  let time = 5_500
  const budget = new RetryBudget({ ratio: 0.5, minPerSecond: 1 }, () => time)
  const taken = () => {
    let count = 0
    while (budget.takeRetry()) count++
    return count
  }
  t.equal(taken(), 10, 'minPerSecond for ten seconds')
  for (let i = 0; i < 8; i++) budget.addRequest()
  t.equal(taken(), 4)
  time += 9_000
  t.equal(taken(), 0)
  time += 1_000
  t.equal(taken(), 10, 'retries and requests older than ten seconds are not counted')
  time += 1e7
  t.equal(taken(), 10)
})

t.test('no request is retried when the budget is used up', async (t) => {
  let seen = 0
  const origin = await httpOrigin((_request, reply) => {
    seen++
    reply.writeHead(503).end()
  })
  const options = { minTimeout: 0, maxRetries: 5, retryAfter: false, retryBudget: { ratio: 0.001, minPerSecond: 0.7 } }
  const composed = new Client(origin.url).compose(interceptors.retry(options))
  const agent = new RetryAgent(new Client(origin.url), options)
  for (const dispatcher of [composed, agent]) {
    seen = 0
    for (let i = 0; i < 5; i++) await t.rejects(dispatcher.request(get), { code: 'UND_ERR_REQ_RETRY' })
    t.equal(seen, 5 + 7)
    await dispatcher.close()
  }
  for (const retryBudget of [1, { ratio: 0 }, { minPerSecond: -1 }] as never[]) {
    t.throws(() => interceptors.retry({ retryBudget }), { code: 'UND_ERR_INVALID_ARG' })
    t.throws(() => new RetryAgent(composed, { retryBudget }), { code: 'UND_ERR_INVALID_ARG' })
  }
  await origin.close()
})

t.test('a retry over a balancer is sent to another upstream', async (t) => {
  const served = [0, 0, 0]
  const origins = await Promise.all(
    served.map((_, index) =>
      httpOrigin((request, reply) => {
        served[index] = (served[index] as number) + 1
        if (index === 2) reply.end('at last')
        else if (index === 1) reply.writeHead(503).end()
        else request.socket.destroy()
      }),
    ),
  )
  for (const strategy of ['round-robin', 'least-requests', 'peak-ewma'] as const) {
    const pool = new BalancedPool(
      origins.map(({ url }) => url),
      { strategy },
    )
    const retrying = pool.compose(interceptors.retry({ maxRetries: 2, minTimeout: 0, retryAfter: false }))
    for (let i = 0; i < 30; i++) {
      t.equal(await (await retrying.request({ ...get, reset: true })).body.text(), 'at last', strategy)
    }
    t.equal(served[2], 30)
    served.fill(0)
    await pool.close()
  }
  await Promise.all(origins.map((origin) => origin.close()))
})
