import { AsyncLocalStorage } from 'node:async_hooks'
import { Readable } from 'node:stream'
import t from 'tap'
import type * as undici from 'undici'
import { Client, RetryHandler } from '../../lib/index.js'
import { examplesOf, runExample } from '../servers/documentation.js'
import { httpOrigin } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'
import { again, busy, cut, fine, get, limited, lost, quick, rest, run } from '../servers/retrying.js'
import { type Answer, message, scriptedOrigin } from '../servers/script.js'

type Options = RetryHandler.RetryOptions
type Context = RetryHandler.RetryContext

t.test("the documentation's examples, as they are written", async (t) => {
  const examples = examplesOf('RetryHandler.md').filter((code) => code.includes('client.dispatch'))
  t.equal(examples.length, 2)
  for (const [index, code] of examples.entries()) {
    let requests = 0
    let served = () => {}
    const ended = new Promise<void>((resolve) => {
      served = resolve
    })
    const origin = await httpOrigin((_request, reply) => {
      if (++requests < 3) return void reply.writeHead(503, { 'retry-after': '0' }).end()
      reply.on('finish', served).end('at last')
    })
    const server = { address: () => ({ port: origin.port }) }
    const wait = (callback: () => void) => setImmediate(callback)
    const scope = { server, dispatchOptions: { ...get, path: '/example' }, setTimeout: wait }
    const made = await runExample(code.replace('localhost', '127.0.0.1'), scope, ['client', 'handler'])
    await ended
    const client = made.client as unknown as Client
    t.ok((made.handler as unknown) instanceof RetryHandler)
    await client.close()
    t.equal(requests, 3, `example ${index + 1}`)
    await origin.close()
  }
})

t.test('failed attempts call only onRequestStart of the handler', async (t) => {
  const { recorder, requests, connections } = await run([busy, lost, busy, fine])
  t.strictSame(recorder.calls, ['start', 'start', 'start', 'start', 'head 200', 'data', 'end'])
  t.equal(recorder.body, 'fine')
  t.equal(requests.length, 4)
  t.equal(connections, 2, 'short error pages keep their connection')
})

t.test('reports the last failure', async (t) => {
  const status = await run([busy], { options: { maxRetries: 2 } })
  t.match(status.recorder.error, {
    code: 'UND_ERR_REQ_RETRY',
    statusCode: 503,
    data: { count: 2 },
    headers: { 'x-from': 'server' },
  })
  t.equal(status.requests.length, 3)
  const handed = await run([busy], { options: { maxRetries: 2, throwOnError: false } })
  t.strictSame(handed.recorder.calls.slice(-3), ['head 503', 'data', 'end'])
  t.equal(handed.recorder.body, 'busy')
  t.equal(handed.requests.length, 3)
  const network = await run([lost], { options: { maxRetries: 2, throwOnError: false } })
  t.match(network.recorder.error, { code: 'UND_ERR_SOCKET' })
  t.equal(network.requests.length, 3)
})

t.test('delivers responses with other statuses at once', async (t) => {
  for (const status of ['200 OK', '301 Moved', '404 Not Found', '501 No']) {
    const { recorder, requests } = await run([message(status, 'page')], { options: { retry: again } })
    t.equal(recorder.body, 'page')
    t.equal(requests.length, 1)
  }
  const own = await run([message('404 Not Found', 'page'), busy], { options: { statusCodes: [404] } })
  t.equal(own.recorder.statusCode, 503)
})

t.test('delivers 1xx responses until the final response', async (t) => {
  const early = 'HTTP/1.1 103 Early\r\n\r\n'
  const { recorder } = await run([
    early + busy,
    { text: early + (cut as { text: string }).text, end: 'cut' },
    early + rest,
  ])
  t.strictSame(
    recorder.calls.filter((call) => call.startsWith('head')),
    ['head 103', 'head 103', 'head 200'],
  )
  t.equal(recorder.body, '0123456789')
})

