import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import OpenAI, { toFile } from 'openai'
import { Agent, getGlobalDispatcher, Pool, setGlobalDispatcher } from 'undici'
import { closedPort, cut, failure, json, scenario, service, silent, until } from './harness.mjs'

const big = randomBytes(2_000_000)
const completion = { id: 'c1', choices: [{ index: 0, message: { role: 'assistant', content: 'hello' } }] }
const parameters = { model: 'm', messages: [{ role: 'user', content: 'hi' }] }
const delta = (content) => `data: ${JSON.stringify({ id: 'c1', choices: [{ index: 0, delta: { content } }] })}\n\n`

/** A client over an Agent; every connection that the service accepts must be one of the Agent's. */
function open(context, one, options = {}) {
  let connects = 0
  const dispatcher = new Agent({ connections: 4 }).on('connect', () => connects++)
  context.after(async () => {
    await dispatcher.destroy()
    assert.equal(one.connections(), connects)
  })
  return new OpenAI({ apiKey: 'secret', baseURL: `${one.url}/v1`, fetchOptions: { dispatcher }, ...options })
}

scenario('sends a chat completion request and parses the response', async (context) => {
  const one = await service(context, {
    '/v1/chat/completions': json(completion),
    '/v1/models/fine': json({ id: 'fine' }),
  })
  const client = open(context, one)
  const { choices } = await client.chat.completions.create(parameters)
  assert.equal(choices[0].message.content, 'hello')
  assert.equal(one.received[0].headers.authorization, 'Bearer secret')
  assert.deepEqual(JSON.parse(one.received[0].body), parameters)
  const many = await Promise.all(Array.from({ length: 30 }, () => client.models.retrieve('fine')))
  assert.ok(many.every(({ id }) => id === 'fine'))
  assert.ok(one.connections() <= 4)
})

scenario('streams a response, and closes the connection if the caller stops reading', async (context) => {
  let lost = 0
  let reply
  const one = await service(context, {
    '/v1/chat/completions': (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(delta('word 0'))
      response.on('close', () => response.writableFinished || lost++)
      reply = response
    },
  })
  const client = open(context, one)
  const stream = await client.chat.completions.create({ ...parameters, stream: true })
  let words = 0
  for await (const { choices } of stream) {
    // The next one is not sent before this one was read.
    assert.equal(choices[0].delta.content, `word ${words++}`)
    if (words < 5) reply.write(delta(`word ${words}`))
    else reply.end('data: [DONE]\n\n')
  }
  assert.equal(words, 5)
  for await (const _ of await client.chat.completions.create({ ...parameters, stream: true })) break
  await until(() => lost === 1)
})

scenario('uploads and downloads files', async (context) => {
  const one = await service(context, {
    '/v1/files': (request, response, body) => {
      const whole = body.includes(big) && body.includes('name="purpose"')
      json({ id: 'f1', whole, type: request.headers['content-type'] })(request, response, body)
    },
    '/v1/files/f1/content': (_request, response) => response.end(big),
  })
  const client = open(context, one)
  const file = await client.files.create({ file: await toFile(big, 'big.bin'), purpose: 'batch' })
  assert.ok(file.whole)
  assert.match(file.type, /^multipart\/form-data; boundary=/)
  assert.ok(big.equals(Buffer.from(await (await client.files.content('f1')).arrayBuffer())))
})

scenario('retries, times out and fails', async (context) => {
  const soon = { 'retry-after-ms': '1' }
  const one = await service(context, {
    '/v1/models/busy': [json({}, 500, soon), json({}, 429, soon), json({ id: 'busy' })],
    '/v1/models/cut': [cut, json({ id: 'cut' })],
    '/v1/models/bad': json({ error: { message: 'no such model', code: 'bad' } }, 400),
    '/v1/models/silent': silent,
  })
  const client = open(context, one)
  assert.equal((await client.models.retrieve('busy')).id, 'busy')
  assert.equal((await client.models.retrieve('cut')).id, 'cut')
  const wrong = await failure(client.models.retrieve('bad', { maxRetries: 0 }))
  assert.ok(wrong instanceof OpenAI.BadRequestError)
  assert.deepEqual([wrong.status, wrong.code], [400, 'bad'])
  const late = await failure(client.models.retrieve('silent', { timeout: 50, maxRetries: 0 }))
  assert.ok(late instanceof OpenAI.APIConnectionTimeoutError)
  const baseURL = `http://127.0.0.1:${await closedPort()}/v1`
  const dead = new Pool(new URL(baseURL).origin)
  const unreachable = new OpenAI({ apiKey: 'secret', baseURL, fetchOptions: { dispatcher: dead }, maxRetries: 0 })
  const refused = await failure(unreachable.models.list())
  assert.ok(refused instanceof OpenAI.APIConnectionError)
  assert.equal(refused.cause.cause.code, 'ECONNREFUSED')
  await dead.close()
})

scenario('uses the global dispatcher', async (context) => {
  const one = await service(context, { '/v1/models/fine': json({ id: 'fine' }) })
  const before = getGlobalDispatcher()
  let connects = 0
  const agent = new Agent().on('connect', () => connects++)
  setGlobalDispatcher(agent)
  context.after(() => setGlobalDispatcher(before))
  const client = new OpenAI({ apiKey: 'secret', baseURL: `${one.url}/v1` })
  assert.equal((await client.models.retrieve('fine')).id, 'fine')
  assert.equal(connects, 1)
  await agent.destroy()
})
