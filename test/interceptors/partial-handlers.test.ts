import t from 'tap'
import {
  Client,
  DecoratorHandler,
  type Dispatcher,
  interceptors,
  LatencyRecorder,
  RedirectHandler,
  RetryHandler,
} from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

type Handler = Dispatcher.DispatchHandler
type Options = Dispatcher.DispatchOptions

/** Handlers (current and legacy) with some callbacks only, and the request whose callbacks they receive. */
const handlers: Record<string, { make(calls: unknown[]): object; answered: unknown[]; failed: unknown[] }> = {
  'without onResponseError': {
    make: (calls) => ({
      onResponseStart: (_controller: unknown, status: number) => calls.push(status),
      onResponseEnd: () => calls.push('end'),
    }),
    answered: [200, 'end'],
    failed: [],
  },
  'with onResponseEnd alone': {
    make: (calls) => ({ onResponseEnd: () => calls.push('end') }),
    answered: ['end'],
    failed: [],
  },
  'with onResponseError alone': {
    make: (calls) => ({ onResponseError: (_controller: unknown, { code }: { code: string }) => calls.push(code) }),
    answered: [],
    failed: ['UND_ERR_SOCKET'],
  },
  'of the elder generation, without onError': {
    make: (calls) => ({
      onHeaders: (status: number) => calls.push(status) > 0,
      onComplete: () => calls.push('end'),
    }),
    answered: [200, 'end'],
    failed: [],
  },
  'with onData alone': {
    make: (calls) => ({ onData: (chunk: Buffer) => calls.push(String(chunk)) > 0 }),
    answered: ['ok'],
    failed: [],
  },
  'with onError alone': {
    make: (calls) => ({ onError: ({ code }: { code: string }) => calls.push(code) }),
    answered: [],
    failed: ['UND_ERR_SOCKET'],
  },
  'without any callback': { make: () => ({}), answered: [], failed: [] },
}

const none = { maxRetries: 0 }
const composed = (...list: Dispatcher.DispatcherComposeInterceptor[]) => {
  return (client: Client, options: Options, handler: Handler) => client.compose(list).dispatch(options, handler)
}
const ways: Record<string, (client: Client, options: Options, handler: Handler) => unknown> = {
  DecoratorHandler: (client, options, handler) => client.dispatch(options, new DecoratorHandler(handler)),
  RetryHandler: (client, options, handler) => {
    const dispatch = client.dispatch.bind(client)
    return client.dispatch(options, new RetryHandler({ ...options, retryOptions: none }, { dispatch, handler }))
  },
  RedirectHandler: (client, options, handler) =>
    client.dispatch(options, new RedirectHandler(client.dispatch.bind(client), 1, options, handler)),
  'interceptors.retry': composed(interceptors.retry(none)),
  'interceptors.redirect': composed(interceptors.redirect({ maxRedirections: 1 })),
  'interceptors.hedge': composed(interceptors.hedge({ delay: 10_000 })),
  'interceptors.dump': composed(interceptors.dump()),
  'interceptors.decompress': composed(interceptors.decompress()),
  'interceptors.responseError': composed(interceptors.responseError()),
  'interceptors.latency': composed(interceptors.latency(new LatencyRecorder())),
  all: composed(interceptors.dump(), interceptors.decompress(), interceptors.retry(none), interceptors.redirect()),
}

for (const [way, send] of Object.entries(ways)) {
  for (const [kind, { make, answered, failed }] of Object.entries(handlers)) {
    t.test(`${way} forwards callbacks to a handler ${kind}`, async (t) => {
      const origin = await httpOrigin((request, reply) => {
        if (request.url === '/') reply.end('ok')
        else request.socket.destroy()
      })
      for (const [path, expected] of [
        ['/', answered],
        ['/fails', failed],
      ] as const) {
        const client = new Client(origin.url)
        const calls: unknown[] = []
        send(client, { origin: origin.url, path, method: 'GET' }, make(calls) as Handler)
        await client.close()
        const dumped = /dump|all/.test(way) && expected[0] === 'ok'
        t.strictSame(calls, dumped ? [] : expected, path)
      }
      await origin.close()
    })
  }
}
