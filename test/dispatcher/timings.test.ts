import t, { type Test } from 'tap'
import { Agent, Client, interceptors, Pool, type Timings } from '../../lib/index.js'
import { authority, serverIdentity } from '../servers/certificates.js'
import { httpOrigin, httpsOrigin, onRequests, rawOrigin, response } from '../servers/origin.js'

const get = { path: '/', method: 'GET' }

/** All that is named came, in this order. */
function inOrder(t: Test, timings: Partial<Timings> | undefined, names: (keyof Timings)[]): void {
  const times = names.map((name) => timings?.[name] as number)
  for (const [index, time] of times.entries()) t.type(time, 'number', names[index] as string)
  t.ok((times[0] as number) >= 0)
  t.strictSame(
    times,
    [...times].sort((a, b) => a - b),
    names.join(', '),
  )
}

t.test('fills the timings of a new and of a reused connection', async (t) => {
  const origin = await httpOrigin((_request, response) => response.end('ok'))
  const client = new Client(`http://localhost:${origin.port}`)
  const first: Partial<Timings> = {}
  const { body, timings } = await client.request({ ...get, timings: first })
  t.equal(timings, first)
  t.equal(await body.text(), 'ok')
  inOrder(t, first, ['dns', 'tcp', 'queued', 'sent', 'firstByte', 'end'])
  t.match(first, { tls: null, reused: false, connection: Number, tries: 1 })
  const second = await client.request({ ...get, timings: true })
  await second.body.text()
  inOrder(t, second.timings, ['queued', 'sent', 'firstByte', 'end'])
  t.match(second.timings, { dns: null, tcp: null, tls: null, reused: true, connection: first.connection, tries: 1 })
  const third = await client.request(get)
  await third.body.dump()
  t.notOk('timings' in third, 'no timings without the option')
  await client.close()
  await origin.close()
})

t.test('records TLS; the option of a dispatcher applies to all its requests', async (t) => {
  const ca = await authority()
  const origin = await httpsOrigin((_request, response) => response.end('ok'), await serverIdentity(ca))
  const agent = new Agent({ timings: true, connect: { ca: ca.cert } })
  const seen: number[] = []
  for (const reused of [false, true]) {
    const { body, timings } = await agent.request({ ...get, origin: origin.url })
    await body.text()
    if (!reused) inOrder(t, timings, ['tcp', 'tls', 'queued', 'sent', 'firstByte', 'end'])
    t.match(timings, { dns: null, reused, tries: 1 }, 'an address is not looked up')
    seen.push(timings?.connection as number)
  }
  t.equal(seen[0], seen[1])
  const { body, ...rest } = await agent.request({ ...get, origin: origin.url, timings: false })
  await body.text()
  t.notOk('timings' in rest)
  await agent.close()
  await origin.close()
})

t.test('timings of a request that was sent again are those of the last attempt', async (t) => {
  const origin = await rawOrigin((socket, index) =>
    onRequests(socket, (_head, nth) => (index === 0 && nth === 1 ? socket.destroy() : socket.write(response('ok')))),
  )
  const client = new Client(origin.url)
  const one = await client.request({ ...get, timings: true })
  await one.body.text()
  const two = await client.request({ ...get, timings: true })
  await two.body.text()
  t.equal(origin.connections, 2)
  inOrder(t, two.timings, ['tcp', 'queued', 'sent', 'firstByte', 'end'])
  t.match(two.timings, { reused: false, tries: 2 })
  t.not(two.timings?.connection, one.timings?.connection, 'each connection has its own number')
  await client.close()
  await origin.close()
})

