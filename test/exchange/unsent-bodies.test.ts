import { PassThrough, Readable, Writable } from 'node:stream'
import t from 'tap'
import { BalancedPool, Client, type Dispatcher, interceptors, Pool } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

type Options = Parameters<Dispatcher['request']>[0]
type DispatchOptions = Parameters<Dispatcher['dispatch']>[0]

interface Kept {
  readonly body: unknown
  closed(): boolean
}

const kinds: Record<string, () => Kept> = {
  stream: () => {
    const body = new PassThrough()
    return { body, closed: () => body.destroyed }
  },
  generator: () => {
    const body = (async function* () {
      yield 'a'
    })()
    let closed = false
    const { return: end } = body
    body.return = (value) => {
      closed = true
      return end.call(body, value)
    }
    return { body, closed: () => closed }
  },
  iterator: () => {
    let closed = false
    const body = {
      [Symbol.iterator]: () => body,
      next: () => ({ done: false, value: 'a' }),
      return: () => {
        closed = true
        throw new Error('the source can not be closed')
      },
    }
    return { body, closed: () => closed }
  },
  'web stream': () => {
    let closed = false
    const body = new ReadableStream({
      cancel() {
        closed = true
      },
    })
    return { body, closed: () => closed }
  },
}

const refusing = {
  connect: (_: object, callback: (error: Error, socket: null) => void) => callback(new Error('no'), null),
}
const silent = { connect: () => {} }

const ways: Record<string, (body: unknown) => Promise<unknown>> = {
  'the connection is refused': (body) => new Client('http://localhost', refusing).request(post(body)),
  'the path is not valid': (body) => new Client('http://localhost').request({ ...post(body), path: 'relative' }),
  'the signal was aborted before': (body) =>
    new Client('http://localhost').request({ ...post(body), signal: AbortSignal.abort() }),
  'the signal of a stream was aborted before': (body) =>
    new Client('http://localhost').stream({ ...post(body), signal: AbortSignal.abort() }, () => new Writable()),
  'an option of request is not valid': (body) =>
    new Client('http://localhost').request({ ...post(body), highWaterMark: -1 }),
  'it is aborted while it waits': (body) => {
    const abort = new AbortController()
    const request = new Client('http://localhost', silent).request({ ...post(body), signal: abort.signal })
    abort.abort()
    return request
  },
  'the client is destroyed': (body) => {
    const client = new Client('http://localhost', silent)
    const request = client.request(post(body))
    client.destroy()
    return request
  },
  'the client is closed': (body) => {
    const client = new Client('http://localhost')
    client.close()
    return client.request(post(body))
  },
  'an interceptor throws': (body) =>
    new Client('http://localhost')
      .compose(() => () => {
        throw new Error('thrown')
      })
      .request(post(body)),
  'an upgrade is aborted while it is queued': (body) =>
    new Promise((_resolve, reject) => {
      new Client('http://localhost', silent).dispatch({ ...post(body), upgrade: 'websocket' } as DispatchOptions, {
        onRequestQueued: (controller) => controller.abort(),
        onRequestUpgrade() {},
        onResponseError: (_controller, error) => reject(error),
      })
    }),
  'the handler of an upgrade has no callback for it': (body) =>
    new Promise((_resolve, reject) => {
      new Client('http://localhost', silent).dispatch({ ...post(body), upgrade: 'websocket' } as DispatchOptions, {
        onResponseError: (_controller, error) => reject(error),
      })
    }),
  'the handler has no callback for errors': async (body) =>
    new Client('http://localhost', refusing).dispatch(post(body) as DispatchOptions, {}),
  'a callback of the handler is no function': (body) =>
    new Promise((_resolve, reject) => {
      new Client('http://localhost')
        .compose((dispatch) => dispatch)
        .dispatch(post(body) as DispatchOptions, {
          onResponseData: 5 as never,
          onResponseError: (_controller, error) => reject(error),
        })
    }),
  'retries fail too': (body) =>
    new Client('http://localhost', refusing)
      .compose(interceptors.retry({ maxRetries: 1, minTimeout: 1 }))
      .request(post(body)),
}

function post(body: unknown): Options {
  return { path: '/', method: 'POST', body } as Options
}