t.test('the retry callback decides', async (t) => {
  const seen: unknown[] = []
  const states = new Set<object>()
  const watch: RetryHandler.RetryCallback = (error, { state, opts }, callback) => {
    const { code, statusCode } = error as Error & { code: string; statusCode?: number }
    seen.push([code, statusCode, state.counter, opts.path, opts.retryOptions?.maxRetries])
    states.add(state)
    setImmediate(callback)
  }
  const result = await run([lost, busy, fine], { options: { retry: watch } })
  t.equal(result.recorder.body, 'fine')
  t.strictSame(seen, [
    ['UND_ERR_SOCKET', undefined, 1, '/', 5],
    ['UND_ERR_REQ_RETRY', 503, 2, '/', 5],
  ])
  t.equal(states.size, 1, 'all attempts share one state')

  const endless = await run([busy, busy, busy, fine], { options: { retry: again, maxRetries: 0 } })
  t.equal(endless.recorder.body, 'fine', 'maxRetries does not limit a retry callback')
  const post = await run([busy, fine], { options: { retry: again }, request: { method: 'POST', headers: { a: 'b' } } })
  t.equal(post.recorder.body, 'fine', 'methods does not limit a retry callback')
})

t.test('exceptions and rejections of the retry callback fail the request', async (t) => {
  const mine = new Error('mine')
  const ways: [string, RetryHandler.RetryCallback][] = [
    ['answers an error', (_error, _context, callback) => callback(mine)],
    ['answers one later', (_error, _context, callback) => setImmediate(callback, mine)],
    [
      'throws',
      () => {
        throw mine
      },
    ],
    [
      'rejects',
      (async () => {
        throw mine
      }) as RetryHandler.RetryCallback,
    ],
    [
      'answers twice',
      (_error, _context, callback) => {
        callback(mine)
        callback(null)
        callback(new Error('other'))
      },
    ],
  ]
  for (const [name, retry] of ways) {
    const { recorder, requests } = await run([busy, fine], { options: { retry } })
    t.equal(recorder.error, mine, name)
    t.equal(requests.length, 1)
    const handed = await run([busy, fine], { options: { retry, throwOnError: false } })
    t.equal(handed.recorder.body, 'busy', `${name}, with throwOnError: false`)
    t.equal(handed.recorder.error, null)
  }
  const odd = (_error: Error, _context: Context, callback: (result: never) => void) => callback('no' as never)
  t.equal((await run([busy], { options: { retry: odd } })).recorder.error, 'no', 'a value that is no Error')
})

t.test('a failure response is paused until the decision', async (t) => {
  const long = message('503 Busy', 'x'.repeat(300_000))
  for (const verdict of [null, new Error('no')]) {
    let decide = () => {}
    let onCallback = () => {}
    const waiting = new Promise<void>((resolve) => {
      onCallback = resolve
    })
    const retry: RetryHandler.RetryCallback = (_error, _context, callback) => {
      decide = () => callback(verdict)
      onCallback()
    }
    const recorder = new Recorder()
    const running = run([long, fine], { options: { retry, throwOnError: false }, recorder })
    await waiting
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
    t.strictSame(recorder.calls, ['start'])
    decide()
    await running
    t.equal(recorder.error, null)
    t.equal(recorder.body.length, verdict === null ? 4 : 300_000)
  }
  const broken: Answer = { text: message('503 Busy', 'x', { 'content-length': '9' }), end: 'reset' }
  for (const verdict of [null, new Error('no')]) {
    let tries = 0
    const retry: RetryHandler.RetryCallback = (_error, _context, callback) => {
      tries++
      setTimeout(() => callback(verdict), 20)
    }
    const { recorder } = await run([broken, fine], { options: { retry, throwOnError: false } })
    if (verdict === null) t.equal(recorder.body, 'fine')
    else t.ok(recorder.error, 'fails, as the failure response is truncated')
    t.equal(tries, 1)
  }
})

t.test('does not retry bodies that can be read once', async (t) => {
  async function* generated() {
    yield 'x'
  }
  const bodies: [string, () => unknown][] = [
    ['a Readable', () => Readable.from(['x'])],
    ['an AsyncIterable', generated],
    ['a web stream', () => new Blob(['x']).stream()],
  ]
  for (const [name, body] of bodies) {
    const chunked: Answer = `${busy}`
    const status = await once(chunked, body())
    t.match(status.error, { code: 'UND_ERR_REQ_RETRY', statusCode: 503, data: { count: 0 } }, name)
    t.equal(status.requests, 1)
    const network = await once(lost, body())
    t.match(network.error, { code: 'UND_ERR_REQ_RETRY', cause: { code: /UND_ERR_SOCKET|ECONNRESET/ } }, name)
    t.equal(network.requests, 1)
  }
  const post = await once(lost, Readable.from(['x']), { method: 'POST', retryOptions: quick })
  t.match(
    post.error,
    { code: /UND_ERR_SOCKET|ECONNRESET/ },
    'a request that is not retried fails with the original error',
  )
})

