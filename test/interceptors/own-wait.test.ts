import t from 'tap'
import {
  Agent,
  BalancedPool,
  Client,
  type Dispatcher,
  type DispatchInterceptor,
  interceptors,
  Pool,
  RetryAgent,
} from '../../lib/index.js'
import { busy, get } from '../servers/retrying.js'
import { message, scriptedOrigin } from '../servers/script.js'

/** An interceptor of a caller that waits before it dispatches, and whether it waits. */
function waiting() {
  let sendNow = () => {}
  let note = () => {}
  const begun = new Promise<void>((resolve) => {
    note = resolve
  })
  const sent = new Promise<void>((resolve) => {
    sendNow = resolve
  })
  const interceptor: DispatchInterceptor = (dispatch) => (options, handler) => {
    note()
    sent.then(() => dispatch(options, handler))
    return true
  }
  return { interceptor, begun, send: sendNow }
}

const chains: Record<string, (own: DispatchInterceptor, dispatcher: Dispatcher) => Dispatcher> = {
  alone: (own, dispatcher) => dispatcher.compose(own),
  'under retry': (own, dispatcher) => dispatcher.compose(own, interceptors.retry()),
  'over retry': (own, dispatcher) => dispatcher.compose(interceptors.retry(), own),
  'under a RetryAgent': (own, dispatcher) => new RetryAgent(dispatcher.compose(own)),
  'under hedge': (own, dispatcher) => dispatcher.compose(own, interceptors.hedge({ delay: 60_000 })),
  'under redirect': (own, dispatcher) => dispatcher.compose(own, interceptors.redirect({ maxRedirections: 3 })),
}

const dispatchers: Record<string, (url: string) => Dispatcher> = {
  Client: (url) => new Client(url),
  Pool: (url) => new Pool(url),
  BalancedPool: (url) => new BalancedPool(url),
  Agent: () => new Agent(),
}

for (const [kind, make] of Object.entries(dispatchers)) {
  for (const end of ['destroy', 'close'] as const) {
    t.test(`a request whose interceptor dispatches after ${end}() of a ${kind} fails`, async (t) => {
      for (const [place, chain] of Object.entries(chains)) {
        const origin = await scriptedOrigin(message('200 OK', 'fine'))
        const { interceptor, begun, send } = waiting()
        const dispatcher = make(origin.url)
        const answer = chain(interceptor, dispatcher).request({ ...get, origin: origin.url })
        answer.catch(() => {})
        await begun
        await dispatcher[end]()
        send()
        t.match(await answer.catch(({ code }) => code), /^UND_ERR_(DESTROYED|CLOSED)$/, `${place} its interceptor`)
        t.strictSame(origin.requests, [])
        await origin.close()
      }
    })
  }
}

t.test('a request that an interceptor dispatched before destroy() fails at once', async (t) => {
  const origin = await scriptedOrigin(busy)
  for (const [place, chain] of Object.entries(chains)) {
    const { interceptor, send } = waiting()
    const client = new Client(origin.url)
    const answer = chain(interceptor, client).request({ ...get, method: 'PUT', body: new ReadableStream() })
    answer.catch(() => {})
    send()
    await new Promise(setImmediate)
    await client.destroy()
    await t.rejects(answer, { code: 'UND_ERR_DESTROYED' }, `${place} its interceptor`)
  }
  await origin.close()
})
