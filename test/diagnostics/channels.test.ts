import diagnosticsChannel from 'node:diagnostics_channel'
import net from 'node:net'
import t from 'tap'
import { Client } from '../../lib/index.js'
import { Listener } from '../servers/listener.js'
import { httpOrigin, type Origin } from '../servers/origin.js'

/** An origin that answers each request with its own fields. */
function mirror(): Promise<Origin> {
  return httpOrigin((request, reply) => {
    request.resume().on('end', () => {
      reply.sendDate = false
      reply.setHeader('X-Reply', 'yes')
      reply.end(JSON.stringify(request.rawHeaders))
    })
  })
}

t.test('tells of a GET from its creation to its end', async (t) => {
  const origin = await mirror()
  const client = new Client(origin.url)
  const listener = new Listener()
  const headers = { Accept: '*/*', list: ['1', '2'], number: 5 }
  const { body } = await client.request({ path: '/a', query: { b: 'c' }, method: 'GET', headers })
  const text = await body.text()
  listener.close()
  t.strictSame(listener.channels(), [
    'request:create',
    'client:beforeConnect',
    'client:connected',
    'client:sendHeaders',
    'request:bodySent',
    'request:headers',
    'request:bodyChunkReceived',
    'request:trailers',
  ])
  const [{ request }] = listener.of('request:create')
  t.equal(listener.channels(request).length, 6, 'all messages about it hold the same object')
  t.match(request, { origin: origin.url, method: 'GET', path: '/a?b=c', completed: true, aborted: false })
  t.strictSame(request.headers, ['Accept', '*/*', 'list', '1', 'list', '2', 'number', '5'])

  const connectParams = {
    host: `127.0.0.1:${origin.port}`,
    hostname: '127.0.0.1',
    protocol: 'http:',
    port: String(origin.port),
    servername: null,
    localAddress: null,
  }
  const [before] = listener.of('client:beforeConnect')
  const [connected] = listener.of('client:connected')
  const [sent] = listener.of('client:sendHeaders')
  t.strictSame(before.connectParams, connectParams)
  t.strictSame(connected.connectParams, connectParams)
  t.type(before.connector, 'function')
  t.equal(connected.connector, before.connector)
  t.type(connected.socket, net.Socket)
  t.equal(sent.socket, connected.socket)
  t.strictSame(sent.headers.split('\r\n'), [
    'GET /a?b=c HTTP/1.1',
    `host: 127.0.0.1:${origin.port}`,
    'Accept: */*',
    'list: 1',
    'list: 2',
    'number: 5',
    'connection: keep-alive',
    '',
  ])
  const [{ response }] = listener.of('request:headers')
  t.match(response, { statusCode: 200, statusText: 'OK' })
  t.ok(response.headers.every(Buffer.isBuffer))
  t.strictSame(response.headers.slice(0, 2).map(String), ['X-Reply', 'yes'])
  t.equal(String(listener.of('request:bodyChunkReceived')[0].chunk), text)
  t.strictSame(listener.of('request:trailers')[0].trailers, [])
  await client.close()
  await origin.close()
})

t.test('a subscriber can add fields, and nothing that is not one', async (t) => {
  const origin = await mirror()
  const client = new Client(origin.url)
  const thrown: (string | undefined)[] = []
  const onCreate = (message: unknown) => {
    const { request } = message as { request: { addHeader(name: unknown, value: unknown): unknown } }
    t.equal(request.addHeader('Hello', 'world'), request)
    request.addHeader('list', ['1', '2'])
    const refused: [unknown, unknown][] = [
      ['x', 'a\r\nb: c'],
      ['x', ['a', 'b\0']],
      ['x y', 'a'],
      ['x:', 'a'],
      ['', 'a'],
      [5, 'a'],
      ['x', {}],
      ['host', 'a\r\nb: c'],
      ['content-length', '3'],
      ['upgrade', 'websocket'],
    ]
    for (const [name, value] of refused) {
      try {
        request.addHeader(name, value)
        thrown.push(`${name} passed`)
      } catch (error) {
        thrown.push((error as { code?: string }).code)
      }
    }
  }
  diagnosticsChannel.subscribe('undici:request:create', onCreate)
  const { body } = await client.request({ path: '/', method: 'GET', headers: { own: 'yes' } })
  diagnosticsChannel.unsubscribe('undici:request:create', onCreate)
  const host = `127.0.0.1:${origin.port}`
  const fields = ['host', host, 'own', 'yes', 'Hello', 'world', 'list', '1', 'list', '2', 'connection', 'keep-alive']
  t.strictSame(await body.json(), fields)
  const codes = new Set(thrown)
  t.strictSame([...codes].sort(), ['UND_ERR_INVALID_ARG', 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH'])
  await client.close()
  await origin.close()
})