/** Sends a PUT whose callback always retries, to a server that always fails. */
async function once(answer: Answer, body: unknown, request: object = {}) {
  let requests = 0
  const origin = await httpOrigin((incoming, reply) => {
    requests++
    incoming.resume().on('end', () => {
      if (answer === lost) incoming.socket.destroy()
      else reply.writeHead(503).end()
    })
  })
  const client = new Client(origin.url)
  const recorder = new Recorder()
  const sent = { ...get, method: 'PUT', body: body as string, retryOptions: { retry: again }, ...request }
  client.dispatch(sent, new RetryHandler(sent, { dispatch: client.dispatch.bind(client), handler: recorder }))
  await recorder.ended
  await client.destroy()
  await origin.close()
  return { error: recorder.error, requests }
}

t.test('resends replayable bodies', async (t) => {
  const form = new FormData()
  form.set('name', 'value')
  const bodies: unknown[] = [
    'text',
    Buffer.from('text'),
    new Uint8Array([1, 2]),
    new Blob(['text']),
    form,
    ['te', 'xt'],
  ]
  for (const body of bodies) {
    const seen: string[] = []
    const origin = await httpOrigin((request, reply) => {
      let text = ''
      request.setEncoding('latin1').on('data', (chunk) => {
        text += chunk
      })
      request.on('end', () => {
        seen.push(text.replace(/--.*/g, ''))
        reply.writeHead(seen.length < 3 ? 503 : 200).end()
      })
    })
    const client = new Client(origin.url)
    const recorder = new Recorder()
    const sent = { ...get, method: 'PUT', body: body as string, retryOptions: quick }
    client.dispatch(sent, new RetryHandler(sent, { dispatch: client.dispatch.bind(client), handler: recorder }))
    await recorder.ended
    t.equal(recorder.statusCode, 200)
    t.equal(seen.length, 3)
    t.ok(seen[0] !== '' && new Set(seen).size === 1)
    await client.close()
    await origin.close()
  }
})

t.test('supports legacy handlers', async (t) => {
  const calls: string[] = []
  const origin = await scriptedOrigin(busy, cut, rest)
  const client = new Client(origin.url)
  await new Promise<void>((resolve, reject) => {
    let resume = () => {}
    const handler = {
      onConnect: () => void calls.push('connect'),
      onHeaders(status: number, raw: Buffer[], proceed: () => void) {
        resume = proceed
        calls.push(`headers ${status} ${raw[0]}`)
        setImmediate(() => resume())
        return false
      },
      onData(chunk: Buffer) {
        calls.push(`data ${chunk}`)
        setImmediate(() => resume())
        return false
      },
      onComplete: () => resolve(),
      onError: reject,
    }
    const dispatch = client.dispatch.bind(client)
    client.dispatch(get, new RetryHandler({ ...get, retryOptions: quick }, { dispatch, handler }))
  })
  t.strictSame(calls, ['connect', 'connect', 'headers 200 content-length', 'data 0123', 'data 456789'])
  await client.close()
  await origin.close()
})

t.test('an abort at any time fails the request once', async (t) => {
  const reason = new Error('no patience')
  const moments: [string, Answer[], Options][] = [
    ['start', [fine], {}],
    ['head 200', [fine], {}],
    ['data', [cut, rest], {}],
  ]
  for (const [moment, answers, options] of moments) {
    const recorder = new Recorder((name, controller) => {
      if (name === moment) controller.abort(reason)
    })
    const { requests } = await run(answers, { options, recorder })
    t.equal(recorder.error, reason, moment)
    t.equal(recorder.calls.filter((call) => call === 'error' || call === 'end').length, 1)
    t.ok(requests.length <= 1)
    t.equal(recorder.controller?.aborted, true)
    t.equal(recorder.controller?.reason, reason)
  }
  let retried = () => {}
  const late = new Recorder()
  const retry: RetryHandler.RetryCallback = (_error, _context, callback) => {
    retried = () => callback(null)
    setImmediate(() => late.controller?.abort(reason))
  }
  const { recorder, requests } = await run([busy], { options: { retry }, recorder: late })
  t.equal(recorder.error, reason, 'aborted while the retry callback waits')
  retried()
  t.equal(requests.length, 1)
})

