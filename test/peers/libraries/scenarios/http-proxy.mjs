import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import { Readable } from 'node:stream'
import httpProxy from '@fastify/http-proxy'
import fastify from 'fastify'
import FormData from 'form-data'
import { request } from 'undici'
import { listen, listenTls, mirror, scenario, service, until } from './harness.mjs'

const big = randomBytes(3_000_000)

/** A proxy for all paths of an upstream. */
async function proxy(context, upstream, options = {}) {
  const app = fastify({ forceCloseConnections: true })
  await app.register(httpProxy, { upstream, ...options })
  context.after(() => app.close())
  return app.listen({ port: 0, host: '127.0.0.1' })
}

scenario('proxies by prefix, and rewrites location', async (context) => {
  const one = await service(context, {
    '/base/mirror': mirror,
    '/base/moved': (_request, response) => response.writeHead(302, { location: '/base/mirror' }).end(),
  })
  const url = await proxy(context, one.url, { prefix: '/api', rewritePrefix: '/base' })
  const { statusCode, body } = await request(`${url}/api/mirror?x=1`)
  assert.equal(statusCode, 200)
  assert.equal((await body.json()).url, '/base/mirror?x=1')
  const moved = await request(`${url}/api/moved`)
  assert.equal(moved.headers.location, '/api/mirror')
  await moved.body.dump()
})

scenario('streams an upload before it is complete', async (context) => {
  let arrived = 0
  const one = await listen(context, (request, response) => {
    request.on('data', (chunk) => {
      arrived += chunk.length
    })
    request.on('end', () => response.end(String(arrived)))
  })
  const url = await proxy(context, one.url)
  async function* pieces() {
    for (let i = 1; i <= 10; i++) {
      yield randomBytes(10_000)
      // The next one is not sent before the upstream has this one.
      await until(() => arrived === i * 10_000)
    }
  }
  const headers = { 'content-type': 'application/octet-stream' }
  const { body } = await request(url, { method: 'POST', headers, body: pieces() })
  assert.equal(await body.text(), '100000')
})

scenario('returns a 413 that the upstream sends before the upload is complete', async (context) => {
  const one = await listen(context, (_request, response) => {
    response.writeHead(413, { connection: 'close' }).end('too large')
  })
  const url = await proxy(context, one.url)
  for (const known of [true, false]) {
    const headers = { 'content-type': 'application/octet-stream', ...(known && { 'content-length': big.length }) }
    const sent = http.request(url, { method: 'POST', headers })
    sent.on('error', () => {})
    Readable.from([big.subarray(0, 1_000_000), big.subarray(1_000_000)]).pipe(sent)
    const [response] = await once(sent, 'response')
    assert.equal(response.statusCode, 413)
    assert.equal(Buffer.concat(await response.toArray()).toString(), 'too large')
    sent.destroy()
  }
})

scenario('aborts the upstream request when the client aborts an upload', async (context) => {
  let lost = 0
  const one = await listen(context, (request) => {
    request.resume().on('close', () => {
      if (!request.complete) lost++
    })
  })
  const url = await proxy(context, one.url)
  for (let i = 1; i <= 5; i++) {
    const headers = { 'content-type': 'application/octet-stream', 'content-length': big.length }
    const sent = http.request(url, { method: 'PUT', headers })
    sent.on('error', () => {})
    const seen = once(one.server, 'request')
    sent.write(big.subarray(0, 100_000))
    await seen
    sent.destroy()
    await until(() => lost === i)
  }
})

scenario('forwards a multipart body of the package form-data', async (context) => {
  const one = await service(context, {
    '/upload': (request, response, body) =>
      mirror(request, response, Buffer.from(`${body.includes(big)} ${body.includes('name="text"')}`)),
  })
  const url = await proxy(context, one.url)
  for (const way of ['pipe', 'body']) {
    const form = new FormData()
    form.append('text', 'hello')
    form.append('file', big, { filename: 'big.bin' })
    let answer
    if (way === 'pipe') {
      const sent = http.request(`${url}/upload`, { method: 'POST', headers: form.getHeaders() })
      form.pipe(sent)
      const [response] = await once(sent, 'response')
      answer = JSON.parse(Buffer.concat(await response.toArray()).toString())
    } else {
      const { body } = await request(`${url}/upload`, {
        method: 'POST',
        headers: form.getHeaders(),
        body: Readable.from(form.getBuffer()),
      })
      answer = await body.json()
    }
    assert.equal(answer.body, 'true true', way)
    assert.match(answer.headers['content-type'], /^multipart\/form-data; boundary=/)
  }
})

scenario('sends a form-data stream as a request body', async (context) => {
  const one = await service(context, {
    '/upload': (_request, response, body) => response.end(String(body.includes(big))),
  })
  const url = await proxy(context, one.url)
  const form = new FormData()
  form.append('file', big, { filename: 'big.bin' })
  const { body } = await request(`${url}/upload`, { method: 'POST', headers: form.getHeaders(), body: form })
  assert.equal(await body.text(), 'true')
})

scenario('forwards an upgrade', async (context) => {
  const one = await listen(context, (_request, response) => response.end())
  one.server.on('upgrade', (request, socket) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ' +
        `${accept(request.headers['sec-websocket-key'])}\r\n\r\n`,
    )
    socket.write(Buffer.concat([Buffer.of(0x81, 5), Buffer.from('hello')]))
    socket.on('error', () => {})
  })
  const url = await proxy(context, one.url, { websocket: true })
  const socket = new WebSocket(url.replace('http', 'ws'))
  const { data } = await new Promise((resolve, reject) => {
    socket.onmessage = resolve
    socket.onerror = ({ error }) => reject(error)
  })
  assert.equal(data, 'hello')
  socket.close()
})

function accept(key) {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}

scenario('sends requests changed by a hook to a TLS upstream', async (context) => {
  const one = await listenTls(context, (request, response) => {
    response.writeHead(200, { 'set-cookie': ['a=1', 'b=2'] })
    request.pipe(response)
  })
  const undici = { connect: { rejectUnauthorized: false } }
  const preHandler = (request, _reply, done) => {
    request.headers['x-by'] = 'hook'
    done()
  }
  const url = await proxy(context, one.url, { undici, preHandler })
  const headers = { 'content-type': 'application/octet-stream' }
  const answer = await request(url, { method: 'POST', headers, body: big })
  assert.deepEqual(answer.headers['set-cookie'], ['a=1', 'b=2'])
  assert.ok(big.equals(Buffer.from(await answer.body.arrayBuffer())))
})

scenario('forwards each chunk of a slow download, and its failure', async (context) => {
  let reply
  const one = await listen(context, (_request, response) => {
    reply = response
    response.write('0')
  })
  const url = await proxy(context, one.url)
  const { body } = await request(url)
  let seen = 0
  for await (const chunk of body) {
    assert.equal(String(chunk), String(seen++))
    if (seen < 5) reply.write(String(seen))
    else reply.destroy()
    if (seen === 5) break
  }
  const cut = await request(url)
  await until(() => reply !== undefined)
  reply.destroy()
  await assert.rejects(cut.body.text())
})
