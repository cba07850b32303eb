import t from 'tap'
import { Agent, Client, DecoratorHandler, type Dispatcher, interceptors, Pool } from '../../lib/index.js'
import { httpOrigin, onRequests, rawOrigin } from '../servers/origin.js'

type Call = [string, ...unknown[]]
type Handler = Record<string, ((...values: never[]) => unknown) | undefined>

/** Legacy handler that records its callbacks. */
function older(): { handler: never; calls: Call[]; ended: Promise<void> } {
  const calls: Call[] = []
  let end = () => {}
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  const handler = {
    onConnect: () => void calls.push(['connect']),
    onHeaders(status: number, headers: Buffer[]) {
      calls.push(['headers', status, headers.map(String)])
      return status >= 200
    },
    onData(chunk: Buffer) {
      calls.push(['data', String(chunk)])
      return true
    },
    onComplete(trailers: Buffer[]) {
      calls.push(['complete', trailers.map(String)])
      end()
    },
    onError(error: Error) {
      calls.push(['error', error.message])
      end()
    },
  }
  return { handler: handler as never, calls, ended }
}

/** As undici's documents write the handler of an interceptor. */
class New {
  next: Handler
  constructor(next: Handler) {
    this.next = next
  }
  onRequestStart(...start: never[]) {
    this.next.onRequestStart?.(...start)
  }
  onResponseStart(...head: never[]) {
    this.next.onResponseStart?.(...head)
  }
  onResponseData(...data: never[]) {
    this.next.onResponseData?.(...data)
  }
  onResponseEnd(...end: never[]) {
    this.next.onResponseEnd?.(...end)
  }
  onResponseError(...error: never[]) {
    this.next.onResponseError?.(...error)
  }
}

/** As they were written before. */
class Old {
  next: Handler
  constructor(next: Handler) {
    this.next = next
  }
  onConnect(...connect: never[]) {
    this.next.onConnect?.(...connect)
  }
  onHeaders(...head: never[]) {
    return this.next.onHeaders?.(...head)
  }
  onData(...data: never[]) {
    return this.next.onData?.(...data)
  }
  onComplete(...end: never[]) {
    this.next.onComplete?.(...end)
  }
  onError(...error: never[]) {
    this.next.onError?.(...error)
  }
}

const wraps: Record<string, (handler: never) => unknown> = {
  'a handler with new callbacks': (handler) => new New(handler),
  'a handler with older callbacks': (handler) => new Old(handler),
  'a DecoratorHandler': (handler) => new DecoratorHandler(handler),
}

/** Chains of one and two interceptors; a legacy one receives no callbacks from a handler with current ones only. */
const chains = Object.entries(wraps).flatMap(([name, wrap]) => [
  [name, [wrap]] as const,
  ...Object.entries(wraps)
    .filter(([above]) => !name.includes('older') || above.includes('older'))
    .map(([above, over]) => [`${name} beneath ${above}`, [wrap, over]] as const),
])

function composed(base: Dispatcher, chain: readonly ((handler: never) => unknown)[]): Dispatcher {
  return base.compose(
    chain.map((wrap): Dispatcher.DispatchInterceptor => {
      return (dispatch) => (options, handler) => dispatch(options, wrap(handler as never) as never)
    }),
  )
}

t.test('a legacy handler receives all callbacks through current and legacy interceptors', async (t) => {
  const origin = await rawOrigin((socket) =>
    onRequests(socket, () =>
      socket.write(
        'HTTP/1.1 103 Early\r\na: 1\r\n\r\nHTTP/1.1 200 OK\r\nx: 1\r\nX: 2\r\ntransfer-encoding: chunked\r\n\r\n' +
          '5\r\nhello\r\n0\r\nz: 3\r\n\r\n',
      ),
    ),
  )
  for (const [name, chain] of chains) {
    const dispatcher = composed(new Pool(origin.url), chain)
    const { handler, calls, ended } = older()
    dispatcher.dispatch({ origin: origin.url, path: '/', method: 'GET' }, handler)
    await ended
    const head = ['x', '1', 'X', '2', 'transfer-encoding', 'chunked']
    t.strictSame(
      calls,
      [['connect'], ['headers', 103, ['a', '1']], ['headers', 200, head], ['data', 'hello'], ['complete', ['z', '3']]],
      name,
    )
    await dispatcher.close()
  }
  await origin.close()
})