t.test('an abort during the delay fails the request at once and clears the timer', async (t) => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = timers()
  const origin = await scriptedOrigin(message('503 Busy', '', { 'retry-after': '3600' }))
  const client = new Client(origin.url)
  const recorder = new Recorder()
  const retryOptions = { maxTimeout: Infinity }
  const dispatch = client.dispatch.bind(client)
  client.dispatch(get, new RetryHandler({ ...get, retryOptions }, { dispatch, handler: recorder }))
  while (origin.requests.length === 0 || client.stats.size > 0) await new Promise(setImmediate)
  t.strictSame(recorder.calls, ['start'])
  recorder.controller?.abort()
  t.match(recorder.error, { code: 'UND_ERR_ABORTED' })
  t.strictSame(recorder.calls, ['start', 'error'])
  recorder.controller?.abort(new Error('again'))
  t.strictSame(recorder.calls, ['start', 'error'])
  await client.close()
  await origin.close()
  t.ok(timers() <= before)
})

t.test('a pause holds over the following attempts', async (t) => {
  const recorder = new Recorder()
  let paused: () => void = () => {}
  const pausing = new Promise<void>((resolve) => {
    paused = resolve
  })
  const retry: RetryHandler.RetryCallback = (_error, _context, callback) => {
    recorder.controller?.pause()
    callback(null)
    paused()
  }
  const origin = await scriptedOrigin(cut, rest)
  const client = new Client(origin.url)
  const dispatch = client.dispatch.bind(client)
  client.dispatch(get, new RetryHandler({ ...get, retryOptions: { retry } }, { dispatch, handler: recorder }))
  await pausing
  while (origin.requests.length < 2) await new Promise(setImmediate)
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
  t.equal(recorder.controller?.paused, true)
  t.equal(recorder.body, '0123')
  recorder.controller?.resume()
  await recorder.ended
  t.equal(recorder.controller?.paused, false)
  t.equal(recorder.body, '0123456789')
  await client.close()
  await origin.close()
})

t.test('exceptions of the handler are not retried', async (t) => {
  const thrown = Object.assign(new Error('bug'), { code: 'ECONNRESET' })
  for (const moment of ['start', 'head 200', 'data']) {
    const recorder = new Recorder((name) => {
      if (name === moment) throw thrown
    })
    const { requests } = await run([cut, rest], { recorder })
    t.equal(recorder.error, thrown, moment)
    t.ok(requests.length <= 1)
  }
  const atEnd = new Recorder((name) => {
    if (name === 'end') throw thrown
  })
  await run([fine], { recorder: atEnd })
  t.strictSame(atEnd.calls.slice(-2), ['end', 'error'])
  const uncaught = new Promise<Error>((resolve) => process.once('uncaughtException', resolve))
  const last = new Recorder((name) => {
    if (name === 'error') throw thrown
  })
  await run([busy], {
    recorder: last,
    options: { retry: (_error, _context, callback) => setImmediate(callback, thrown) },
  })
  t.equal(await uncaught, thrown)
})

t.test('close and destroy fail a request that waits for a retry', async (t) => {
  for (const [end, retry] of [
    ['close', undefined],
    ['destroy', undefined],
    ['close', limited(again, 50)],
    ['destroy', limited(again, 50)],
  ] as const) {
    const origin = await scriptedOrigin(busy)
    const client = new Client(origin.url)
    const recorder = new Recorder()
    const retryOptions: Options = retry === undefined ? { minTimeout: 50 } : { retry }
    const dispatch = client.dispatch.bind(client)
    client.dispatch(get, new RetryHandler({ ...get, retryOptions }, { dispatch, handler: recorder }))
    while (origin.requests.length === 0 || client.stats.size > 0) await new Promise(setImmediate)
    await client[end]()
    await recorder.ended
    t.match(
      recorder.error,
      { code: /UND_ERR_(CLOSED|DESTROYED)/ },
      `${end}, with ${retry ? 'a stubborn' : 'no'} callback`,
    )
    await origin.close()
  }
})

