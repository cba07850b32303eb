import { Readable } from 'node:stream'
import t from 'tap'
import { Agent, Client, type Dispatcher, interceptors, Pool } from '../../lib/index.js'
import { httpOrigin, onRequests, rawOrigin } from '../servers/origin.js'
import { rangeOrigin } from '../servers/ranges.js'
import { Recorder } from '../servers/recorder.js'

const quick = { minTimeout: 1, maxTimeout: 20 }
const get = { path: '/', method: 'GET' }

/** Server that fails a number of times, by status or by closing the connection, then responds. */
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

t.test('the documented example of a pool works', async (t) => {
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

t.test('retries connection errors', async (t) => {
  const origin = await flakyOrigin(3, 'close')
  const client = new Client(origin.url).compose(interceptors.retry(quick))
  t.equal(await (await client.request(get)).body.text(), 'at last')
  await client.close()
  await origin.close()
  const refused = new Client(origin.url).compose(interceptors.retry({ ...quick, maxRetries: 2 }))
  await t.rejects(refused.request(get), { code: 'ECONNREFUSED' })
  await refused.close()
})

t.test('does not retry other methods, errors and statuses', async (t) => {
  const origin = await flakyOrigin(100, 503)
  const client = new Client(origin.url).compose(interceptors.retry({ ...quick, maxRetries: 1 }))
  const failure = { code: 'UND_ERR_REQ_RETRY', statusCode: 503, data: { count: 0 } }
  await t.rejects(client.request({ path: '/', method: 'POST', body: 'x' }), failure, 'a POST')
  await t.rejects(client.request({ path: '/', method: 'PUT', body: Readable.from(['x']) }), failure, 'a stream')
  t.strictSame(origin.seen, ['POST', 'PUT'])
  await t.rejects(client.request(get), { ...failure, data: { count: 1 } })
  t.equal(origin.seen.length, 4)
  const lenient = new Client(origin.url).compose(interceptors.retry({ ...quick, maxRetries: 1, throwOnError: false }))
  for (const request of [get, { ...get, method: 'POST' }, { ...get, method: 'PUT', body: Readable.from(['x']) }]) {
    const { statusCode, body } = await lenient.request(request)
    t.equal(statusCode, 503)
    t.equal(await body.text(), 'wait')
  }
  t.equal(origin.seen.length, 8)
  await Promise.all([client.close(), lenient.close()])
  await origin.close()
})

t.test('does not retry a partly delivered body that can not be resumed', async (t) => {
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

t.test('an abort ends the delay', async (t) => {
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

t.test('closes the connection of a long error page and resends the whole body', async (t) => {
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

t.test("a request's own options go over those of the interceptor", async (t) => {
  const origin = await flakyOrigin(100, 503)
  const client = new Client(origin.url).compose(interceptors.retry({ ...quick, maxRetries: 3 }))
  const code = 'UND_ERR_REQ_RETRY'
  await t.rejects(client.request({ ...get, retryOptions: { maxRetries: 1 } }), { code, data: { count: 1 } })
  t.equal(origin.seen.length, 2)
  const lenient = await client.request({ ...get, retryOptions: { throwOnError: false, maxRetries: undefined } })
  t.equal(await lenient.body.text(), 'wait')
  t.equal(origin.seen.length, 6)
  await t.rejects(client.request({ ...get, retryOptions: { maxRetries: -1 } }), { code: 'UND_ERR_INVALID_ARG' })
  await client.close()
  await origin.close()
})

t.test('sends headers of an iterator with each attempt', async (t) => {
  const heads: (string | undefined)[] = []
  const origin = await httpOrigin((request, reply) => {
    heads.push(request.headers['x-once'] as string | undefined)
    reply.writeHead(heads.length < 3 ? 503 : 200).end()
  })
  const client = new Client(origin.url).compose(interceptors.retry(quick))
  const headers = (function* (): Generator<[string, string]> {
    yield ['x-once', 'yes']
  })()
  await (await client.request({ ...get, headers })).body.dump()
  t.strictSame(heads, ['yes', 'yes', 'yes'])
  await client.close()
  await origin.close()
})

/** Each dispatcher that requests go through. */
const dispatchers: [string, (url: string) => Dispatcher][] = [
  ['Client', (url) => new Client(url)],
  ['Pool', (url) => new Pool(url, { connections: 2 })],
  ['Agent', () => new Agent()],
]

for (const [name, make] of dispatchers) {
  t.test(`a body truncated at any byte is delivered completely: ${name}`, async (t) => {
    const body = 'The quick brown fox jumps over the lazy dog'
    for (const chunked of [false, true]) {
      const { whole, close } = await rangeOrigin({ body, faults: [], chunked })
      await close()
      for (let after = 0; after < whole.length; after++) {
        const faults = [{ after, reset: after % 2 === 1 }, { after: after * 2 }, { after: 5 }]
        const origin = await rangeOrigin({ body, faults, chunked })
        const dispatcher = make(origin.url).compose(interceptors.retry({ minTimeout: 0 }))
        const recorder = new Recorder()
        dispatcher.dispatch({ ...get, origin: origin.url }, recorder)
        await recorder.ended
        // Only the end of the chunks may be missing; the client can not know that all bytes were received.
        if (recorder.body !== body || !chunked) t.equal(recorder.body, body, `cut after ${after} bytes`)
        if (recorder.error !== null && !chunked) t.error(recorder.error)
        t.equal(recorder.calls.filter((call) => call.startsWith('head')).length, 1)
        await dispatcher.destroy()
        await origin.close()
      }
    }
  })
}

t.test('an abort applies to attempts that an interceptor below sends later', async (t) => {
  let requests = 0
  const origin = await httpOrigin((_request, reply) => {
    requests++
    reply.end('late')
  })
  const ended = { aborted: false, paused: false, reason: null, abort() {}, pause() {}, resume() {} }
  const later: Dispatcher.DispatchInterceptor = (dispatch) => (options, handler) => {
    handler.onRequestStart?.(ended as never, null)
    setImmediate(() => dispatch(options, handler))
    return true
  }
  const client = new Client(origin.url)
  const failure = await new Promise((resolve) => {
    client.compose(later, interceptors.retry()).dispatch(
      { path: '/', method: 'GET' },
      {
        onRequestStart: (controller) => controller.abort(new Error('enough')),
        onResponseEnd: () => resolve('ended'),
        onResponseError: (_controller, error) => resolve(error),
      },
    )
  })
  t.match(failure, { message: 'enough' })
  t.equal(requests, 0)
  await client.close()
  await origin.close()
})