for (const [kind, make] of Object.entries(kinds)) {
  t.test(`closes a body that is not sent: ${kind}`, async (t) => {
    for (const [way, fail] of Object.entries(ways)) {
      const { body, closed } = make()
      await t.rejects(fail(body), way)
      t.ok(closed(), way)
    }
  })
}

t.test(
  'a stream destroyed with an error in the same tick fails its request, without an uncaught exception',
  async (t) => {
    const uncaught: unknown[] = []
    const listener = (error: unknown) => void uncaught.push(error)
    process.on('uncaughtException', listener)
    t.teardown(() => process.off('uncaughtException', listener))
    const dispatchers = {
      Client: new Client('http://localhost', refusing),
      Pool: new Pool('http://localhost', refusing),
      BalancedPool: new BalancedPool(['http://localhost'], refusing),
      'a composed Pool': new Pool('http://localhost', refusing).compose((dispatch) => dispatch),
    }
    const destroyed = () => new Readable({ read() {} }).destroy(new Error('the source failed'))
    for (const [kind, dispatcher] of Object.entries(dispatchers)) {
      await t.rejects(dispatcher.request(post(destroyed())), { message: 'the source failed' }, kind)
    }
    for (const [way, fail] of Object.entries(ways)) await t.rejects(fail(destroyed()), way)
    // All `error` events have been emitted.
    await new Promise(setImmediate)
    t.strictSame(uncaught, [])
  },
)

t.test('closes a body if an interceptor responds without sending the request', async (t) => {
  const controller = { abort() {}, pause() {}, resume() {}, aborted: false, paused: false, reason: null }
  const client = new Client('http://localhost').compose(() => (_options, handler) => {
    handler.onRequestStart?.(controller as never, null)
    handler.onResponseStart?.(controller as never, 200, {}, 'OK')
    handler.onResponseEnd?.(controller as never, {})
    return true
  })
  for (const [kind, make] of Object.entries(kinds)) {
    const { body, closed } = make()
    await (await client.request(post(body))).body.dump()
    t.ok(closed(), kind)
  }
})

t.test('a failed request does not close a generator that another request reads', async (t) => {
  const origin = await httpOrigin((request, reply) => void request.pipe(reply))
  const client = new Client(origin.url)
  let open = () => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  const body = (async function* () {
    yield 'a'
    await gate
    yield 'b'
  })()
  const first = await client.request(post(body))
  await t.rejects(client.request({ ...post(body), path: 'relative' }))
  open()
  t.equal(await first.body.text(), 'ab')
  await client.close()
  await origin.close()
})

t.test('keeps the error of the options when their body getter throws too', async (t) => {
  let reads = 0
  const options = {
    ...post(null),
    signal: AbortSignal.abort(new Error('aborted before')),
    get body(): null {
      if (++reads > 1) throw new Error('thrown by a getter')
      return null
    },
  }
  const client = new Client('http://localhost')
  await t.rejects(client.request(options), { message: 'aborted before' })
})

t.test('calls no further callback after the body failed before an interceptor responds', async (t) => {
  const controller = { abort() {}, pause() {}, resume() {}, aborted: false, paused: false, reason: null }
  let answer = () => {}
  const client = new Client('http://localhost').compose(() => (_options, handler) => {
    answer = () => {
      handler.onRequestStart?.(controller as never, null)
      handler.onRequestSent?.()
      handler.onResponseStarted?.()
      handler.onResponseStart?.(controller as never, 200, {}, 'OK')
      handler.onResponseData?.(controller as never, Buffer.from('a'))
      handler.onResponseEnd?.(controller as never, {})
    }
    return true
  })
  const calls: string[] = []
  const body = new PassThrough()
  const failed = new Promise<void>((resolve) => {
    client.dispatch({ path: '/', method: 'POST', body }, {
      onRequestStart: () => calls.push('start'),
      onRequestSent: () => calls.push('sent'),
      onResponseStarted: () => calls.push('started'),
      onResponseStart: () => calls.push('headers'),
      onResponseData: () => calls.push('data'),
      onResponseEnd: () => calls.push('end'),
      onResponseError: (_controller: unknown, error: Error) => {
        calls.push(error.message)
        resolve()
      },
    } as never)
  })
  body.destroy(new Error('the source failed'))
  await failed
  answer()
  t.strictSame(calls, ['the source failed'])
  t.ok(body.destroyed)
})