t.test('errors have the timings so far; attempts of the retry interceptor are counted', async (t) => {
  const origin = await rawOrigin((socket) => onRequests(socket, () => socket.destroy()))
  const pool = new Pool(origin.url)
  const error = await pool.request({ ...get, method: 'POST', timings: true }).catch((error) => error)
  inOrder(t, error.timings, ['queued', 'sent', 'end'])
  t.match(error.timings, { firstByte: null, reused: false, tries: 1 })
  const retrying = pool.compose(interceptors.retry({ maxRetries: 2, minTimeout: 1 }))
  const given: Partial<Timings> = {}
  await t.rejects(retrying.request({ ...get, timings: given }))
  t.equal(given.tries, 3)
  t.match(await pool.request({ ...get, method: 'POST' }).catch((error) => error), { timings: undefined })
  await pool.close()
  await origin.close()
  const unreachable = new Client(origin.url)
  const refused = await unreachable.request({ ...get, timings: true }).catch((error) => error)
  t.match(refused.timings, { queued: null, connection: null, end: Number, tries: 1 })
  await unreachable.close()
})

t.test('results have the timings of the client through every interceptor', async (t) => {
  const origin = await httpOrigin((request, response) => {
    if (request.url === '/moved') response.writeHead(302, { location: '/' }).end()
    else response.end('ok')
  })
  const url = `http://localhost:${origin.port}`
  const all = {
    retry: interceptors.retry(),
    redirect: interceptors.redirect({ maxRedirections: 2 }),
    decompress: interceptors.decompress(),
    dns: interceptors.dns(),
    responseError: interceptors.responseError(),
    dump: interceptors.dump(),
    hedge: interceptors.hedge({ delay: 60_000 }),
  }
  const chains = [
    ...Object.entries(all).map(([name, one]) => [name, [one]] as const),
    ['all', Object.values(all)] as const,
  ]
  for (const [name, chain] of chains) {
    for (const dispatcher of [
      new Client(url, { timings: true }),
      new Pool(url, { timings: true }),
      new Agent({ timings: true }),
    ]) {
      const of = `${dispatcher.constructor.name}, ${name}`
      const composed = dispatcher.compose([...chain])
      const path = chain.includes(all.redirect) ? '/moved' : '/'
      const { body, timings } = await composed.request({ path, method: 'GET', origin: url })
      await body.text()
      t.match(timings, { sent: Number, firstByte: Number, end: Number, connection: Number }, of)
      await dispatcher.close()
    }
  }
  await origin.close()
})

t.test('time to connect is not recorded for a request that waits for others', async (t) => {
  const held: (() => void)[] = []
  const origin = await httpOrigin((_request, response) => held.push(() => response.end('ok')))
  const client = new Client(origin.url)
  const first = client.request({ ...get, timings: true })
  const waiting: Partial<Timings> = {}
  const second = client.request({ ...get, timings: waiting })
  const dispatched = performance.now()
  while (held.length < 1) await new Promise(setImmediate)
  t.match(waiting, { queued: null, tries: 1 })
  const answered = performance.now()
  held.shift()?.()
  await (await first).body.text()
  while (held.length < 1) await new Promise(setImmediate)
  held.shift()?.()
  await (await second).body.text()
  t.match(waiting, { tcp: null, reused: true, connection: Number })
  t.ok(
    (waiting.queued as number) >= answered - dispatched,
    'queued covers the time from dispatch to the response of the first request',
  )
  await client.close()
  await origin.close()
})

t.test('rejects timings that can not be filled; freezing them later has no effect', async (t) => {
  const origin = await httpOrigin((_request, response) => response.end('ok'))
  const client = new Client(origin.url)
  for (const timings of ['yes', 1, Object.freeze({})]) {
    const refused = { code: 'UND_ERR_INVALID_ARG', message: /^timings must be true or an extensible object/ }
    await t.rejects(client.request({ ...get, timings: timings as never }), refused)
  }
  t.throws(() => new Client(origin.url, { timings: {} as never }), { code: 'UND_ERR_INVALID_ARG', message: /^timings/ })
  const frozen: Partial<Timings> = {}
  const answered = client.request({ ...get, timings: frozen })
  Object.freeze(frozen)
  t.equal(await (await answered).body.text(), 'ok')
  t.match(frozen, { end: null, tries: 1 })
  await client.close()
  await origin.close()
})
