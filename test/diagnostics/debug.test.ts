import t from 'tap'
import { named } from '../../lib/diagnostics/debug.js'
import { run } from '../runtimes/runtimes.js'
import { httpOrigin } from '../servers/origin.js'

const library = JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)

/** Talks to an origin that fails the second request once, and to none at the end. */
const PROGRAM = `
const { Client, interceptors } = await import(${library})
const { channel } = await import('node:diagnostics_channel')
const url = process.argv[1]
const client = new Client(url)
const hasSubscribers = () => ['connected', 'sendHeaders'].some((name) => channel('undici:client:' + name).hasSubscribers)
if (process.env.SILENT && hasSubscribers()) throw new Error('somebody listens')
const retrying = client.compose(interceptors.retry({ minTimeout: 0, throwOnError: false }))
const options = { method: 'GET', headers: { authorization: 'secret' } }
for (const path of ['/a?key=secret', '/busy?key=secret']) await (await retrying.request({ ...options, path })).body.text()
await new Promise((onResponseError) => {
  let controller
  client.dispatch({ path: '/hang', method: 'POST', body: 'x' }, {
    onRequestStart: (given) => (controller = given),
    onRequestSent: () => setImmediate(() => controller.abort(new Error('given\\n up'))),
    onResponseError,
    onResponseEnd: onResponseError,
  })
})
await client.close()
const refused = new Client('http://localhost:1', { connect: (options, done) => done(new Error('100%s refused')) })
await refused.request({ ...options, path: '/b' }).catch(() => {})
await refused.close()
const abort = new AbortController()
const given = new Client(url, { connect() {} }).request({ ...options, path: '/a', signal: abort.signal }).catch(() => {})
abort.abort(Object.assign(Object.create(null), { message: 'no text' }))
await given
`

async function lines(url: string, env: Record<string, string>, before = ''): Promise<string[]> {
  const { code, stderr } = await run(process.execPath, ['--input-type=module', '-e', before + PROGRAM, url], env)
  t.equal(code, 0, stderr)
  return stderr
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/^SLUICE \d+: /, '').replace(/\d+ ms/g, 'N ms'))
}

t.test('only NODE_DEBUG=sluice logs requests and connections', async (t) => {
  let busy = true
  const origin = await httpOrigin((request, reply) => {
    if (request.url?.startsWith('/busy')) reply.statusCode = busy ? 503 : 200
    if (request.url?.startsWith('/busy')) busy = false
    if (request.url !== '/hang') reply.end('ok')
  })
  const { host } = new URL(origin.url)
  const sent = (path: string) =>
    `GET ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\nauthorization: secret\r\n\r\n`.length
  t.strictSame(await lines(origin.url, { NODE_DEBUG: 'sluice' }), [
    `#1 connecting to ${host}`,
    `#1 connected to ${host} in N ms`,
    `#1 sent GET ${origin.url}/a`,
    `#1 200 for GET ${origin.url}/a after N ms`,
    `#1 completed GET ${origin.url}/a after N ms: ${sent('/a?key=secret')} bytes sent, body of 2 bytes received`,
    `#1 sent GET ${origin.url}/busy`,
    `#1 503 for GET ${origin.url}/busy after N ms`,
    `#1 completed GET ${origin.url}/busy after N ms: ${sent('/busy?key=secret')} bytes sent, body of 2 bytes received`,
    `retry 1 of GET ${origin.url}/busy after N ms`,
    `#1 sent GET ${origin.url}/busy`,
    `#1 200 for GET ${origin.url}/busy after N ms`,
    `#1 completed GET ${origin.url}/busy after N ms: ${sent('/busy?key=secret')} bytes sent, body of 2 bytes received`,
    `#1 sent POST ${origin.url}/hang`,
    `#1 disconnected from ${host}: Error: given up`,
    `#1 failed POST ${origin.url}/hang after N ms: Error: given up`,
    '#2 connecting to localhost:1',
    '#2 connection to localhost:1 failed after N ms: Error: 100%s refused',
    'failed GET http://localhost:1/b: Error: 100%s refused',
    `#3 connecting to ${host}`,
  ])
  t.ok(
    (await lines(origin.url, { NODE_DEBUG: 'net,SLUICE' })).includes(`#1 connected to ${host} in N ms`),
    'logs if NODE_DEBUG lists several names',
  )
  for (const NODE_DEBUG of ['', 'none']) t.strictSame(await lines(origin.url, { NODE_DEBUG, SILENT: '1' }), [])
  const without = 'const { getBuiltinModule } = process\n'
  const stub = 'process.getBuiltinModule = (name) => (name === "node:util" ? undefined : getBuiltinModule(name))\n'
  t.strictSame(
    await lines(origin.url, { NODE_DEBUG: 'sluice', SILENT: '1' }, without + stub),
    [],
    'logs nothing without util.debuglog',
  )
  await origin.close()
})

t.test('NODE_DEBUG=sluice logs the requests of its own copy only, and makes no channel of undici active', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('ok'))
  const before = `
const { channel: shared } = await import('node:diagnostics_channel')
const names = ['sendHeaders', 'connected', 'beforeConnect', 'connectError'].map((name) => 'undici:client:' + name)
process.on('exit', () => {
  if (names.some((name) => shared(name).hasSubscribers)) throw new Error('a channel is active')
})
await fetch(process.argv[1] + '/by-the-runtime').then((response) => response.text())
`
  const logged = await lines(origin.url, { NODE_DEBUG: 'sluice' }, before)
  t.notOk(logged.some((line) => line.includes('by-the-runtime')))
  t.equal(logged.filter((line) => line === `#1 sent GET ${origin.url}/a`).length, 1)
  await origin.close()
})

t.test('a request is described by method, origin and path, a tunnel by its proxy and target', async (t) => {
  const origin = 'http://proxy.test:3128'
  t.equal(named({ origin, method: 'GET', path: '/a?key=secret' }), 'GET http://proxy.test:3128/a')
  t.equal(named({ origin, method: 'CONNECT', path: 'a.test:443' }), 'CONNECT http://proxy.test:3128 a.test:443')
  t.equal(named({ origin, method: 'GET', path: 'http://u:p@a.test/b' }), 'GET http://proxy.test:3128 http://a.test/b')
  t.equal(named({ method: 'GET', path: '/a' }), 'GET /a')
})
