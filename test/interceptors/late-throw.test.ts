import { Readable } from 'node:stream'
import t from 'tap'
import { Client, DecoratorHandler, type Dispatcher, errors, interceptors, Pool, RetryHandler } from '../../lib/index.js'
import { httpOrigin, onRequests, rawOrigin, response } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'
import { uncaughtDuring } from '../servers/uncaught.js'

type Interceptor = Parameters<Dispatcher['compose']>[0]

/** Interceptor that dispatches, and throws `error` after call number `at`. */
function throwing(error: unknown, at = 1): Interceptor {
  let calls = 0
  return (dispatch) => (options, handler) => {
    const accepted = dispatch(options, handler)
    if (++calls === at) throw error
    return accepted
  }
}

const bodies: Record<string, () => unknown> = {
  'an asynchronous generator': async function* () {
    yield 'abc'
  },
  'a generator': function* () {
    yield 'abc'
  },
  'a Readable': () => Readable.from(['abc']),
  'a web stream': () => new Blob(['abc']).stream(),
  'a string': () => 'abc',
}

for (const [kind, body] of Object.entries(bodies)) {
  for (const method of ['PUT', 'DELETE']) {
    t.test(`${kind} of a ${method} arrives whole when an interceptor throws after it has dispatched`, async (t) => {
      const origin = await httpOrigin(async (request, reply) => {
        let text = ''
        for await (const chunk of request) text += chunk
        reply.end(text)
      })
      const dispatcher = new Client(origin.url).compose(throwing(new Error('late')))
      const recorder = new Recorder()
      const options = { path: '/', method, body: body() } as never
      t.throws(() => dispatcher.dispatch(options, recorder), { message: 'late' })
      await recorder.ended
      t.strictSame([recorder.body, recorder.error], ['abc', null])
      await dispatcher.close()
      await origin.close()
    })
  }
}

t.test('a request that an interceptor of a member fails after it has dispatched is not sent later', async (t) => {
  const heads: string[] = []
  const origin = await rawOrigin((socket) =>
    onRequests(socket, (head) => {
      heads.push(head.split(' ')[1] as string)
      socket.write(response('ok'))
    }),
  )
  const late = throwing(new Error('late'), 2)
  const pool = new Pool(origin.url, {
    connections: 1,
    pipelining: 2,
    factory: (url, options) => new Client(url, options).compose(late),
  })
  const ask = (path: string) => pool.request({ path, method: 'POST', body: 'x' }).then(({ body }) => body.text())
  const first = ask('/first')
  await t.rejects(ask('/second'), { message: 'late' })
  t.equal(await first, 'ok')
  t.equal(await ask('/third'), 'ok')
  t.strictSame(heads, ['/first', '/third'])
  t.match(pool.stats, { queued: 0, pending: 0, running: 0, size: 0 })
  await pool.close()
  await origin.close()
})

t.test('an attempt whose interceptor throws after it has dispatched ends before the next one', async (t) => {
  let requests = 0
  const origin = await httpOrigin((_request, reply) => {
    reply.statusCode = ++requests === 1 ? 503 : 200
    setImmediate(() => reply.end(`answer ${requests}`))
  })
  const again = new errors.RequestRetryError('again', 503, {})
  const retry = interceptors.retry({ minTimeout: 1, maxRetries: 3 })
  const dispatcher = new Client(origin.url, { pipelining: 2 }).compose(throwing(again, 2), retry)
  const recorder = new Recorder()
  dispatcher.dispatch({ path: '/', method: 'GET' }, recorder)
  await recorder.ended
  t.equal(recorder.error, null)
  t.match(recorder.body, /^answer \d$/)
  t.equal(recorder.calls.filter((call) => call === 'head 200').length, 1)
  await dispatcher.close()
  await origin.close()
})

/** Interceptor that dispatches when `released` resolves. */
function waiting(released: Promise<void>): Interceptor {
  return (dispatch) => (options, handler) => {
    void released.then(() => dispatch(options, handler))
    return true
  }
}

const failing: Interceptor = () => () => {
  throw new Error('late')
}

const aboves: Record<string, Interceptor[]> = {
  'no other interceptor': [],
  retry: [interceptors.retry()],
  redirect: [interceptors.redirect()],
  responseError: [interceptors.responseError()],
}

for (const [kind, above] of Object.entries(aboves)) {
  for (const ended of ['timeouts.total', 'abort'] as const) {
    const outcome = ended === 'abort' ? 'is dropped' : 'is an uncaught exception'
    const title = `what an interceptor throws after ${ended} ended its request ${outcome}, under ${kind}`
    t.test(title, async (t) => {
      let release = () => {}
      const released = new Promise<void>((resolve) => {
        release = resolve
      })
      const dispatcher = new Client('http://127.0.0.1:9').compose(failing, waiting(released), ...above)
      const recorder = new Recorder()
      const signal = new AbortController()
      const timeouts = { total: ended === 'abort' ? 60_000 : 10 }
      // A request that no connection has does not keep the process alive.
      const alive = setInterval(() => {}, 60_000)
      const uncaught = await uncaughtDuring(async () => {
        if (ended === 'abort') {
          const answer = dispatcher.request({ path: '/', method: 'GET', timeouts, signal: signal.signal })
          signal.abort()
          await t.rejects(answer, { name: 'AbortError' })
        } else {
          dispatcher.dispatch({ path: '/', method: 'GET', timeouts }, recorder)
          await recorder.ended
          t.match(recorder.error, { code: 'SLUICE_ERR_TOTAL_TIMEOUT' })
        }
        release()
        await released
      })
      clearInterval(alive)
      t.strictSame(uncaught, ended === 'abort' ? [] : ['late'])
      await dispatcher.close()
    })
  }
}

