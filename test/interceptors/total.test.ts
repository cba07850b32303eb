import t from 'tap'
import {
  Agent,
  Client,
  DecoratorHandler,
  type Dispatcher,
  type DispatchHandler,
  type DispatchOptions,
  interceptors,
  Pool,
  RedirectHandler,
  RetryHandler,
} from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'
import { get } from '../servers/retrying.js'

type Send = (dispatcher: Dispatcher, request: DispatchOptions, handler: DispatchHandler) => void

const retryOptions = { maxRetries: 1000, minTimeout: 10, maxTimeout: 10, timeoutFactor: 1 }

function retrying(dispatcher: Dispatcher, request: DispatchOptions, handler: DispatchHandler): RetryHandler {
  const dispatch: Dispatcher['dispatch'] = (options, next) => dispatcher.dispatch(options, next)
  return new RetryHandler({ ...request, retryOptions }, { dispatch, handler })
}

function redirecting(dispatcher: Dispatcher, request: DispatchOptions, handler: DispatchHandler): RedirectHandler {
  return new RedirectHandler((options, next) => dispatcher.dispatch(options, next), 1000, request, handler)
}

/** Each sends a request by a handler or an interceptor that is used alone. */
const retries: Record<string, Send> = {
  RetryHandler: (dispatcher, request, handler) => dispatcher.dispatch(request, retrying(dispatcher, request, handler)),
  'RetryHandler in a DecoratorHandler': (dispatcher, request, handler) =>
    dispatcher.dispatch(request, new DecoratorHandler(retrying(dispatcher, request, handler))),
  'RetryHandler over a RedirectHandler': (dispatcher, request, handler) =>
    dispatcher.dispatch(request, retrying(dispatcher, request, redirecting(dispatcher, request, handler))),
  'RetryHandler in a RetryHandler': (dispatcher, request, handler) =>
    dispatcher.dispatch(request, retrying(dispatcher, request, retrying(dispatcher, request, handler))),
  'the retry interceptor': (dispatcher, request, handler) =>
    interceptors.retry(retryOptions)((options, next) => dispatcher.dispatch(options, next))(request, handler),
}
for (const name of ['dump', 'decompress', 'responseError', 'redirect', 'retry', 'hedge'] as const) {
  const made = name === 'hedge' ? interceptors.hedge({ delay: 60_000 }) : interceptors[name]()
  retries[`RetryHandler over interceptors.${name}`] = (dispatcher, request, handler) => {
    const composed = dispatcher.compose(made)
    composed.dispatch(request, retrying(composed, request, handler))
  }
  if (name === 'retry') continue
  retries[`RetryHandler over interceptors.${name} used alone`] = (dispatcher, request, handler) => {
    const dispatch = made((options, next) => dispatcher.dispatch(options, next))
    dispatch(request, new RetryHandler({ ...request, retryOptions }, { dispatch, handler }))
  }
}

const redirects: Record<string, Send> = {
  RedirectHandler: (dispatcher, request, handler) =>
    dispatcher.dispatch(request, redirecting(dispatcher, request, handler)),
  'RedirectHandler in a DecoratorHandler': (dispatcher, request, handler) =>
    dispatcher.dispatch(request, new DecoratorHandler(redirecting(dispatcher, request, handler))),
  'RedirectHandler in a RetryHandler': (dispatcher, request, handler) =>
    dispatcher.dispatch(request, retrying(dispatcher, request, redirecting(dispatcher, request, handler))),
  'the redirect interceptor': (dispatcher, request, handler) =>
    interceptors.redirect({ maxRedirections: 1000 })((options, next) => dispatcher.dispatch(options, next))(
      request,
      handler,
    ),
}

const dispatchers: Record<string, (url: string, options: { timeouts: { total: number } }) => Dispatcher> = {
  Client: (url, options) => new Client(url, options),
  Pool: (url, options) => new Pool(url, options),
  Agent: (_url, options) => new Agent(options),
}

