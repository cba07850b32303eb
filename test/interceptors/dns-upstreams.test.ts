import { execFile } from 'node:child_process'
import { promises } from 'node:dns'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { BalancedPool, type DNSUpstreamsOptions, discover, dnsUpstreams, type UpstreamChange } from '../../lib/index.js'
import { authority, serverIdentity } from '../servers/certificates.js'
import { type NameServer, nameServer } from '../servers/names.js'

const get = { path: '/', method: 'GET' }

/** Starts a name server, and creates a resolver for it. */
async function names(t: Test): Promise<{ server: NameServer; resolver: promises.Resolver }> {
  const server = await nameServer()
  const resolver = new promises.Resolver({ timeout: 1000, tries: 1 })
  resolver.setServers([server.address])
  t.teardown(() => server.close())
  return { server, resolver }
}

/** Returns the changes of a source, one after the other; undefined after its end. */
function following(t: Test, url: string, options: DNSUpstreamsOptions) {
  const iterator = dnsUpstreams(url, { minTTL: 1, ...options })[Symbol.asyncIterator]()
  // A pending lookup does not keep the process alive.
  const alive = setInterval(() => {}, 1000)
  t.teardown(() => iterator.return?.().then(() => clearInterval(alive)))
  return async (): Promise<UpstreamChange> => (await iterator.next()).value ?? 'done'
}

/** Resolver with the given answers, which counts its calls. */
function scripted(answers: { a?: unknown; aaaa?: unknown; srv?: unknown }) {
  const counts = { a: 0, aaaa: 0, srv: 0 }
  const answer = (type: keyof typeof counts) => async () => {
    counts[type]++
    const result = answers[type] ?? Object.assign(new Error(`no ${type}`), { code: 'ENODATA' })
    if (result instanceof Error) throw result
    return result as never
  }
  return { answers, counts, resolve4: answer('a'), resolve6: answer('aaaa'), resolveSrv: answer('srv') }
}

const failure = (code: string) => Object.assign(new Error(code), { code })
const a = (...addresses: string[]) => addresses.map((address) => ({ address, ttl: 0 }))

t.test('reports added and removed addresses and errors of a real name server', async (t) => {
  const { server, resolver } = await names(t)
  server.zone.set('A pods.test', { ttl: 0, addresses: ['10.0.0.1', '10.0.0.2'] })
  server.zone.set('AAAA pods.test', { ttl: 0, addresses: ['fd00::1'] })
  const next = following(t, 'http://pods.test:8080', { resolver })
  const upstream = (host: string) => ({ origin: `http://${host}:8080`, weight: 1, authority: 'pods.test:8080' })
  const first = await next()
  t.strictSame(first, { add: ['10.0.0.1', '10.0.0.2', '[fd00::1]'].map(upstream), remove: [] })
  server.zone.set('A pods.test', { ttl: 0, addresses: ['10.0.0.2', '10.0.0.3'] })
  t.strictSame(await next(), { add: [upstream('10.0.0.3')], remove: ['http://10.0.0.1:8080'] })
  server.zone.set('AAAA pods.test', 2)
  t.match(await next(), { error: { code: 'ESERVFAIL' } }, 'reports the error; the upstreams are kept')
  server.zone.set('AAAA pods.test', { ttl: 0, addresses: [] })
  t.strictSame(await next(), { add: [], remove: ['http://[fd00::1]:8080'] })
  server.zone.set('A pods.test', 3)
  server.zone.set('AAAA pods.test', 3)
  t.match(
    await next(),
    { error: { code: 'ENOTFOUND' } },
    'reports an error if no address is left; the upstreams are kept',
  )
  server.zone.set('A pods.test', { ttl: 0, addresses: ['10.0.0.3'] })
  let change = await next()
  while (change.error !== undefined) change = await next()
  t.strictSame(change, { add: [], remove: ['http://10.0.0.2:8080'] })
})