t.test('a dispatch function that throws fails the request', async (t) => {
  const thrown = new Error('no way')
  const origin = await scriptedOrigin(busy)
  const client = new Client(origin.url)
  const recorder = new Recorder()
  const dispatch = () => {
    throw thrown
  }
  client.dispatch(get, new RetryHandler({ ...get, retryOptions: quick }, { dispatch, handler: recorder }))
  await recorder.ended
  t.equal(recorder.error, thrown)
  await client.close()
  await origin.close()
})

t.test('stops reading an endless error page', async (t) => {
  const stalled = message('503 Busy', 'x', { 'content-length': '9' })
  const { recorder, connections } = await run([stalled, fine])
  t.equal(recorder.body, 'fine')
  t.equal(connections, 2)
  const final = await run([stalled], { options: { maxRetries: 0 } })
  t.match(final.recorder.error, { statusCode: 503 })
})

t.test('passes an upgrade on', async (t) => {
  const upgraded = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n'
  const { recorder } = await run([busy, lost, upgraded], { request: { upgrade: 'chat' } })
  t.strictSame(recorder.calls, ['start', 'start', 'start', 'upgrade'])
  t.strictSame(recorder.headers.upgrade, 'chat')
  recorder.socket?.destroy()
})

t.test('an exception of onRequestUpgrade destroys the socket and fails the request', async (t) => {
  const upgraded = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n'
  const thrown = new Error('bug')
  const throwing = new Recorder((name) => {
    if (name === 'upgrade') throw thrown
  })
  await run([upgraded], { request: { upgrade: 'chat' }, recorder: throwing })
  t.equal(throwing.error, thrown)
  t.equal(throwing.socket?.destroyed, true)
})

t.test('works with a dispatcher that ignores pause and passes its controller late', async (t) => {
  const aborted: unknown[] = []
  const controller = {
    aborted: false,
    paused: false,
    reason: null,
    rawHeaders: null,
    rawTrailers: null,
    abort: (reason?: Error) => void aborted.push(reason),
    pause() {},
    resume() {},
  }
  let decide: (result?: Error | null) => void = () => {}
  const retry: RetryHandler.RetryCallback = (_error, _context, callback) => {
    decide = callback
  }
  const recorder = new Recorder()
  const tries: unknown[] = []
  const dispatch = (_options: unknown, given: unknown) => tries.push(given) > 0
  const retryOptions = { retry, throwOnError: false }
  const handler = new RetryHandler({ ...get, retryOptions }, { dispatch, handler: recorder })
  handler.onRequestStart(controller, null)
  handler.onResponseStart(controller, 503, {}, 'Busy')
  handler.onResponseData(controller, Buffer.from('bu'))
  handler.onResponseData(controller, Buffer.from('sy'))
  handler.onResponseEnd(controller, { 'x-sum': '1' })
  t.strictSame(recorder.calls, ['start'])
  decide(new Error('no'))
  t.strictSame(recorder.calls, ['start', 'head 503', 'data', 'data', 'end'])
  t.equal(recorder.body, 'busy')
  t.strictSame(recorder.trailers, { 'x-sum': '1' })

  const second = new Recorder()
  const queued = new RetryHandler({ ...get, retryOptions }, { dispatch, handler: second })
  queued.onRequestStart(controller, null)
  queued.onResponseError(controller, new Error('lost'))
  decide(null)
  t.strictSame(tries, [queued])
  const reason = new Error('no patience')
  second.controller?.abort(reason)
  t.equal(second.error, reason, 'fails without waiting for the next attempt')
  queued.onRequestStart(controller, null)
  t.strictSame(aborted, [reason], 'the next attempt is aborted when it starts')
  t.strictSame(second.calls, ['start', 'error'])
})

