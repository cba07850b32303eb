import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { DiscordAPIError, HTTPError, makeURLSearchParams, REST } from '@discordjs/rest'
import { closedPort, cut, failure, json, scenario, service, silent, until } from './harness.mjs'

// That of the package: the top one may be of another major version, whose FormData differs.
const { Agent, Pool } = createRequire(import.meta.resolve('@discordjs/rest'))('undici')
const picture = randomBytes(1_000_000)

function open(context, api, agent) {
  const rest = new REST({ api, offset: 0, ...(agent !== undefined && { agent }) }).setToken('secret')
  context.after(() => {
    rest.clearHandlerSweeper()
    rest.clearHashSweeper()
  })
  return rest
}

const messages = (request, response, body) => {
  const type = String(request.headers['content-type'])
  json({ type, whole: body.includes(picture), hasContent: body.includes('"content":"hi"') })(request, response, body)
}

scenario('sends JSON and files', async (context) => {
  const one = await service(context, {
    '/v10/channels/1': json({ id: '1' }),
    '/v10/channels/1/messages': messages,
    '/v10/channels/1/messages/2': (_request, response) => response.writeHead(204).end(),
  })
  for (const agent of [undefined, new Agent({ connections: 2 }), new Pool(one.url)]) {
    const rest = open(context, one.url, agent)
    assert.deepEqual(await rest.get('/channels/1', { query: makeURLSearchParams({ limit: 5 }) }), { id: '1' })
    assert.equal(one.received.at(-1).url, '/v10/channels/1?limit=5')
    assert.equal(one.received.at(-1).headers.authorization, 'Bot secret')
    const body = { content: 'hi' }
    const posted = await rest.post('/channels/1/messages', { body })
    assert.deepEqual([/^application\/json/.test(posted.type), posted.hasContent], [true, true])
    const sent = await rest.post('/channels/1/messages', { body, files: [{ name: 'picture.png', data: picture }] })
    assert.deepEqual(
      [/^multipart\/form-data; boundary=/.test(sent.type), sent.hasContent, sent.whole],
      [true, true, true],
    )
    await rest.delete('/channels/1/messages/2', { reason: 'spam' })
    assert.equal(one.received.at(-1).headers['x-audit-log-reason'], 'spam')
    await agent?.close()
  }
})

scenario('returns raw responses', async (context) => {
  const one = await service(context, {
    '/v10/picture': (_request, response) => response.setHeader('content-type', 'image/png').end(picture),
  })
  const rest = open(context, one.url)
  assert.ok(picture.equals(Buffer.from(await rest.get('/picture'))))
  const raw = await rest.queueRequest({ fullRoute: '/picture', method: 'GET' })
  assert.equal(raw.headers.get('content-type'), 'image/png')
  assert.equal((await raw.arrayBuffer()).byteLength, picture.length)
})

scenario('respects rate limits, and retries after failures', async (context) => {
  const headers = { 'retry-after': '0.01', 'x-ratelimit-scope': 'user' }
  const limited = json({ message: 'slow down', retry_after: 0.01, global: false }, 429, headers)
  const one = await service(context, {
    '/v10/guilds/1': [limited, json({ id: 'after the limit' })],
    '/v10/guilds/2': [json({}, 500), json({}, 502), json({ id: 'after errors' })],
    '/v10/guilds/3': [cut, json({ id: 'after a cut' })],
    '/v10/guilds/4': json({ code: 10_004, message: 'Unknown Guild' }, 404),
    '/v10/guilds/5': json({}, 503),
  })
  const rest = open(context, one.url)
  assert.deepEqual(await rest.get('/guilds/1'), { id: 'after the limit' })
  assert.deepEqual(await rest.get('/guilds/2'), { id: 'after errors' })
  assert.deepEqual(await rest.get('/guilds/3'), { id: 'after a cut' })
  const unknown = await failure(rest.get('/guilds/4'))
  assert.ok(unknown instanceof DiscordAPIError)
  assert.deepEqual([unknown.code, unknown.status, unknown.message], [10_004, 404, 'Unknown Guild'])
  const failing = await failure(rest.get('/guilds/5'))
  assert.ok(failing instanceof HTTPError)
  assert.equal(failing.status, 503)
})

scenario('aborts, and fails if the connection is refused', async (context) => {
  let lost = 0
  const one = await service(context, {
    '/v10/users/1': (request, response) => {
      response.on('close', () => lost++)
      silent(request)
    },
  })
  const rest = open(context, one.url)
  const controller = new AbortController()
  const aborted = failure(rest.get('/users/1', { signal: controller.signal }))
  await until(() => one.received.length === 1)
  controller.abort()
  assert.equal((await aborted).name, 'AbortError')
  await until(() => lost === 1)
  const dead = open(context, `http://127.0.0.1:${await closedPort()}`)
  assert.equal((await failure(dead.get('/channels/1'))).code, 'ECONNREFUSED')
})
