import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import urllib, { Agent, FetchFactory, getGlobalDispatcher, HttpClient, MockAgent, setGlobalDispatcher } from 'urllib'
import { cut, failure, json, listen, mirror, scenario, service, silent } from './harness.mjs'

const big = randomBytes(2_000_000)

scenario('sends data as query, form and JSON', async (context) => {
  const one = await service(context, { '/': mirror })
  const get = await urllib.request(one.url, { data: { a: 'b c' }, dataType: 'json' })
  assert.deepEqual([get.status, get.data.url], [200, '/?a=b%20c'])
  const form = await urllib.request(one.url, { method: 'POST', data: { a: 'b c' }, dataType: 'json' })
  assert.equal(form.data.body, 'a=b+c')
  const sent = await urllib.request(one.url, { method: 'PUT', contentType: 'json', data: { a: 1 }, dataType: 'json' })
  assert.deepEqual([sent.data.body, sent.data.headers['content-type']], ['{"a":1}', 'application/json'])
  const basic = await urllib.request(one.url, { auth: 'me:secret', dataType: 'json' })
  assert.match(basic.data.headers.authorization, /^Basic /)
})

scenario('uploads streams and files', async (context) => {
  const one = await service(context, {
    '/size': (_request, response, body) => response.end(String(body.length)),
    '/files': (_request, response, body) => response.end(String(body.includes(big))),
  })
  const stream = await urllib.request(`${one.url}/size`, { method: 'POST', stream: Readable.from([big]) })
  assert.equal(String(stream.data), String(big.length))
  const content = await urllib.request(`${one.url}/size`, { method: 'POST', content: big })
  assert.equal(String(content.data), String(big.length))
  const files = await urllib.request(`${one.url}/files`, { method: 'POST', files: { file: big }, data: { a: 'b' } })
  assert.equal(String(files.data), 'true')
})

scenario('streams downloads, and decompresses', async (context) => {
  const one = await service(context, {
    '/': (_request, response) => response.end(big),
    '/gzip': (request, response) => {
      assert.match(request.headers['accept-encoding'], /gzip/)
      response.setHeader('content-encoding', 'gzip')
      response.end(gzipSync('text'))
    },
  })
  const { res } = await urllib.request(one.url, { streaming: true })
  assert.ok(big.equals(Buffer.concat(await res.toArray())))
  const sink = new PassThrough()
  const chunks = sink.toArray()
  await urllib.request(one.url, { writeStream: sink })
  assert.ok(big.equals(Buffer.concat(await chunks)))
  const unzipped = await urllib.request(`${one.url}/gzip`, { compressed: true, dataType: 'text' })
  assert.equal(unzipped.data, 'text')
})

scenario('follows redirects, retries, times out and aborts', async (context) => {
  const one = await service(context, {
    '/': mirror,
    '/moved': (_request, response) => response.writeHead(302, { location: '/' }).end(),
    '/busy': [json({}, 500), json({ done: true })],
    '/silent': silent,
    '/cut': [cut, json({ done: true })],
  })
  const moved = await urllib.request(`${one.url}/moved`, { dataType: 'json' })
  assert.deepEqual([moved.data.url, moved.redirected, moved.requestUrls.length], ['/', true, 2])
  const stays = await urllib.request(`${one.url}/moved`, { followRedirect: false })
  assert.equal(stays.status, 302)
  const again = await urllib.request(`${one.url}/busy`, { retry: 1, retryDelay: 1, dataType: 'json' })
  assert.deepEqual([again.data, again.res.retries], [{ done: true }, 1])
  const late = await failure(urllib.request(`${one.url}/silent`, { timeout: 60 }))
  assert.equal(late.name, 'HttpClientRequestTimeoutError')
  const lost = await urllib.request(`${one.url}/cut`, { dataType: 'json' })
  assert.deepEqual([lost.data, lost.res.socketErrorRetries], [{ done: true }, 1])
  const controller = new AbortController()
  const aborted = failure(urllib.request(`${one.url}/silent`, { signal: controller.signal }))
  setImmediate(() => controller.abort())
  assert.equal((await aborted).name, 'AbortError')
})

scenario('reports sockets and timings through diagnostics channels', async (context) => {
  const one = await service(context, { '/': mirror })
  const client = new HttpClient()
  for (let i = 1; i <= 3; i++) {
    const { res } = await client.request(one.url, { timing: true })
    assert.equal(res.socket.remotePort, one.port)
    assert.ok(res.socket.handledRequests >= 1 && res.socket.handledRequests <= i)
    assert.ok(res.timing.waiting >= 0 && res.timing.contentDownload >= res.timing.waiting)
  }
})

scenario('returns pool statistics per origin', async (context) => {
  const one = await service(context, { '/': mirror })
  const agent = new Agent({ connections: 2 })
  await urllib.request(one.url, { dispatcher: agent })
  const client = new HttpClient({ dispatcher: agent })
  const before = getGlobalDispatcher()
  context.after(() => setGlobalDispatcher(before))
  setGlobalDispatcher(agent)
  assert.deepEqual(Object.keys(client.getDispatcherPoolStats()), [one.url])
  await agent.close()
})

scenario('rejects disallowed addresses, and sends requests over unix sockets', async (context) => {
  const one = await service(context, { '/': mirror })
  const guarded = new HttpClient({ checkAddress: (address) => address !== '127.0.0.1' })
  const refused = await failure(guarded.request(`http://localhost:${one.port}/`))
  assert.match(`${refused.name} ${refused.message}`, /illegal address/i)
  const literal = await failure(guarded.request(one.url))
  assert.match(`${literal.name} ${literal.message}`, /illegal address/i)
  const socketPath = join(tmpdir(), `sluice-${process.pid}.sock`)
  const server = http.createServer((_request, response) => response.end('by socket')).listen(socketPath)
  context.after(() => server.close() && server.closeAllConnections())
  const { data } = await urllib.request('http://unix/', { socketPath, dataType: 'text' })
  assert.equal(data, 'by socket')
})

scenario('responds to a digest authentication challenge', async (context) => {
  const one = await listen(context, (request, response) => {
    if (/^Digest .*response="[0-9a-f]{32}"/.test(request.headers.authorization ?? '')) return response.end('known')
    const challenge = 'Digest realm="r", qop="auth", nonce="n", opaque="o"'
    return response.writeHead(401, { 'www-authenticate': challenge }).end()
  })
  const { status, data } = await urllib.request(one.url, { digestAuth: 'me:secret', dataType: 'text' })
  assert.deepEqual([status, data], [200, 'known'])
})

scenario('sends requests with FetchFactory', async (context) => {
  const one = await service(context, { '/': mirror })
  const factory = new FetchFactory()
  const response = await factory.fetch(one.url, { method: 'POST', body: 'text' })
  assert.equal((await response.json()).body, 'text')
})

scenario('works with the MockAgent that it exports', async (context) => {
  const before = getGlobalDispatcher()
  context.after(() => setGlobalDispatcher(before))
  const mock = new MockAgent()
  mock.disableNetConnect()
  setGlobalDispatcher(mock)
  mock.get('http://mocked.example').intercept({ path: '/a', method: 'GET' }).reply(200, { mocked: true })
  const { status, data } = await urllib.request('http://mocked.example/a', { dataType: 'json' })
  assert.deepEqual([status, data], [200, { mocked: true }])
  await mock.close()
})
