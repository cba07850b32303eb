import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { BalancedPool, Client, type Dispatcher, interceptors, Pool } from '../../lib/index.js'
import { httpOrigin, onRequests, rawOrigin, response } from '../servers/origin.js'
import { uncaughtDuring } from '../servers/uncaught.js'

type Handler = Dispatcher.DispatchHandler
type Interceptor = Dispatcher.DispatchInterceptor

const get = { path: '/', method: 'GET' }

const kinds: Record<string, (origin: string) => Dispatcher> = {
  Client: (origin) => new Client(origin),
  Pool: (origin) => new Pool(origin, { connections: 1 }),
  BalancedPool: (origin) => new BalancedPool(origin, { connections: 1 }),
  'a Client under retry': (origin) => new Client(origin).compose(interceptors.retry() as Interceptor),
  'a Client under redirect': (origin) => new Client(origin).compose(interceptors.redirect() as Interceptor),
  'a Client under hedge': (origin) => new Client(origin).compose(interceptors.hedge({ delay: 1000 }) as Interceptor),
  'a Client under decompress': (origin) => new Client(origin).compose(interceptors.decompress() as Interceptor),
  'a Client under dns': (origin) =>
    new Client(origin.replace('127.0.0.1', 'localhost')).compose(
      interceptors.dns({
        lookup: (_origin, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4, ttl: 1000 }]),
      }) as Interceptor,
    ),
  'Pool of composed clients': (origin) =>
    new Pool(origin, {
      connections: 1,
      factory: (base, options) => new Client(base, options as Client.Options).compose((dispatch) => dispatch),
    }),
}

/** Sends a request whose handler aborts it and throws in `step`. Resolves with the errors it was called with. */
function abortAndThrow(dispatcher: Dispatcher, step: keyof Handler | 'onRequestQueued'): Promise<string[]> {
  return new Promise((resolve) => {
    const errors: string[] = []
    const handler: Handler = {
      onResponseError: (_controller, error) => {
        errors.push(error.message)
        setImmediate(resolve, errors)
      },
    }
    const callback = (controller: Dispatcher.DispatchController) => {
      controller.abort(new Error('aborted'))
      throw new Error('thrown after')
    }
    Object.assign(handler, { [step]: callback })
    dispatcher.dispatch(get, handler)
  })
}

for (const [kind, make] of Object.entries(kinds)) {
  t.test(`an exception of a handler after it aborted its request is reported once: ${kind}`, async (t) => {
    const origin = await httpOrigin((_request, reply) => {
      reply.setHeader('content-encoding', 'gzip')
      reply.end(gzipSync('ok'))
    })
    for (const step of ['onRequestQueued', 'onRequestStart', 'onResponseStart', 'onResponseData'] as const) {
      const dispatcher = make(origin.url)
      const uncaught = await uncaughtDuring(async () => {
        t.strictSame(await abortAndThrow(dispatcher, step), ['aborted'], step)
      })
      t.strictSame(uncaught, ['thrown after'], step)
      await dispatcher.close()
    }
    await origin.close()
  })

  t.test(`an exception of onResponseEnd reaches onResponseError with any body: ${kind}`, async (t) => {
    const origin = await httpOrigin((request, reply) => void request.pipe(reply))
    const bodies = [
      () => Buffer.from('a'),
      () => Readable.from(['a']),
      () =>
        (async function* () {
          yield 'a'
        })(),
    ]
    for (const body of bodies) {
      const dispatcher = make(origin.url)
      const error = await new Promise<Error>((resolve) => {
        const options = { path: '/', method: 'POST', body: body() as Readable }
        dispatcher.dispatch(options as Dispatcher.DispatchOptions, {
          onResponseEnd() {
            throw new Error('thrown at the end')
          },
          onResponseError: (_controller, error) => resolve(error),
        })
      })
      t.equal(error.message, 'thrown at the end')
      await dispatcher.close()
    }
    await origin.close()
  })
}

