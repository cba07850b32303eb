import { Readable } from 'node:stream'
import t from 'tap'
import { Client, interceptors, Pool } from '../../lib/index.js'
import { httpOrigin, onRequests, rawOrigin } from '../servers/origin.js'

const quick = { minTimeout: 1, maxTimeout: 20 }
const get = { path: '/', method: 'GET' }

/** Fails so many times, by status or by closing the connection, then answers. */
function flakyOrigin(times: number, status: number | 'close', fields: Record<string, string> = {}) {
  const seen: string[] = []
  const opened = httpOrigin((request, reply) => {
    seen.push(request.method as string)
    request.resume()
    if (seen.length > times) reply.end('at last')
    else if (status === 'close') request.socket.destroy()
    else reply.writeHead(status, fields).end('wait')
  })
  return opened.then((origin) => Object.assign(origin, { seen }))
}

t.test('the second example of the pool, as it is written', async (t) => {
  const origin = await flakyOrigin(2, 503, { 'retry-after': '0' })
  const pool = new Pool(origin.url, {
    connections: 5,
    factory: (origin, opts) => new Client(origin, opts).compose(interceptors.retry({ maxRetries: 3 })),
  })
  const { statusCode, body } = await pool.request(get)
  t.equal(statusCode, 200)
  t.equal(await body.text(), 'at last')
  t.equal(origin.seen.length, 3)
  await pool.close()
  await origin.close()
})

t.test('errors of the connection', async (t) => {
  const origin = await flakyOrigin(3, 'close')
  const client = new Client(origin.url).compose(interceptors.retry(quick))
  t.equal(await (await client.request(get)).body.text(), 'at last')
  await client.close()
  await origin.close()
  const refused = new Client(origin.url).compose(interceptors.retry({ ...quick, maxRetries: 2 }))
  await t.rejects(refused.request(get), { code: 'ECONNREFUSED' })
  await refused.close()
})

t.test('what is not sent again', async (t) => {
  const origin = await flakyOrigin(100, 503)
  const client = new Client(origin.url).compose(interceptors.retry({ ...quick, maxRetries: 1 }))
  t.equal((await client.request({ path: '/', method: 'POST', body: 'x' })).statusCode, 503, 'a POST')
  const streamed = await client.request({ path: '/', method: 'PUT', body: Readable.from(['x']) })
  t.equal(streamed.statusCode, 503, 'a stream')
  t.strictSame(origin.seen, ['POST', 'PUT'])
  await t.rejects(client.request(get), { code: 'UND_ERR_REQ_RETRY', statusCode: 503, data: { count: 1 } })
  t.equal(origin.seen.length, 4)
  const lenient = new Client(origin.url).compose(interceptors.retry({ ...quick, maxRetries: 1, throwOnError: false }))
  const { statusCode, body } = await lenient.request(get)
  t.equal(statusCode, 503)
  t.equal(await body.text(), 'wait')
  await Promise.all([client.close(), lenient.close()])
  await origin.close()
})

t.test('what was handed out in part is not asked for again', async (t) => {
  let requests = 0
  const origin = await rawOrigin((socket) =>
    onRequests(socket, () => {
      requests++
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc')
    }),
  )
  const client = new Client(origin.url).compose(interceptors.retry(quick))
  const { body } = await client.request(get)
  await t.rejects(body.text(), { code: 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' })
  t.equal(requests, 1)
  await client.close()
  await origin.close()
})

t.test('an abort ends the waiting', async (t) => {
  const origin = await flakyOrigin(100, 503, { 'retry-after': new Date(Date.now() + 3_600_000).toUTCString() })
  const client = new Client(origin.url).compose(interceptors.retry())
  const abort = new AbortController()
  const waiting = client.request({ ...get, signal: abort.signal })
  while (origin.seen.length < 1 || (client.stats as { size: number }).size > 0) await new Promise(setImmediate)
  abort.abort(new Error('no patience'))
  await t.rejects(waiting, { message: 'no patience' })
  await client.close()
  await origin.close()
})

t.test('a long error page costs the connection, and bodies are sent whole again', async (t) => {
  let requests = 0
  const bodies: string[] = []
  const origin = await httpOrigin((request, reply) => {
    let text = ''
    request.on('data', (chunk) => {
      text += chunk
    })
    request.on('end', () => {
      bodies.push(text)
      if (++requests < 3) reply.writeHead(500).end('x'.repeat(1_000_000))
      else reply.end('fine')
    })
  })
  const client = new Client(origin.url).compose(interceptors.retry(quick))
  t.equal(await (await client.request({ path: '/', method: 'PUT', body: 'whole' })).body.text(), 'fine')
  t.strictSame(bodies, ['whole', 'whole', 'whole'])
  t.equal(origin.connections, 3)
  await client.close()
  await origin.close()
  for (const name of ['maxRetries', 'maxTimeout', 'minTimeout', 'timeoutFactor']) {
    t.throws(() => interceptors.retry({ [name]: -1 }), { code: 'UND_ERR_INVALID_ARG', message: new RegExp(name) })
  }
})
