import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { ofetch } from 'ofetch'
import { Agent, getGlobalDispatcher, Pool, ProxyAgent, RetryAgent, setGlobalDispatcher } from 'undici'
import { closedPort, cut, failure, json, mirror, scenario, service, silent } from './harness.mjs'

const big = randomBytes(2_000_000)

function start(context) {
  return service(context, {
    '/mirror': mirror,
    '/big': (_request, response) => response.end(big),
    '/size': (_request, response, body) => response.end(String(body.length)),
    '/busy': [json({}, 503), json({}, 503), json({ done: true })],
    '/cut': [cut, json({ done: true })],
    '/broken': json({ why: 'broken' }, 500),
    '/silent': silent,
  })
}

const kinds = {
  'a Pool': (url) => new Pool(url, { connections: 4 }),
  'an Agent': () => new Agent({ connections: 4 }),
  'a RetryAgent': () => new RetryAgent(new Agent({ connections: 4 }), { maxRetries: 0, statusCodes: [] }),
}

for (const [kind, open] of Object.entries(kinds)) {
  scenario(`sends, receives, retries and fails over ${kind}`, async (context) => {
    const one = await start(context)
    const dispatcher = open(one.url)
    context.after(() => dispatcher.destroy())
    const fetch = ofetch.create({ baseURL: one.url, dispatcher, retryDelay: 1 })
    assert.equal((await fetch('/mirror', { query: { a: 'b c' } })).url, '/mirror?a=b+c')
    const sent = await fetch('/mirror', { method: 'POST', body: { a: [1] } })
    assert.deepEqual([sent.headers['content-type'], sent.body], ['application/json', '{"a":[1]}'])
    const form = new FormData()
    form.append('file', new Blob([big]), 'big.bin')
    assert.ok(Number(await fetch('/size', { method: 'PUT', body: form })) > big.length)
    const body = new Blob([big]).stream()
    assert.equal(Number(await fetch('/size', { method: 'POST', body, duplex: 'half' })), big.length)
    assert.ok(big.equals(Buffer.from(await fetch('/big', { responseType: 'arrayBuffer' }))))
    const pieces = []
    for await (const piece of await fetch('/big', { responseType: 'stream' })) pieces.push(piece)
    assert.ok(big.equals(Buffer.concat(pieces)))
    await Promise.all(Array.from({ length: 40 }, () => fetch('/mirror')))
    assert.equal((await fetch.raw('/mirror', { method: 'HEAD' })).status, 200)
    assert.deepEqual(await fetch('/busy', { retry: 2 }), { done: true })
    assert.deepEqual(await fetch('/cut', { retry: 1 }), { done: true })
    const broken = await failure(fetch('/broken', { method: 'POST' }))
    assert.deepEqual([broken.name, broken.status, broken.data], ['FetchError', 500, { why: 'broken' }])
    const late = await failure(fetch('/silent', { timeout: 50, retry: 0 }))
    assert.equal(late.cause.name, 'TimeoutError')
  })
}

scenario('fails if the connection is refused', async (context) => {
  const dead = `http://127.0.0.1:${await closedPort()}`
  const dispatcher = new Pool(dead)
  context.after(() => dispatcher.destroy())
  const error = await failure(ofetch(dead, { dispatcher, retry: 1, retryDelay: 1 }))
  assert.deepEqual([error.name, error.cause.cause.code], ['FetchError', 'ECONNREFUSED'])
})

scenario('sends requests through a proxy, as an option or global', async (context) => {
  const one = await start(context)
  let tunnels = 0
  const proxy = await service(context, {})
  proxy.server.on('connect', (_request, socket, head) => {
    tunnels++
    const upstream = process.getBuiltinModule('node:net').connect(one.port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      upstream.write(head)
      upstream.pipe(socket).pipe(upstream)
    })
    upstream.on('error', () => socket.destroy())
    socket.on('error', () => upstream.destroy())
  })
  const dispatcher = new ProxyAgent({ uri: proxy.url, proxyTunnel: true })
  context.after(() => dispatcher.destroy())
  assert.equal((await ofetch(`${one.url}/mirror`, { dispatcher })).method, 'GET')
  assert.equal(tunnels, 1)
  const before = getGlobalDispatcher()
  context.after(() => setGlobalDispatcher(before))
  const globally = new ProxyAgent({ uri: proxy.url, proxyTunnel: true })
  context.after(() => globally.destroy())
  setGlobalDispatcher(globally)
  assert.equal((await ofetch(`${one.url}/mirror`)).method, 'GET')
  assert.equal(tunnels, 2)
})
