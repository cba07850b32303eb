import { randomBytes } from 'node:crypto'
import { type FetchError, ofetch } from 'ofetch'
import t from 'tap'
import { Agent, Pool } from '../../../lib/index.js'
import { freePort } from '../../servers/program.js'
import { type Answer, carry, cut, json, service, silence } from './service.js'

const big = randomBytes(4_000_000)

const mirror: Answer = ({ method, url, headers }, reply, body) =>
  json({ method, url, type: headers['content-type'], body: body.toString() })(undefined as never, reply, body)

function start() {
  return service({
    '/mirror': mirror,
    '/big': (_request, reply) => void reply.end(big),
    '/size': (_request, reply, body) => void reply.end(String(body.length)),
    '/busy': [json({}, 503), json({}, 503), json({ done: true })],
    '/cut': [cut, json({ done: true })],
    '/broken': json({ why: 'broken' }, 500),
    '/silent': silence,
  })
}

for (const [kind, open] of Object.entries({
  Pool: (url: string) => new Pool(url, { connections: 4 }),
  Agent: () => new Agent({ connections: 4 }),
})) {
  t.test(`ofetch over ${kind === 'Pool' ? 'a Pool' : 'an Agent'}`, async (t) => {
    const one = await start()
    await carry(t, { service: one, dispatcher: open(one.url), most: 8 }, async (dispatcher) => {
      // The package declares the type of undici's own class.
      const fetch = ofetch.create({ baseURL: one.url, dispatcher: dispatcher as never, retryDelay: 1 })

      t.match(await fetch('/mirror', { query: { a: 'b c' } }), { method: 'GET', url: '/mirror?a=b+c' })
      const sent = await fetch('/mirror', { method: 'POST', body: { a: [1] } })
      t.match(sent, { method: 'POST', type: 'application/json', body: '{"a":[1]}' })
      const form = new FormData()
      form.append('file', new Blob([big]), 'big.bin')
      t.ok(Number(await fetch('/size', { method: 'PUT', body: form })) > big.length)
      const body = new Blob([big]).stream()
      t.equal(Number(await fetch('/size', { method: 'POST', body, duplex: 'half' } as never)), big.length)

      t.ok(big.equals(Buffer.from(await fetch('/big', { responseType: 'arrayBuffer' }))))
      const pieces: Uint8Array[] = []
      for await (const piece of await fetch('/big', { responseType: 'stream' })) pieces.push(piece)
      t.ok(big.equals(Buffer.concat(pieces)))
      const all = await Promise.all(Array.from({ length: 50 }, () => fetch('/mirror')))
      t.equal(all.length, 50)
      const raw = await fetch.raw('/mirror', { method: 'HEAD' })
      t.equal(raw.status, 200)

      t.strictSame(await fetch('/busy', { retry: 2 }), { done: true })
      t.strictSame(await fetch('/cut', { retry: 1 }), { done: true })
      const broken = await fetch('/broken', { method: 'POST' }).catch((error) => error)
      t.match(broken, { name: 'FetchError', status: 500, data: { why: 'broken' } })
      const unknown = await fetch('/nowhere').catch((error) => error)
      t.match(unknown, { name: 'FetchError', status: 404, data: { message: 'unknown' } })
      const lost = one.lost('/silent')
      const late = await fetch('/silent', { timeout: 30, retry: 0 }).catch((error: FetchError) => error)
      t.match(late.cause, { name: 'TimeoutError' })
      await lost
    })
  })
}

t.test('ofetch reports a refused connection', async (t) => {
  const dead = `http://127.0.0.1:${await freePort()}`
  const pool = new Pool(dead)
  const error = await ofetch(dead, { dispatcher: pool as never, retry: 1, retryDelay: 1 }).catch((error) => error)
  t.match(error, { name: 'FetchError', cause: { message: 'fetch failed', cause: { code: 'ECONNREFUSED' } } })
  await pool.close()
})
