import { Readable } from 'node:stream'
import t from 'tap'
import {
  Agent,
  BalancedPool,
  Client,
  Dispatcher,
  EnvHttpProxyAgent,
  interceptors,
  Pool,
  ProxyAgent,
} from '../../lib/index.js'
import { event, onRequests, rawOrigin, response } from '../servers/origin.js'

const get = { path: '/a?key=secret', method: 'GET', headers: { authorization: 'secret' } }

/** Lines, with times and numbers of connections taken out. */
function linesOf(dispatcher: { inspect?(): string }): string[] {
  const text = dispatcher.inspect?.() as string
  t.notMatch(text, /secret/)
  return text.split('\n').map((line) => line.replace(/ for \d+ ms/, ' for … ms').replace(/#\d+/, '#'))
}

/** The last line is what the connection does. */
const last = (dispatcher: { inspect?(): string }) => linesOf(dispatcher).at(-1)?.trim()

/** Answers by path: the head alone, or nothing. */
function origin() {
  return rawOrigin((socket) => {
    onRequests(socket, (head) => {
      if (head.includes(' /head')) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n')
      else if (!head.includes(' /silent')) socket.write(response('ok'))
    })
  })
}

t.test('describes the state of a connection', async (t) => {
  const server = await origin()
  const client = new Client(server.url, { pipelining: 2 })
  t.strictSame(linesOf(client), [
    `Client ${server.url}, pipelining: 2, connected: false, pending: 0, running: 0, size: 0`,
    '  not connected',
  ])
  const first = client.request(get)
  t.equal(last(client), '# connecting; 0 in flight, 0 sent')
  await (await first).body.text()
  t.equal(last(client), '# idle for … ms; 0 in flight, 1 sent')
  const head = await client.request({ ...get, path: '/head?key=secret' })
  t.equal(last(client), '# reading the body of GET /head for … ms; 1 in flight, 2 sent')
  client.request({ ...get, path: '/silent#secret' }).catch(() => {})
  t.equal(last(client), '# reading the body of GET /head for … ms; 2 in flight, 3 sent')
  head.body.destroy()
  head.body.on('error', () => {})
  t.equal(last(client), 'closing')
  await event(client, 'connect')
  await new Promise(setImmediate)
  t.equal(last(client), '# waiting for the headers of GET /silent for … ms; 1 in flight, 1 sent')
  await client.destroy()
  t.equal(last(client), 'not connected')
  await server.close()
})

t.test('describes a body in progress, hides credentials, and shows the last request', async (t) => {
  const server = await origin()
  const client = new Client(server.url, { bodyTimeout: 0, headersTimeout: 0 })
  const body = new Readable({ read() {} })
  body.push('some')
  const path = 'http://user:secret@example.com/silent?secret'
  const put = client.request({ path, method: 'PUT', body, reset: true })
  await event(client, 'connect')
  await new Promise(setImmediate)
  t.equal(last(client), '# writing PUT http://example.com/silent; 1 in flight, 1 sent')
  body.push(null)
  await new Promise((resolve) => body.once('close', () => setImmediate(resolve)))
  t.equal(last(client), '# waiting for the headers of PUT http://example.com/silent; 1 in flight, 1 sent')
  const failed = t.rejects(put, { code: 'UND_ERR_DESTROYED' })
  await client.destroy()
  await failed
  await server.close()
})

t.test('pools, balancers and agents describe their members, composed ones their dispatcher', async (t) => {
  const server = await origin()
  const counts = 'connected: 1, free: 1, pending: 0, queued: 0, running: 0, size: 0'
  const idle = '# idle for … ms; 0 in flight, 1 sent'
  const ofClient = [`Client ${server.url}, connected: true, pending: 0, running: 0, size: 0`, `  ${idle}`]
  const ofPool = [`Pool ${server.url}, ${counts}`, ...ofClient.map((line) => `  ${line}`)]
  const pool = new Pool(server.url)
  const balanced = new BalancedPool(server.url)
  const agent = new Agent()
  const composed = new Agent().compose(interceptors.dump())
  const expected = new Map<Dispatcher, string[]>([
    [pool, ofPool],
    [
      balanced,
      [`BalancedPool, ${counts}`, `  ${server.url}, weight: 100, healthy`, ...ofPool.map((line) => `    ${line}`)],
    ],
    [agent, ['Agent, origins: 1', ...ofPool.map((line) => `  ${line}`)]],
    [composed, ['Agent, origins: 1', ...ofPool.map((line) => `  ${line}`)]],
  ])
  for (const [dispatcher, lines] of expected) {
    await (await dispatcher.request({ ...get, origin: server.url })).body.text()
    t.strictSame(linesOf(dispatcher as Pool), lines)
    await dispatcher.close()
  }
  class Foreign extends Dispatcher {
    override dispatch(...request: Parameters<Dispatcher['dispatch']>): boolean {
      setImmediate(() => request[1].onResponseError?.(null as never, new Error('no')))
      return true
    }
  }
  const foreign = new Pool(server.url, { factory: () => new Foreign() })
  await t.rejects(foreign.request(get))
  t.match(foreign.inspect(), /\n {2}Foreign$/, 'shows a foreign dispatcher by its class name')
  await server.close()
  const proxies = new ProxyAgent('http://user:secret@127.0.0.1:1')
  t.strictSame(linesOf(proxies), [
    'ProxyAgent, origins: 0',
    '  Agent, origins: 0',
    `  Pool http://127.0.0.1:1, ${counts.replaceAll('1', '0')}`,
  ])
  t.match(linesOf(new EnvHttpProxyAgent({ httpProxy: 'http://u:secret@127.0.0.1:1' })), [
    'EnvHttpProxyAgent, origins: 0',
    '  Agent, origins: 0',
  ])
  await proxies.close()
})