for (const [kind, make] of Object.entries(dispatchers)) {
  t.test(`timeouts.total of a ${kind} holds over all attempts of a handler used alone`, async (t) => {
    let requestCount = 0
    const origin = await httpOrigin((_request, reply) => {
      requestCount++
      setTimeout(() => reply.writeHead(503).end(), 20)
    })
    await Promise.all(
      Object.entries(retries).map(async ([name, send]) => {
        const dispatcher = make(origin.url, { timeouts: { total: 500 } })
        const recorder = new Recorder()
        let late = false
        const timer = setTimeout(() => {
          late = true
          dispatcher.destroy()
        }, 10_000)
        send(dispatcher, { ...get, origin: origin.url }, recorder)
        await recorder.ended
        clearTimeout(timer)
        t.notOk(late, `${name} ends in time`)
        await dispatcher.destroy()
      }),
    )
    t.ok(requestCount > Object.keys(retries).length)
    await origin.close()
  })

  t.test(`timeouts.total of a ${kind} holds over all redirects of a handler used alone`, async (t) => {
    const origin = await httpOrigin((request, reply) => {
      const next = Number(request.url?.slice(1)) + 1
      setTimeout(() => reply.writeHead(302, { location: `/${next}` }).end(), 20)
    })
    for (const [name, send] of Object.entries(redirects)) {
      const dispatcher = make(origin.url, { timeouts: { total: 100 } })
      const recorder = new Recorder()
      send(dispatcher, { path: '/1', method: 'GET', origin: origin.url }, recorder)
      await recorder.ended
      t.match(
        recorder.error,
        { code: 'SLUICE_ERR_TOTAL_TIMEOUT', message: 'Request not completed within 100 ms (timeouts.total)' },
        name,
      )
      await dispatcher.destroy()
    }
    await origin.close()
  })
}

t.test('timeouts.total of a Client holds while the callback of a RetryHandler used alone waits', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.writeHead(503).end())
  const client = new Client(origin.url, { timeouts: { total: 50 } })
  const recorder = new Recorder()
  const retry = () => {}
  const dispatch = client.dispatch.bind(client)
  client.dispatch(get, new RetryHandler({ ...get, retryOptions: { retry } }, { dispatch, handler: recorder }))
  await recorder.ended
  t.match(recorder.error, {
    code: 'SLUICE_ERR_TOTAL_TIMEOUT',
    message: 'Request not completed within 50 ms (timeouts.total)',
  })
  await client.close()
  await origin.close()
})

t.test('timeouts.total of 0 of a request disables the limit of its dispatcher', async (t) => {
  let requestCount = 0
  const origin = await httpOrigin((_request, reply) => {
    requestCount++
    setTimeout(() => reply.writeHead(requestCount < 4 ? 503 : 200).end(), 20)
  })
  const client = new Client(origin.url, { timeouts: { total: 40 } })
  const recorder = new Recorder()
  const request = { ...get, timeouts: { total: 0 } }
  client.dispatch(request, retrying(client, request, recorder))
  await recorder.ended
  t.equal(recorder.statusCode, 200)
  await client.close()
  await origin.close()
})

t.test('the attempts of the hedge interceptor used alone share timeouts.total of the dispatcher', async (t) => {
  const origin = await httpOrigin(() => {})
  const pool = new Pool(origin.url, { timeouts: { total: 60 } })
  const recorder = new Recorder()
  const hedge = interceptors.hedge({ delay: 40, budget: { ratio: 1, minPerSecond: 10 } })
  const seen: unknown[] = []
  const dispatch = hedge((options, handler) => {
    seen.push((options as { timeouts?: { deadline?: number } }).timeouts?.deadline)
    return pool.dispatch(options, handler)
  })
  dispatch({ ...get, origin: origin.url }, recorder)
  await recorder.ended
  t.match(recorder.error, {
    code: 'SLUICE_ERR_TOTAL_TIMEOUT',
    message: 'Request not completed within 60 ms (timeouts.total)',
  })
  t.equal(seen.length, 2)
  t.equal(seen[0], undefined)
  t.type(seen[1], 'number')
  await pool.destroy()
  await origin.close()
})