t.test('attempts are sent in the async context of the request', async (t) => {
  const storage = new AsyncLocalStorage<string>()
  const origin = await scriptedOrigin(lost, busy, fine)
  const client = new Client(origin.url)
  const recorder = new Recorder()
  const seen: unknown[] = []
  const dispatch: Client['dispatch'] = (options, handler) => {
    seen.push(storage.getStore())
    return client.dispatch(options, handler)
  }
  storage.run('mine', () => {
    const retryOptions = {
      retry: (...parts: Parameters<typeof again>) => {
        seen.push(storage.getStore())
        again(...parts)
      },
    }
    client.dispatch(get, new RetryHandler({ ...get, retryOptions }, { dispatch, handler: recorder }))
  })
  await recorder.ended
  t.strictSame(seen, ['mine', 'mine', 'mine', 'mine'])
  await client.close()
  await origin.close()
})

t.test('rejects invalid arguments', async (t) => {
  const handler = new Recorder()
  const dispatch = () => true
  const refused = (options: unknown, handlers: unknown = { dispatch, handler }) =>
    t.throws(() => new RetryHandler(options as never, handlers as never), { code: 'UND_ERR_INVALID_ARG' })
  refused(null)
  refused(get, { dispatch })
  refused(get, { handler })
  const wrong: [string, unknown[]][] = [
    ['maxRetries', [-1, 'x', Number.NaN]],
    ['maxTimeout', [-1, '', 'soon']],
    ['minTimeout', [-1, true]],
    ['timeoutFactor', [-1, {}]],
    ['throwOnError', [2]],
    ['retryAfter', ['yes']],
    ['methods', ['GET']],
    ['statusCodes', [500]],
    ['errorCodes', ['EPIPE']],
    ['retry', [1]],
  ]
  for (const [name, values] of wrong) for (const value of values) refused({ ...get, retryOptions: { [name]: value } })
  refused({ ...get, retryOptions: 3 })
  t.ok(new RetryHandler({ ...get, retryOptions: { maxRetries: undefined } }, { dispatch, handler }))
})

t.test("accepts values with undici's types, and the reverse", async (t) => {
  const retry: undici.RetryHandler.RetryCallback = (error, { state, opts }, callback) =>
    callback(state.counter > 1 || opts.retryOptions?.methods?.includes('GET') !== true ? error : null)
  const theirs: undici.RetryHandler.RetryOptions = { retry, methods: ['GET'] }
  const ours: Options = theirs
  const back: undici.RetryHandler.RetryOptions = ours
  const client = new Client('http://localhost')
  const handlers: undici.RetryHandler.RetryHandlers = { dispatch: client.dispatch.bind(client), handler: {} }
  const same: RetryHandler.RetryHandlers = { ...handlers, handler: new Recorder() }
  t.ok(new RetryHandler({ ...get, retryOptions: back }, same))
  t.equal((await run([busy, fine], { options: theirs })).recorder.body, 'fine')
  await client.close()
})

t.test('accepts option forms of undici: numbers as strings, 0 and 1, Sets', async (t) => {
  const options = { minTimeout: '0', maxRetries: '1', timeoutFactor: '2', maxTimeout: '5', retryAfter: 0 }
  const sets = { methods: new Set(['GET']), statusCodes: new Set([503]), errorCodes: new Set(['ECONNRESET']) }
  const { recorder, requests } = await run([busy, fine], { options: { ...options, ...sets } as never })
  t.equal(recorder.body, 'fine')
  t.equal(requests.length, 2)
  const never = await run([busy, fine], { options: { ...options, statusCodes: new Set() } as never })
  t.equal(never.requests.length, 1)
})

t.test('a callback can not change the defaults of other requests', async (t) => {
  const greedy: RetryHandler.RetryCallback = (error, { opts }, callback) => {
    opts.retryOptions?.statusCodes?.push(200)
    callback(error)
  }
  await run([busy], { options: { retry: greedy } })
  t.equal((await run([fine])).recorder.body, 'fine')
})

t.test('retries HEAD', async (t) => {
  const head = message('200 OK', '', { etag: '"one"', 'content-length': '10' })
  const { recorder, requests } = await run([lost, head], { request: { method: 'HEAD' } })
  t.strictSame(recorder.calls, ['start', 'start', 'head 200', 'end'])
  t.equal(requests.length, 2)
})
