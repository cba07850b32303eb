import assert from 'node:assert/strict'
import http from 'node:http'
import nock from 'nock'
import { Agent, getGlobalDispatcher, request, setGlobalDispatcher } from 'undici'
import { failure, mirror, scenario, service } from './harness.mjs'

scenario('mocks fetch with the dispatcher option', async (context) => {
  context.after(() => nock.cleanAll())
  const dispatcher = new Agent()
  context.after(() => dispatcher.close())
  nock('http://mocked.example').get('/a').query({ b: 'c' }).reply(200, { mocked: true }, { 'x-by': 'nock' })
  nock('http://mocked.example').post('/a', { a: 1 }).reply(201, 'made')
  const get = await fetch('http://mocked.example/a?b=c', { dispatcher })
  assert.deepEqual([get.status, get.headers.get('x-by'), await get.json()], [200, 'nock', { mocked: true }])
  const headers = { 'content-type': 'application/json' }
  const post = await fetch('http://mocked.example/a', { method: 'POST', headers, body: '{"a":1}', dispatcher })
  assert.deepEqual([post.status, await post.text()], [201, 'made'])
  assert.ok(nock.isDone())
})

scenario('passes fetch requests that are not mocked to the dispatcher', async (context) => {
  context.after(() => nock.cleanAll())
  const one = await service(context, { '/': mirror })
  let connects = 0
  const dispatcher = new Agent().on('connect', () => connects++)
  context.after(() => dispatcher.close())
  nock.enableNetConnect('127.0.0.1')
  context.after(() => nock.enableNetConnect())
  const response = await fetch(one.url, { method: 'POST', body: 'text', dispatcher })
  assert.equal((await response.json()).body, 'text')
  assert.equal(connects, 1)
  assert.match(
    (await failure(fetch('http://other.example/', { dispatcher }))).message,
    /NetConnect|Disallowed|fetch failed/i,
  )
})

scenario('does not mock requests of the function request', async (context) => {
  context.after(() => nock.cleanAll())
  const one = await service(context, { '/': mirror })
  nock('http://mocked.example').get('/').reply(200, 'mocked')
  const { statusCode, body } = await request(one.url, { method: 'PUT', body: 'text' })
  assert.deepEqual([statusCode, (await body.json()).body], [200, 'text'])
  const answer = await new Promise((resolve) => http.get('http://mocked.example/', resolve))
  assert.equal(Buffer.concat(await answer.toArray()).toString(), 'mocked')
})

scenario('records requests of the built-in fetch over the global dispatcher', async (context) => {
  const one = await service(context, { '/': mirror })
  const before = getGlobalDispatcher()
  let connects = 0
  const agent = new Agent().on('connect', () => connects++)
  setGlobalDispatcher(agent)
  context.after(() => setGlobalDispatcher(before))
  nock.restore()
  nock.recorder.rec({ output_objects: true, dont_print: true })
  await (await fetch(one.url)).text()
  const [recorded] = nock.recorder.play()
  nock.recorder.clear()
  nock.restore()
  nock.activate()
  assert.deepEqual([recorded.scope, recorded.path, recorded.status], [one.url, '/', 200])
  assert.equal(connects, 1)
  await agent.destroy()
})
