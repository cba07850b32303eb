import { randomBytes } from 'node:crypto'
import { DiscordAPIError, HTTPError, REST } from '@discordjs/rest'
import t from 'tap'
import { Agent, Pool } from '../../../lib/index.js'
import { freePort } from '../../servers/program.js'
import { carry, cut, json, service, silence } from './service.js'

const picture = randomBytes(1_000_000)

function open(api: string, agent: Agent | Pool): REST {
  // The package declares the type of undici's own class.
  const rest = new REST({ api, agent: agent as never, offset: 0 }).setToken('secret')
  t.teardown(() => {
    rest.clearHandlerSweeper()
    rest.clearHashSweeper()
  })
  return rest
}

t.test('@discordjs/rest over an Agent', async (t) => {
  const limited = json({ message: 'slow down', retry_after: 0.01, global: false }, 429, {
    'retry-after': '0.01',
    'x-ratelimit-scope': 'user',
  })
  const one = await service({
    '/v10/channels/1': json({ id: '1' }),
    '/v10/channels/1/messages': (request, reply, body) => {
      const type = String(request.headers['content-type'])
      json({ type, whole: body.includes(picture), hasContent: body.includes('"content":"hi"') })(request, reply, body)
    },
    '/v10/channels/1/messages/2': (_request, reply) => void reply.writeHead(204).end(),
    '/v10/guilds/1': [limited, json({ id: 'after the limit' })],
    '/v10/guilds/2': [json({}, 500), json({}, 502), json({ id: 'after errors' })],
    '/v10/guilds/3': [cut, json({ id: 'after a cut' })],
    '/v10/guilds/4': json({ code: 10_004, message: 'Unknown Guild' }, 404),
    '/v10/guilds/5': json({}, 503),
    '/v10/users/1': silence,
    '/v10/picture': (_request, reply) => void reply.setHeader('content-type', 'image/png').end(picture),
  })
  await carry(t, { service: one, dispatcher: new Agent({ connections: 4 }), most: 6 }, async (agent) => {
    const rest = open(one.url, agent)
    t.strictSame(await rest.get('/channels/1', { query: new URLSearchParams({ limit: '5' }) }), { id: '1' })
    t.match(one.received[0], { url: '/v10/channels/1?limit=5', headers: { authorization: 'Bot secret' } })
    const body = { content: 'hi' }
    t.match(await rest.post('/channels/1/messages', { body }), { type: /^application\/json/, hasContent: true })
    const files = [{ name: 'picture.png', data: picture }]
    const sent = await rest.post('/channels/1/messages', { body, files })
    t.match(sent, { type: /^multipart\/form-data; boundary=/, hasContent: true, whole: true })
    await rest.delete('/channels/1/messages/2', { reason: 'spam' })
    t.match(one.received.at(-1), { method: 'DELETE', headers: { 'x-audit-log-reason': 'spam' } })
    t.ok(picture.equals(Buffer.from((await rest.get('/picture')) as ArrayBuffer)))
    const raw = await rest.queueRequest({ fullRoute: '/picture', method: 'GET' as never })
    t.equal(raw.headers.get('content-type'), 'image/png')
    t.equal((await raw.arrayBuffer()).byteLength, picture.length)

    t.match(await rest.get('/guilds/1'), { id: 'after the limit' })
    t.match(await rest.get('/guilds/2'), { id: 'after errors' })
    t.match(await rest.get('/guilds/3'), { id: 'after a cut' })
    const unknown = await rest.get('/guilds/4').catch((error) => error)
    t.ok(unknown instanceof DiscordAPIError)
    t.match(unknown, { code: 10_004, status: 404, message: 'Unknown Guild' })
    const failing = await rest.get('/guilds/5').catch((error) => error)
    t.ok(failing instanceof HTTPError)
    t.match(failing, { status: 503 })

    const lost = one.lost('/v10/users/1')
    const aborting = new AbortController()
    const waiting = rest.get('/users/1', { signal: aborting.signal }).catch((error) => error)
    await agentIsBusy(agent)
    aborting.abort()
    t.match(await waiting, { name: 'AbortError' })
    await lost
    await Promise.all(Array.from({ length: 20 }, (_, index) => rest.get(`/channels/1?${index}` as `/${string}`)))
  })
})

/** Resolves once a request is in flight: the library sends it asynchronously. */
async function agentIsBusy(agent: Agent): Promise<void> {
  const busy = () => Object.values(agent.stats).some(({ running }) => running > 0)
  while (!busy()) await new Promise(setImmediate)
}

t.test('@discordjs/rest reports a refused connection', async (t) => {
  const dead = `http://127.0.0.1:${await freePort()}`
  const pool = new Pool(dead)
  await t.rejects(open(dead, pool).get('/channels/1'), { code: 'ECONNREFUSED' })
  await pool.close()
})
