import assert from 'node:assert/strict'
import { Client, getGlobalDispatcher, interceptors, Pool, request, setGlobalDispatcher, stream } from 'undici'
import { MockAgent, MockPool } from 'undici-original'
import { failure, mirror, scenario, service } from './harness.mjs'

const origin = 'http://mocked.example'

function open(context) {
  const mock = new MockAgent()
  context.after(() => mock.close())
  return mock
}

scenario('is a dispatcher of each function', async (context) => {
  const mock = open(context)
  mock.disableNetConnect()
  const pool = mock.get(origin)
  assert.ok(pool instanceof MockPool)
  pool.intercept({ path: '/a?b=c', method: 'GET' }).reply(200, { mocked: true }, { headers: { 'x-by': 'mock' } })
  pool.intercept({ path: '/a', method: 'POST', body: 'text' }).reply(201, 'made')
  pool.intercept({ path: '/s', method: 'GET' }).reply(200, 'streamed')
  const get = await request(`${origin}/a?b=c`, { dispatcher: mock })
  assert.deepEqual([get.statusCode, get.headers['x-by'], await get.body.json()], [200, 'mock', { mocked: true }])
  const post = await request(`${origin}/a`, { method: 'POST', body: 'text', dispatcher: mock })
  assert.deepEqual([post.statusCode, await post.body.text()], [201, 'made'])
  const chunks = []
  const { Writable } = process.getBuiltinModule('node:stream')
  const sink = () => new Writable({ write: (chunk, _encoding, done) => done(null, chunks.push(chunk)) })
  await stream(`${origin}/s`, { method: 'GET', dispatcher: mock }, sink)
  assert.equal(Buffer.concat(chunks).toString(), 'streamed')
  mock.assertNoPendingInterceptors()
})

scenario('fails, delays and repeats as it was told to', async (context) => {
  const mock = open(context)
  mock.disableNetConnect()
  const pool = mock.get(origin)
  pool.intercept({ path: '/fails', method: 'GET' }).replyWithError(new Error('broken'))
  pool.intercept({ path: '/slow', method: 'GET' }).reply(200, 'slow').delay(20)
  pool.intercept({ path: '/busy', method: 'GET' }).reply(503, 'busy')
  pool.intercept({ path: '/busy', method: 'GET' }).reply(200, 'done')
  assert.equal((await failure(request(`${origin}/fails`, { dispatcher: mock }))).message, 'broken')
  assert.equal(await (await request(`${origin}/slow`, { dispatcher: mock })).body.text(), 'slow')
  const unknown = await failure(request(`${origin}/unknown`, { dispatcher: mock }))
  assert.equal(unknown.code, 'UND_MOCK_ERR_MOCK_NOT_MATCHED')
  const retrying = mock.compose(interceptors.retry({ minTimeout: 1, timeoutFactor: 1 }))
  assert.equal(await (await request(`${origin}/busy`, { dispatcher: retrying })).body.text(), 'done')
})

scenario('lets through what is not mocked', async (context) => {
  const one = await service(context, { '/real': mirror })
  const mock = open(context)
  mock.enableNetConnect(/^127\.0\.0\.1/)
  mock.get(one.url).intercept({ path: '/mocked', method: 'GET' }).reply(200, 'mocked')
  const answer = await request(`${one.url}/mocked`, { dispatcher: mock })
  assert.equal(await answer.body.text(), 'mocked')
  const real = await request(`${one.url}/real`, { method: 'PUT', body: 'text', dispatcher: mock })
  assert.equal((await real.body.json()).body, 'text')
  assert.equal(one.received.length, 1)
})

scenario('is the global dispatcher of the functions and of fetch', async (context) => {
  const before = getGlobalDispatcher()
  context.after(() => setGlobalDispatcher(before))
  const mock = open(context)
  mock.disableNetConnect()
  setGlobalDispatcher(mock)
  mock.get(origin).intercept({ path: '/', method: 'GET' }).reply(200, 'mocked').times(2)
  assert.equal(await (await request(origin)).body.text(), 'mocked')
  assert.equal(await (await fetch(origin)).text(), 'mocked')
})

scenario('goes under interceptors, and pools of ours beside it', async (context) => {
  const one = await service(context, { '/': mirror })
  const mock = open(context)
  mock.disableNetConnect()
  mock
    .get(origin)
    .intercept({ path: '/moved', method: 'GET' })
    .reply(302, '', { headers: { location: '/there' } })
  mock.get(origin).intercept({ path: '/there', method: 'GET' }).reply(200, 'there')
  const following = mock.compose(interceptors.redirect({ maxRedirections: 2 }))
  assert.equal(await (await request(`${origin}/moved`, { dispatcher: following })).body.text(), 'there')
  for (const dispatcher of [new Client(one.url), new Pool(one.url)]) {
    assert.equal((await request(one.url, { dispatcher })).statusCode, 200)
    await dispatcher.destroy()
  }
})