t.test('reports SRV records of a real name server', async (t) => {
  const { server, resolver } = await names(t)
  const services = (...all: [number, number, number, string][]) =>
    server.zone.set('SRV _http._tcp.api.test', { ttl: 0, services: all })
  services([1, 20, 8001, 'one.test'], [1, 0, 8002, 'two.test'], [2, 5, 8003, 'spare.test'])
  server.zone.set('A one.test', { ttl: 0, addresses: ['10.0.0.1', '10.0.0.2'] })
  server.zone.set('A two.test', { ttl: 0, addresses: ['10.0.1.1'] })
  server.zone.set('A spare.test', { ttl: 0, addresses: ['10.0.2.1'] })
  const next = following(t, 'https://_http._tcp.api.test', { resolver, family: 4 })
  const { add } = await next()
  t.strictSame(add, [
    { origin: 'https://10.0.0.1:8001', weight: 10, authority: 'api.test' },
    { origin: 'https://10.0.0.2:8001', weight: 10, authority: 'api.test' },
    { origin: 'https://10.0.1.1:8002', weight: 0.1, authority: 'api.test' },
  ])
  t.notOk(server.questions.includes('A spare.test'), 'targets of a lower priority are not looked up')
  services([1, 40, 8001, 'one.test'], [1, 1, 8002, 'two.test'])
  server.zone.set('A two.test', 2)
  const errors: unknown[] = []
  let change = await next()
  for (; change.error !== undefined; change = await next()) errors.push(change.error)
  t.match(
    change,
    { add: [{ weight: 20 }, { weight: 20 }, { weight: 1 }], remove: [] },
    'a target whose lookup fails is kept',
  )
  services([2, 5, 8003, 'spare.test'])
  do change = await next()
  while (change.error !== undefined)
  t.match(change, { add: [{ origin: 'https://10.0.2.1:8003', weight: 5 }] })
  t.equal(change.remove?.length, 3)
})

t.test('repeats lookups after the time to live, between minTTL and maxTTL', async (t) => {
  const resolver = scripted({ a: [{ address: '10.0.0.1', ttl: 3600 }] })
  const times: number[] = []
  const change = async (more: DNSUpstreamsOptions, ttl: number) => {
    resolver.answers.a = [{ address: '10.0.0.1', ttl }]
    const next = following(t, 'http://a.test', { resolver, ...more })
    await next()
    times.push(performance.now())
    resolver.answers.a = [{ address: '10.0.0.2', ttl }]
    await next()
    return performance.now() - (times.at(-1) as number)
  }
  t.ok((await change({ minTTL: 30 }, 0)) >= 29, 'not before minTTL')
  await change({ maxTTL: 5 }, 3600)
  t.pass('no later than maxTTL')
  resolver.counts.a = 0
  const iterator = dnsUpstreams('http://a.test', { resolver })[Symbol.asyncIterator]()
  await iterator.next()
  const waiting = iterator.next()
  t.strictSame(await iterator.return?.(), { done: true, value: undefined })
  t.strictSame(await waiting, { done: true, value: undefined }, 'a pending next() resolves')
  t.strictSame(await iterator.next(), { done: true, value: undefined })
  t.equal(resolver.counts.a, 1)
})

t.test('reports invalid answers as errors and keeps the upstreams', async (t) => {
  const resolver = scripted({ a: a('10.0.0.1') })
  const next = following(t, 'http://a.test', { resolver })
  await next()
  for (const bad of [a('evil.test/'), a('::1'), [null], [{ address: 1 }], 'text', [], failure('EREFUSED')]) {
    resolver.answers.a = bad
    t.ok((await next()).error, JSON.stringify(bad))
  }
  const service = (fields: object) => [{ name: 'a.test', port: 80, priority: 1, weight: 1, ...fields }]
  const services = scripted({ a: a('10.0.0.1'), srv: service({}) })
  const later = following(t, 'http://_http._tcp.a.test', { resolver: services })
  t.match(await later(), { add: [{ origin: 'http://10.0.0.1' }] })
  for (const bad of [{ port: 0 }, { port: 65_536 }, { port: '80' }, { priority: -1 }, { weight: 0.5 }, { name: '.' }]) {
    services.answers.srv = service(bad)
    t.ok((await later()).error, JSON.stringify(bad))
  }
})

/** Servers on several addresses at the same port; each responds with its address and the `host` header. */
async function everywhere(t: Test, addresses: string[], server: () => http.Server | https.Server): Promise<number> {
  const first = server()
  await new Promise<void>((resolve) => first.listen(0, addresses[0], resolve))
  const { port } = first.address() as AddressInfo
  const others = addresses.slice(1).map(server)
  for (const [index, one] of others.entries()) {
    await new Promise<void>((resolve) => one.listen(port, addresses[index + 1], resolve))
  }
  t.teardown(() => {
    for (const one of [first, ...others]) one.close().closeAllConnections()
  })
  return port
}

