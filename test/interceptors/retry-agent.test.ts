import { Writable } from 'node:stream'
import t from 'tap'
import { Agent, Client, Dispatcher, interceptors, Pool, RetryAgent } from '../../lib/index.js'
import { examplesOf, runExample } from '../servers/documentation.js'
import { event } from '../servers/origin.js'
import { busy, cut, fine, get, lost, quick, rest } from '../servers/retrying.js'
import { message, scriptedOrigin } from '../servers/script.js'

t.test("the documentation's example, as it is written", async (t) => {
  const [code, ...others] = examplesOf('RetryAgent.md')
  t.strictSame(others, [])
  const origin = await scriptedOrigin(message('503 Busy', '', { 'retry-after': '0' }), message('200 OK', 'at last'))
  const output: unknown[] = []
  const console = { log: (value: unknown) => output.push(value) }
  const here = (code as string).replace('http://example.com', origin.url)
  const { agent } = await runExample(here, { console }, ['agent'])
  t.strictSame(output, [200, 'at last'])
  await (agent as unknown as RetryAgent).close()
  await origin.close()
})

const dispatchers: [string, (url: string) => Dispatcher][] = [
  ['Client', (url) => new Client(url)],
  ['Pool', (url) => new Pool(url)],
  ['Agent', () => new Agent()],
  ['a composed Pool', (url) => new Pool(url).compose(interceptors.redirect())],
]

for (const [name, make] of dispatchers) {
  t.test(`retries over ${name}`, async (t) => {
    const origin = await scriptedOrigin(lost, busy, cut, rest, fine)
    const agent = new RetryAgent(make(origin.url), quick)
    t.ok(agent instanceof Dispatcher)
    const request = { ...get, origin: origin.url }
    const { statusCode, body } = await agent.request(request)
    t.equal(statusCode, 200)
    t.equal(await body.text(), '0123456789')
    const chunks: string[] = []
    await agent.stream(
      request,
      () =>
        new Writable({
          write(chunk, _encoding, callback) {
            chunks.push(String(chunk))
            callback()
          },
        }),
    )
    t.equal(chunks.join(''), 'fine')
    await agent.close()
    await t.rejects(agent.request(request), { code: /UND_ERR_(CLOSED|DESTROYED)/ })
    await origin.close()
  })
}

t.test('ignores the retryOptions of requests', async (t) => {
  const origin = await scriptedOrigin(busy)
  const client = new Client(origin.url)
  const agent = new RetryAgent(client, { ...quick, maxRetries: 1 })
  await t.rejects(agent.request({ ...get, retryOptions: { maxRetries: 4 } }), { code: 'UND_ERR_REQ_RETRY' })
  t.equal(origin.requests.length, 2)
  const lenient = new RetryAgent(client, { ...quick, maxRetries: 1, throwOnError: false })
  t.equal(await (await lenient.request(get)).body.text(), 'busy')
  const counters: number[] = []
  const asking = new RetryAgent(client, {
    retry(error, { state, opts }, callback) {
      counters.push(state.counter)
      t.equal(opts.path, '/')
      callback(state.counter < 3 ? undefined : error)
    },
  })
  await t.rejects(asking.request(get), { code: 'UND_ERR_REQ_RETRY', statusCode: 503, data: { count: 2 } })
  t.strictSame(counters, [1, 2, 3])
  await client.close()
  await origin.close()
})

t.test('nested retry interceptors see the same options at each attempt', async (t) => {
  const origin = await scriptedOrigin(busy)
  const inner = new Client(origin.url).compose(interceptors.retry({ ...quick, maxRetries: 1 }))
  const agent = new RetryAgent(inner, { ...quick, maxRetries: 2 })
  await t.rejects(agent.request(get), { code: 'UND_ERR_REQ_RETRY', statusCode: 503 })
  t.equal(origin.requests.length, 6, 'three attempts of two each')
  await t.rejects(agent.request({ ...get, retryOptions: { maxRetries: 0 } }), {
    code: 'UND_ERR_REQ_RETRY',
    statusCode: 503,
  })
  t.equal(origin.requests.length, 9, 'three attempts of one each')
  await agent.close()
  await origin.close()
})

t.test('forwards events, close and destroy', async (t) => {
  const origin = await scriptedOrigin(fine)
  const client = new Client(origin.url)
  const agent = new RetryAgent(client)
  const connected = event(agent as never, 'connect')
  await (await agent.request(get)).body.dump()
  await connected
  t.equal(agent.closed, false)
  await agent.destroy(new Error('enough'))
  t.equal(agent.destroyed, true)
  t.equal(client.destroyed, true)
  const another = new RetryAgent(new Client(origin.url))
  await new Promise<void>((resolve) => another.close(resolve))
  const last = new RetryAgent(new Client(origin.url))
  await new Promise<void>((resolve) => last.destroy(null, resolve))
  await origin.close()
})

t.test('close and destroy fail a request that waits for a retry', async (t) => {
  for (const end of ['close', 'destroy'] as const) {
    const origin = await scriptedOrigin(message('503 Busy', '', { 'retry-after': '1' }))
    const client = new Client(origin.url)
    const agent = new RetryAgent(client, { maxTimeout: 30 })
    const waiting = agent.request(get)
    waiting.catch(() => {})
    while (origin.requests.length === 0 || client.stats.size > 0) await new Promise(setImmediate)
    await agent[end]()
    await t.rejects(waiting, { code: /UND_ERR_(CLOSED|DESTROYED)/ })
    t.equal(origin.requests.length, 1)
    await origin.close()
  }
})

t.test('rejects invalid arguments', async (t) => {
  const code = 'UND_ERR_INVALID_ARG'
  for (const wrong of [undefined, null, {}, 'http://localhost']) {
    t.throws(() => new RetryAgent(wrong as never), { code, message: /dispatcher/ })
  }
  const client = new Client('http://localhost')
  t.throws(() => new RetryAgent(client, { maxRetries: -1 }), { code, message: /maxRetries/ })
  const agent = new RetryAgent(client)
  t.throws(() => agent.dispatch(null as never, {}), { code })
  t.throws(() => agent.dispatch(get, 5 as never), { code })
  await agent.close()
})