t.test('a handler that throws in the error of responseError or redirect is not called again', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.writeHead(302, { location: '/' }).end())
  const failing = await httpOrigin((_request, reply) => void reply.writeHead(500).end('no'))
  const ways: [string, Interceptor][] = [
    [failing.url, interceptors.responseError() as Interceptor],
    [origin.url, interceptors.redirect({ maxRedirections: 1, throwOnMaxRedirect: true }) as Interceptor],
  ]
  for (const [url, interceptor] of ways) {
    const client = new Client(url)
    let calls = 0
    const uncaught = await uncaughtDuring(
      () =>
        new Promise<void>((resolve) => {
          client.compose(interceptor).dispatch(get, {
            onResponseError: () => {
              calls++
              setImmediate(resolve)
              throw new Error('thrown in an error')
            },
          })
        }),
    )
    t.equal(calls, 1)
    t.strictSame(uncaught, ['thrown in an error'])
    await client.close()
  }
  await origin.close()
  await failing.close()
})

t.test('an interceptor that sends another request and then throws fails its own request', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('ok'))
  let answered = () => {}
  const other = new Promise<void>((resolve) => {
    answered = resolve
  })
  const client = new Client(origin.url)
  const throwing: Interceptor = (dispatch) => (options, handler) => {
    if (options.path !== '/throws') return dispatch(options, handler)
    composed.dispatch(get, { onResponseEnd: () => answered(), onResponseError: () => {} })
    throw new Error('thrown by an interceptor')
  }
  const later: Interceptor = (dispatch) => (options, handler) => {
    if (options.path === '/throws') setImmediate(() => dispatch(options, handler))
    else dispatch(options, handler)
    return true
  }
  const composed: Dispatcher = client.compose(throwing, later)
  await t.rejects(composed.request({ path: '/throws', method: 'GET' }), { message: 'thrown by an interceptor' })
  await other
  await client.close()
  await origin.close()
})

t.test('statistics do not count a request that fails because its body was transferred', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('ok'))
  for (const make of [kinds.Client, kinds.Pool] as ((origin: string) => Client)[]) {
    const client = make(origin.url)
    const body = new Uint8Array(8)
    const failed = new Promise<number>((resolve) => {
      client.dispatch({ path: '/', method: 'POST', body }, { onResponseError: () => resolve(client.stats.size) })
    })
    structuredClone(body.buffer, { transfer: [body.buffer] })
    t.equal(await failed, 0)
    t.equal(await (await client.request(get)).body.text(), 'ok')
    await client.close()
  }
  await origin.close()
})

t.test('a pool that is destroyed from onResponseError sends nothing more', async (t) => {
  const paths: string[] = []
  const origin = await rawOrigin((socket) =>
    onRequests(socket, (head) => {
      paths.push(head.split(' ')[1] as string)
      if (head.includes('/die')) socket.destroy()
      else socket.write(response('ok'))
    }),
  )
  for (const kind of ['Pool', 'Pool of composed clients']) {
    const pool = (kinds[kind] as (origin: string) => Dispatcher)(origin.url)
    const ended: Promise<string>[] = []
    const send = (path: string, onError = () => {}) => {
      ended.push(
        new Promise((resolve) => {
          pool.dispatch(
            { path, method: 'POST' },
            {
              onResponseEnd: () => resolve('end'),
              onResponseError: (_controller, error) => {
                onError()
                resolve((error as Error & { code: string }).code)
              },
            },
          )
        }),
      )
    }
    send('/die', () => void pool.destroy())
    send('/second')
    send('/third')
    t.strictSame(await Promise.all(ended), ['UND_ERR_SOCKET', 'UND_ERR_DESTROYED', 'UND_ERR_DESTROYED'], kind)
    await pool.destroy()
  }
  t.strictSame(paths, ['/die', '/die'])
  await origin.close()
})