/** Interceptor that passes errors on in an error of its own. */
const wrapping: Interceptor = (dispatch) => (options, handler) => {
  const wrapper = new DecoratorHandler(handler)
  wrapper.onResponseError = (controller, error: unknown) =>
    handler.onResponseError?.(controller, new Error(`wrapped ${error instanceof Error ? error.message : error}`))
  return dispatch(options, wrapper)
}

const lost: [title: string, thrown: unknown, above: Interceptor[], reported: string][] = [
  ['a primitive', 'late', [], 'late'],
  ['a primitive under retry', 'late', [interceptors.retry()], 'late'],
  ['an error that another interceptor wraps', new Error('late'), [wrapping], 'wrapped late'],
  ['a primitive that two interceptors wrap', 'late', [wrapping, wrapping], 'wrapped wrapped late'],
]

for (const [title, thrown, above, reported] of lost) {
  t.test(`what an interceptor throws after timeouts.total is an uncaught exception, once: ${title}`, async (t) => {
    let release = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    const throws: Interceptor = () => () => {
      throw thrown
    }
    const dispatcher = new Client('http://127.0.0.1:9').compose(throws, waiting(released), ...above)
    const recorder = new Recorder()
    const alive = setInterval(() => {}, 60_000)
    const uncaught = await uncaughtDuring(async () => {
      dispatcher.dispatch({ path: '/', method: 'GET', timeouts: { total: 10 } }, recorder)
      await recorder.ended
      release()
      await released
    })
    clearInterval(alive)
    t.match(recorder.error, { code: 'SLUICE_ERR_TOTAL_TIMEOUT' })
    t.strictSame(uncaught, [reported])
    await dispatcher.close()
  })
}

/** Interceptor that answers the request itself and then throws. */
function answering(thrown: unknown): Interceptor {
  return () => (_options, handler) => {
    const controller = {} as Dispatcher.DispatchController
    handler.onResponseStart?.(controller, 200, {}, 'OK')
    handler.onResponseEnd?.(controller, {})
    throw thrown
  }
}

for (const [kind, body] of Object.entries(bodies)) {
  // Without such a body and limits, no handler of the library is between the interceptor and the caller's.
  if (kind === 'a string') continue
  for (const thrown of [new Error('late'), 'late']) {
    const title = `${kind}: ${typeof thrown} that an interceptor throws after it has answered is an uncaught exception`
    t.test(title, async (t) => {
      const dispatcher = new Client('http://127.0.0.1:9').compose(answering(thrown))
      const calls: string[] = []
      const uncaught = await uncaughtDuring(async () => {
        dispatcher.dispatch({ path: '/', method: 'PUT', body: body() } as never, {
          onResponseStart: () => void calls.push('start'),
          onResponseEnd: () => void calls.push('end'),
          onResponseError: () => void calls.push('error'),
        })
      })
      t.strictSame([calls, uncaught], [['start', 'end'], ['late']])
      await dispatcher.close()
    })
  }
}

for (const thrown of [new Error('late'), 'late']) {
  t.test(`${typeof thrown} that an interceptor below retry throws after it has answered is uncaught`, async (t) => {
    const dispatcher = new Client('http://127.0.0.1:9').compose(answering(thrown), interceptors.retry())
    const recorder = new Recorder()
    const uncaught = await uncaughtDuring(async () => {
      dispatcher.dispatch({ path: '/', method: 'GET' }, recorder)
      await recorder.ended
    })
    t.strictSame([recorder.error, uncaught], [null, ['late']])
    await dispatcher.close()
  })
}

t.test('an exception of an interceptor after its request body has failed is an uncaught exception', async (t) => {
  let release = () => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const dispatcher = new Client('http://127.0.0.1:9').compose(failing, waiting(released))
  const recorder = new Recorder()
  const body = new Readable({ read() {} })
  const uncaught = await uncaughtDuring(async () => {
    dispatcher.dispatch({ path: '/', method: 'PUT', body }, recorder)
    body.destroy(new Error('body failed'))
    await recorder.ended
    release()
    await released
  })
  t.match(recorder.error, { message: 'body failed' })
  t.strictSame(uncaught, ['late'])
  await dispatcher.close()
})

t.test('an exception of dispatch after it has ended a second attempt is uncaught', async (t) => {
  let calls = 0
  const dispatch = (_options: object, handler: Dispatcher.DispatchHandler) => {
    const controller = {} as Dispatcher.DispatchController
    handler.onResponseError?.(controller, Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))
    if (++calls === 2) throw new Error('late')
    return true
  }
  const recorder = new Recorder()
  const options = { path: '/', method: 'GET' as const, retryOptions: { minTimeout: 1, maxRetries: 1 } }
  const retry = new RetryHandler(options, { dispatch, handler: recorder } as never)
  const uncaught = await uncaughtDuring(async () => {
    dispatch(options, retry as never)
    await recorder.ended
  })
  t.match(recorder.error, { code: 'ECONNREFUSED' })
  t.strictSame([uncaught, calls], [['late'], 2])
})