t.test('sends requests to each address with the host name, over TLS too', async (t) => {
  const { server, resolver } = await names(t)
  const ca = await authority()
  const identity = await serverIdentity(ca, 'pods.test')
  const answer: http.RequestListener = ({ headers, socket }, reply) => {
    const { servername = null } = socket as { servername?: string | false }
    reply.end(JSON.stringify([socket.localAddress, headers.host, servername]))
  }
  for (const [protocol, make, name] of [
    ['http:', () => http.createServer(answer), null],
    ['https:', () => https.createServer({ ...identity }, answer), 'pods.test'],
  ] as const) {
    const port = await everywhere(t, ['127.0.0.1', '127.0.0.2'], make)
    server.zone.set('A pods.test', { ttl: 60, addresses: ['127.0.0.1', '127.0.0.2'] })
    const pool = new BalancedPool([], { connect: { ca: ca.cert } })
    const source = dnsUpstreams(`${protocol}//pods.test:${port}`, { resolver })
    const iterator = source[Symbol.asyncIterator]()
    const { value } = await iterator.next()
    for (const { origin, ...settings } of (value?.add ?? []) as { origin: string }[]) pool.addUpstream(origin, settings)
    const responses: unknown[] = []
    for (let i = 0; i < 2; i++) responses.push(await (await pool.request(get)).body.json())
    const host = `pods.test:${port}`
    t.strictSame(responses.sort(), [
      ['127.0.0.1', host, name],
      ['127.0.0.2', host, name],
    ])
    const other = await pool.request({ ...get, headers: { host: 'pods.test' } })
    t.match(await other.body.json(), [/^127/, 'pods.test', name], 'the host header of a request takes precedence')
    await iterator.return?.()
    await pool.close()
  }
})

t.test('a removed upstream completes its requests; closing the pool ends the lookups', async (t) => {
  const { server, resolver } = await names(t)
  let finish = () => {}
  const arrived = new Promise<void>((resolve) => {
    finish = resolve
  })
  let held: http.ServerResponse | null = null
  const port = await everywhere(t, ['127.0.0.1', '127.0.0.2'], () =>
    http.createServer(({ socket }, reply) => {
      if (socket.localAddress === '127.0.0.2') return void reply.end('second')
      if (held !== null) return void reply.end('first')
      held = reply
      finish()
    }),
  )
  server.zone.set('A pods.test', { ttl: 0, addresses: ['127.0.0.1'] })
  const pool = new BalancedPool([], { connections: 1 })
  const source = dnsUpstreams(`http://pods.test:${port}`, { resolver, minTTL: 1, family: 4 })
  const discovery = discover(pool, source, (error) => t.fail(String(error)))
  // The second lookup starts after the first change was read.
  await server.until(2)
  const earlier = [pool.request(get), pool.request(get)]
  await arrived
  const before = server.questions.length
  server.zone.set('A pods.test', { ttl: 0, addresses: ['127.0.0.2'] })
  await server.until(before + 3)
  t.strictSame(pool.upstreams, [`http://127.0.0.2:${port}`])
  t.equal(await (await pool.request(get)).body.text(), 'second')
  t.match(pool.stats, { running: 1, queued: 1 }, 'requests in flight and queued requests of the removed upstream stay')
  ;(held as http.ServerResponse | null)?.end('first')
  t.strictSame(await Promise.all(earlier.map(async (one) => (await one).body.text())), ['first', 'first'])
  await pool.close()
  const { length } = server.questions
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.ok(server.questions.length <= length + 1, 'no lookups after close')
  discovery.stop()
})

t.test('pending lookups do not keep the process alive', async (t) => {
  const lib = JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)
  const program = `import { BalancedPool, discover, dnsUpstreams } from ${lib}
    const resolver = { resolve4: async () => [{ address: '10.0.0.1', ttl: 9 }], resolve6: async () => [], resolveSrv: async () => [] }
    const pool = new BalancedPool()
    discover(pool, dnsUpstreams('http://a.test', { resolver }))
    process.on('exit', () => console.log(pool.upstreams.join()))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program])
  t.equal(stdout, 'http://10.0.0.1\n')
})

t.test('rejects invalid options', async (t) => {
  const bad: [unknown, object, RegExp][] = [
    ['nonsense', {}, /url must be/],
    ['http://10.0.0.1', {}, /url must be an origin with a name/],
    ['http://[::1]', {}, /url must be an origin with a name/],
    ['http://a/path', {}, /url must be/],
    ['http://_http._tcp.a:81', {}, /without a port/],
    ['http://a', { minTTL: 0 }, /minTTL must be/],
    ['http://a', { maxTTL: 'x' }, /maxTTL must be/],
    ['http://a', { minTTL: 10, maxTTL: 9 }, /maxTTL must be minTTL or more/],
    ['http://a', { family: 5 }, /family must be/],
    ['http://a', { resolver: {} }, /resolver must be/],
    ['http://a', null as never, /options must be/],
  ]
  for (const [url, options, message] of bad) {
    t.throws(() => dnsUpstreams(url as string, options), { code: 'UND_ERR_INVALID_ARG', message })
  }
  t.throws(() => new BalancedPool([{ origin: 'http://a', authority: 'b/c' }]), /authority must be a host/)
  t.throws(() => new BalancedPool().addUpstream('http://a', { authority: '' }), /authority must be a host/)
})
