import assert from 'node:assert/strict'
import { BatchInterceptor } from '@mswjs/interceptors'
import { FetchInterceptor } from '@mswjs/interceptors/fetch'
import { HttpRequestInterceptor } from '@mswjs/interceptors/http'
import { Agent, Client, Pool, request } from 'undici'
import { failure, mirror, scenario, service } from './harness.mjs'

/** Answers by `mock`; without an answer the request goes on. */
function intercept(context, interceptors, mock) {
  const interceptor = new BatchInterceptor({ name: 'test', interceptors })
  const seen = []
  interceptor.on('request', async (event) => {
    const { request, controller } = event
    seen.push(`${request.method} ${request.url}`)
    const answer = mock?.(request)
    if (answer) controller.respondWith(await answer)
  })
  interceptor.apply()
  context.after(() => interceptor.dispose())
  return seen
}

scenario('mocks fetch with the dispatcher option', async (context) => {
  const dispatcher = new Agent()
  context.after(() => dispatcher.close())
  const seen = intercept(context, [new FetchInterceptor()], async (request) =>
    Response.json({ text: await request.text() }, { status: 201 }),
  )
  const response = await fetch('http://mocked.example/a', { method: 'POST', body: 'hi', dispatcher })
  assert.deepEqual([response.status, await response.json()], [201, { text: 'hi' }])
  assert.deepEqual(seen, ['POST http://mocked.example/a'])
})

scenario('passes fetch requests that are not mocked to the dispatcher', async (context) => {
  const one = await service(context, { '/': mirror })
  let connects = 0
  const dispatcher = new Agent().on('connect', () => connects++)
  context.after(() => dispatcher.close())
  const seen = intercept(context, [new FetchInterceptor()])
  const response = await fetch(one.url, { method: 'POST', body: 'hi', dispatcher })
  assert.equal((await response.json()).body, 'hi')
  assert.equal(connects, 1)
  assert.deepEqual(seen, [`POST ${one.url}/`])
})

scenario('mocks requests at the socket level', async (context) => {
  const seen = intercept(context, [new HttpRequestInterceptor()], async (request) =>
    Response.json({ text: await request.text() }, { status: 201, headers: { 'x-by': 'mock' } }),
  )
  const client = new Client('http://mocked.example')
  context.after(() => client.destroy())
  for (const body of ['one', 'two']) {
    const response = await client.request({ path: `/${body}`, method: 'POST', body })
    assert.deepEqual([response.statusCode, response.headers['x-by']], [201, 'mock'])
    assert.deepEqual(await response.body.json(), { text: body })
  }
  assert.deepEqual(seen, ['POST http://mocked.example/one', 'POST http://mocked.example/two'])
})

scenario('passes requests that are not mocked to the server', async (context) => {
  const one = await service(context, { '/': mirror })
  const seen = intercept(context, [new HttpRequestInterceptor()])
  const pool = new Pool(one.url, { connections: 2 })
  context.after(() => pool.destroy())
  for (let i = 0; i < 3; i++) {
    const { statusCode, body } = await pool.request({ path: '/', method: 'PUT', body: 'text' })
    assert.deepEqual([statusCode, (await body.json()).body], [200, 'text'])
  }
  assert.equal(seen.length, 3)
})

scenario('fails a request with an error at the socket level', async (context) => {
  intercept(context, [new HttpRequestInterceptor()], () => Response.error())
  const error = await failure(request('http://mocked.example/', { dispatcher: new Agent() }))
  assert.ok(error instanceof Error)
})