t.test('the built-in fetch works through current and legacy interceptors', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('hello'))
  for (const [name, chain] of chains) {
    // Newer runtimes have a handler of the newer generation alone, for which interceptors of the older are of no use.
    if (name.includes('older') && Number(process.versions.node.split('.')[0]) > 24) continue
    const dispatcher = composed(new Agent(), chain)
    const response = await fetch(origin.url, { dispatcher } as never)
    t.equal(await response.text(), 'hello', name)
    await dispatcher.close()
  }
  await origin.close()
})

t.test('an interceptor may respond to a legacy handler without raw headers', async (t) => {
  const controller = { abort() {}, pause() {}, resume() {}, paused: false, aborted: false, reason: null }
  const answer: Dispatcher.DispatchInterceptor = () => (_options, handler) => {
    queueMicrotask(() => {
      const to = handler as unknown as New
      to.onRequestStart(...([controller, {}] as never[]))
      to.onResponseStart(...([controller, 200, { a: '1', 'set-cookie': ['x', 'y'] }, 'OK'] as never[]))
      to.onResponseEnd(...([controller, { z: '3' }] as never[]))
    })
    return true
  }
  for (const [name, chain] of [['directly', []] as const, ...chains.filter(([name]) => !name.includes('older'))]) {
    const dispatcher = composed(new Agent().compose(answer), chain)
    const { handler, calls, ended } = older()
    dispatcher.dispatch({ origin: 'http://x.test', path: '/', method: 'GET' }, handler)
    await ended
    const head = ['a', '1', 'set-cookie', 'x', 'set-cookie', 'y']
    t.strictSame(calls, [['connect'], ['headers', 200, head], ['complete', ['z', '3']]], name)
    await dispatcher.close()
  }
})

t.test('ignores interceptors that are null or undefined', async (t) => {
  const order: string[] = []
  const named =
    (name: string): Dispatcher.DispatchInterceptor =>
    (dispatch) =>
    (options, handler) => {
      order.push(name)
      return dispatch(options, handler)
    }
  const client = new Client('http://localhost:1')
  const none = null as never
  for (const composed of [
    client.compose(none, named('inner'), undefined as never, named('outer'), none),
    client.compose([none, named('inner'), named('outer')]),
    client
      .compose(none)
      .compose([named('inner'), none])
      .compose(named('outer')),
  ]) {
    await t.rejects(composed.request({ path: '/', method: 'GET' }), { code: 'ECONNREFUSED' })
    t.strictSame(order.splice(0), ['outer', 'inner'])
  }
  t.throws(() => client.compose(none, false as never), { code: 'UND_ERR_INVALID_ARG' })
  t.throws(() => client.compose(none, interceptors.dump as never), { message: /interceptor 2 of compose/ })
  await client.close()
})

t.test('rejects an interceptor factory instead of an interceptor', async (t) => {
  const client = new Client('http://localhost')
  for (const [name, made] of Object.entries(interceptors)) {
    t.throws(() => client.compose(made as never), { code: 'UND_ERR_INVALID_ARG' }, name)
  }
  const second = [interceptors.retry(), interceptors.dump as never]
  t.throws(() => client.compose(second), { message: /interceptor 2 of compose .* call it/ })
  t.throws(() => client.compose((() => (_options: unknown) => true) as never), { code: 'UND_ERR_INVALID_ARG' })
  // Its options may be taken by any number of parameters.
  client.compose(
    (dispatch) =>
      (...request) =>
        dispatch(...request),
  )
  await client.close()
})
