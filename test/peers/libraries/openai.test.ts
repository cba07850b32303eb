import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import OpenAI, { toFile } from 'openai'
import t from 'tap'
import { Agent, Pool } from '../../../lib/index.js'
import { freePort } from '../../servers/program.js'
import { type Answer, carry, cut, json, service, silence } from './service.js'

const big = randomBytes(3_000_000)
const completion = { id: 'c1', choices: [{ index: 0, message: { role: 'assistant', content: 'hello' } }] }
const parameters = { model: 'm', messages: [{ role: 'user' as const, content: 'hi' }] }
const soon = { 'retry-after-ms': '1' }

const delta = (content: string) =>
  `data: ${JSON.stringify({ id: 'c1', choices: [{ index: 0, delta: { content } }] })}\n\n`

/** Path of streamed responses. */
const open: ServerResponse[] = []

const chat: Answer = (request, reply, body) => {
  if (!JSON.parse(body.toString()).stream) return json(completion)(request, reply, body)
  reply.writeHead(200, { 'content-type': 'text/event-stream' }).write(delta('word 0 '))
  open.push(reply)
}

t.test('openai over an Agent', async (t) => {
  const one = await service({
    '/v1/chat/completions': chat,
    '/v1/files': (request, reply, body) => {
      const whole = body.includes(big) && body.includes('name="purpose"')
      json({ id: 'f1', whole, type: request.headers['content-type'] })(request, reply, body)
    },
    '/v1/files/f1/content': (_request, reply) => void reply.end(big),
    '/v1/models/busy': [json({}, 500, soon), json({}, 429, soon), json({ id: 'busy' })],
    '/v1/models/cut': [cut, json({ id: 'cut' })],
    '/v1/models/bad': json({ error: { message: 'no such model', code: 'bad' } }, 400),
    '/v1/models/silent': silence,
    '/v1/models/fine': json({ id: 'fine' }),
    '/v1/models/gone': json({ id: 'gone', deleted: true }),
  })
  await carry(t, { service: one, dispatcher: new Agent({ connections: 6 }), most: 9 }, async (dispatcher) => {
    const fetchOptions = { dispatcher: dispatcher as never }
    const client = new OpenAI({ apiKey: 'secret', baseURL: `${one.url}/v1`, fetchOptions })

    const answer = await client.chat.completions.create(parameters)
    t.equal(answer.choices[0]?.message.content, 'hello')
    t.match(one.received[0], { method: 'POST', headers: { authorization: 'Bearer secret' } })
    t.match(await client.models.delete('gone'), { deleted: true })

    await t.test('a streamed response arrives word by word', async (t) => {
      const stream = await client.chat.completions.create({ ...parameters, stream: true })
      const reply = open.pop() as ServerResponse
      let words = 0
      for await (const { choices } of stream) {
        // The server sends the next chunk after this one was read.
        t.equal(choices[0]?.delta.content, `word ${words++} `)
        if (words < 5) reply.write(delta(`word ${words} `))
        else reply.end('data: [DONE]\n\n')
      }
      t.equal(words, 5)
    })

    await t.test('cancelling a stream closes it at the server', async () => {
      const lost = one.lost('/v1/chat/completions')
      const stream = await client.chat.completions.create({ ...parameters, stream: true })
      for await (const _ of stream) break
      await lost
    })

    const file = await client.files.create({ file: await toFile(big, 'big.bin'), purpose: 'batch' })
    t.match(file, { whole: true, type: /^multipart\/form-data; boundary=/ })
    t.ok(big.equals(Buffer.from(await (await client.files.content('f1')).arrayBuffer())))

    t.match(await client.models.retrieve('busy'), { id: 'busy' }, 'after a 500 and a 429')
    t.match(await client.models.retrieve('cut'), { id: 'cut' }, 'after a lost connection')
    const wrong = client.models.retrieve('bad', { maxRetries: 0 })
    await t.rejects(wrong, { name: 'Error', constructor: OpenAI.BadRequestError, status: 400, code: 'bad' })
    const lost = one.lost('/v1/models/silent')
    const late = await client.models.retrieve('silent', { timeout: 30, maxRetries: 0 }).catch((error) => error)
    t.ok(late instanceof OpenAI.APIConnectionTimeoutError)
    await lost
    const many = await Promise.all(Array.from({ length: 40 }, () => client.models.retrieve('fine')))
    t.equal(many.length, 40)
  })
})

t.test('openai reports a refused connection', async (t) => {
  const baseURL = `http://127.0.0.1:${await freePort()}/v1`
  const pool = new Pool(new URL(baseURL).origin)
  const fetchOptions = { dispatcher: pool as never }
  const client = new OpenAI({ apiKey: 'secret', baseURL, fetchOptions, maxRetries: 0 })
  const error = await client.models.list().catch((error) => error)
  t.ok(error instanceof OpenAI.APIConnectionError)
  t.match(error.cause, { message: 'fetch failed', cause: { code: 'ECONNREFUSED' } })
  await pool.close()
})
