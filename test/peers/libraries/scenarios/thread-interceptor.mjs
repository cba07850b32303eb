import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { Agent, interceptors, Pool, request } from 'undici'
import { createThreadInterceptor } from 'undici-thread-interceptor'
import { failure, mirror, scenario, service } from './harness.mjs'

const app = `
import { parentPort, workerData } from 'node:worker_threads'
import { request } from 'undici'
import { wire } from 'undici-thread-interceptor'

const { interceptor } = wire({ domain: '.local', port: parentPort, server: async (incoming, response) => {
  if (incoming.url === '/name') return response.end(workerData)
  if (incoming.url === '/sized') {
    const text = JSON.stringify({ grüße: workerData })
    return response.writeHead(200, { 'content-length': Buffer.byteLength(text) }).end(text)
  }
  if (incoming.url === '/fails') return response.writeHead(500, { 'x-why': 'broken' }).end('broken')
  if (incoming.url === '/other') {
    const { statusCode, body } = await request('http://second.local/name')
    return response.writeHead(statusCode).end('through ' + await body.text())
  }
  const chunks = []
  for await (const chunk of incoming) chunks.push(chunk)
  response.writeHead(200, { 'x-method': incoming.method, 'x-url': incoming.url, 'x-seen': incoming.headers['x-mine'] ?? '' })
  response.end(Buffer.concat(chunks))
} })
`

/** A worker that runs the app, from a module that resolves its imports here. */
function worker(context, name) {
  const code = app.replaceAll(/from '(undici[^']*)'/g, (_, name) => `from '${import.meta.resolve(name)}'`)
  const one = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), { workerData: name })
  context.after(() => one.terminate())
  return one
}

async function start(context, routes = { first: 1 }) {
  const interceptor = createThreadInterceptor({ domain: '.local' })
  for (const [name, count] of Object.entries(routes)) {
    for (let i = 0; i < count; i++) await interceptor.route(name, worker(context, `${name} ${i}`))
  }
  const agent = new Agent()
  context.after(async () => {
    await interceptor.close()
    await agent.close()
  })
  return { agent, interceptor, dispatcher: agent.compose(interceptor) }
}

scenario('sends requests to a worker', async (context) => {
  const { dispatcher } = await start(context)
  const headers = { 'x-mine': 'kept' }
  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
    const sent = method === 'GET' ? null : `body of ${method}`
    const answer = await request('http://first.local/a?b=c', { method, headers, body: sent, dispatcher })
    assert.equal(answer.statusCode, 200)
    assert.deepEqual([answer.headers['x-method'], answer.headers['x-url']], [method, '/a?b=c'])
    assert.equal(answer.headers['x-seen'], 'kept')
    assert.equal(await answer.body.text(), sent ?? '')
  }
})

scenario('reads a response with content-length by each body method', async (context) => {
  const { dispatcher } = await start(context)
  const body = async () => (await request('http://first.local/sized', { dispatcher })).body
  const expected = { grüße: 'first 0' }
  assert.deepEqual(await (await body()).json(), expected)
  assert.deepEqual(JSON.parse(await (await body()).text()), expected)
  assert.deepEqual(JSON.parse(Buffer.from(await (await body()).arrayBuffer())), expected)
  assert.deepEqual(JSON.parse(Buffer.concat(await (await body()).toArray())), expected)
})

scenario('returns error statuses', async (context) => {
  const { dispatcher } = await start(context)
  const { statusCode, headers, body } = await request('http://first.local/fails', { dispatcher })
  assert.deepEqual([statusCode, headers['x-why'], await body.text()], [500, 'broken', 'broken'])
  const error = await failure(
    request('http://first.local/fails', { dispatcher: dispatcher.compose(interceptors.responseError()) }),
  )
  assert.equal(error.statusCode, 500)
})

scenario('sends and receives large bodies', async (context) => {
  const { dispatcher } = await start(context)
  const big = randomBytes(1_000_000)
  const { body } = await request('http://first.local/', { method: 'PUT', body: big, dispatcher })
  assert.ok(big.equals(Buffer.from(await body.arrayBuffer())))
})

scenario('distributes requests to workers of the same name in turn', async (context) => {
  const { dispatcher } = await start(context, { first: 2 })
  const seen = new Map()
  for (let i = 0; i < 10; i++) {
    const { body } = await request('http://first.local/name', { dispatcher })
    const name = await body.text()
    seen.set(name, (seen.get(name) ?? 0) + 1)
  }
  assert.deepEqual(Object.fromEntries(seen), { 'first 0': 5, 'first 1': 5 })
})

scenario('workers send requests to each other through their global dispatcher', async (context) => {
  const { dispatcher } = await start(context, { first: 1, second: 1 })
  const { statusCode, body } = await request('http://first.local/other', { dispatcher })
  assert.deepEqual([statusCode, await body.text()], [200, 'through second 0'])
})

scenario('sends requests to other origins over the network', async (context) => {
  const { agent, dispatcher, interceptor } = await start(context)
  const one = await service(context, { '/': mirror })
  const { body } = await request(one.url, { dispatcher })
  assert.equal((await body.json()).method, 'GET')
  const pool = new Pool(one.url)
  const answer = await pool.compose(interceptor).request({ origin: one.url, path: '/', method: 'GET' })
  assert.equal(answer.statusCode, 200)
  await answer.body.dump()
  await pool.close()
  assert.deepEqual(Object.keys(agent.stats), [one.url])
})

scenario('rejects an unknown worker name, and works with other interceptors', async (context) => {
  const { dispatcher } = await start(context)
  assert.match((await failure(request('http://nobody.local/', { dispatcher }))).message, /nobody/i)
  const chain = dispatcher.compose(interceptors.retry(), interceptors.redirect({ maxRedirections: 2 }))
  const { body } = await request('http://first.local/name', { dispatcher: chain })
  assert.equal(await body.text(), 'first 0')
})
