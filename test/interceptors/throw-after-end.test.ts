import { PassThrough, Readable, Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import t from 'tap'
import {
  Agent,
  Client,
  DecoratorHandler,
  type Dispatcher,
  type DispatchHandler,
  interceptors,
} from '../../lib/index.js'
import { event, httpOrigin, onRequests, rawOrigin, response } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'
import { uncaughtDuring } from '../servers/uncaught.js'

type Interceptor = Parameters<Dispatcher['compose']>[0]

const LOOPBACK = { address: '127.0.0.1', family: 4 as const, ttl: 10_000 }
const UNUSED = 'http://127.0.0.1:9'
const controller = {
  abort() {},
  pause() {},
  resume() {},
  aborted: false,
  paused: false,
  reason: null,
  rawHeaders: [],
} as unknown as Dispatcher.DispatchController

/** Interceptor that answers the request and then throws. */
const answering =
  (thrown: unknown): Interceptor =>
  () =>
  (_options, handler) => {
    handler.onResponseStart?.(controller, 200, {}, 'OK')
    handler.onResponseEnd?.(controller, {})
    throw thrown
  }

/** Interceptor that fails the request with `first` and then throws. */
const failing =
  (first: Error, thrown: unknown): Interceptor =>
  () =>
  (_options, handler) => {
    handler.onResponseError?.(controller, first)
    throw thrown
  }

/** Interceptor whose handler throws after it has passed on the callback `name`. */
const throwingAfter =
  (name: 'onResponseEnd' | 'onRequestUpgrade', thrown: unknown): Interceptor =>
  (dispatch) =>
  (options, handler) => {
    const wrapper = new DecoratorHandler(handler)
    const next: (...values: never[]) => void = wrapper[name].bind(wrapper)
    wrapper[name] = (...values: unknown[]) => {
      next(...(values as never[]))
      throw thrown
    }
    return dispatch(options, wrapper)
  }

const bodies: Record<string, () => unknown> = {
  'no body': () => undefined,
  'a Readable': () => Readable.from(['abc']),
  'an asynchronous generator': async function* () {
    yield 'abc'
  },
  'a web stream': () => new Blob(['abc']).stream(),
}

const aboves: Record<string, Interceptor[]> = {
  'no other interceptor': [],
  retry: [interceptors.retry()],
  redirect: [interceptors.redirect({ maxRedirections: 1 })],
  hedge: [interceptors.hedge({ delay: 10_000 })],
  decompress: [interceptors.decompress()],
  dns: [interceptors.dns({ lookup: (_origin, _options, callback) => callback(null, [LOOPBACK]) })],
}

for (const [kind, body] of Object.entries(bodies)) {
  for (const [above, chain] of Object.entries(aboves)) {
    for (const total of [undefined, 60_000]) {
      // Without these, no handler of the library is above the interceptor: the caller's handler receives the error.
      const direct = chain.length === 0 || above === 'decompress'
      if (kind === 'no body' && direct && total === undefined) continue
      const title = `an exception of a handler after onResponseEnd is uncaught: ${kind}, ${above}, total ${total}`
      t.test(title, async (t) => {
        const origin = await httpOrigin((request, reply) => request.resume().on('end', () => reply.end('ok')))
        const agent = new Agent()
        const url = above === 'dns' ? origin.url.replace('127.0.0.1', 'sluice.test') : origin.url
        const recorder = new Recorder()
        const options = {
          origin: url,
          path: '/',
          method: 'PUT',
          body: body(),
          ...(total && { timeouts: { total } }),
        } as never
        const uncaught = await uncaughtDuring(async () => {
          agent.compose(throwingAfter('onResponseEnd', new Error('late')), ...chain).dispatch(options, recorder)
          await recorder.ended
        })
        t.strictSame([recorder.calls.at(-1), recorder.error, uncaught], ['end', null, ['late']])
        const { body: next } = await agent.request({ origin: origin.url, path: '/', method: 'GET' })
        t.equal(await next.text(), 'ok')
        await agent.destroy()
        await origin.close()
      })
    }
  }
}

for (const [above, chain] of Object.entries(aboves)) {
  // Without a handler of the library above the interceptor, the caller's handler receives both.
  if (chain.length === 0 || above === 'decompress') continue
  t.test(
    `an error with which an interceptor fails the request and that it then throws reaches ${above} once`,
    async (t) => {
      const error = new Error('both')
      const recorder = new Recorder()
      const uncaught = await uncaughtDuring(async () => {
        const dispatcher = new Agent().compose(failing(error, error), ...chain)
        dispatcher.dispatch({ origin: 'http://sluice.test', path: '/', method: 'GET' }, recorder)
        await recorder.ended
      })
      t.strictSame([recorder.calls, recorder.error, uncaught], [['error'], error, []])
    },
  )
}

t.test('an error with which an interceptor fails the body and that it then throws is not uncaught', async (t) => {
  const error = new Error('both')
  const broken: Interceptor = () => (_options, handler) => {
    handler.onResponseStart?.(controller, 200, {}, 'OK')
    handler.onResponseError?.(controller, error)
    throw error
  }
  let result = ''
  const uncaught = await uncaughtDuring(async () => {
    result = await resultOf('request', new Client(UNUSED).compose(broken))
  })
  t.strictSame([result, uncaught], ['both', []])
})

/** Sends a request by each method, and resolves with its result: `ok`, or the message of its error. */
const methods: Record<string, (dispatcher: Dispatcher) => Promise<string>> = {
  request: async (dispatcher) => {
    const { body } = await dispatcher.request({ path: '/', method: 'GET' })
    return `ok${await body.text()}`
  },
  'request with a callback': (dispatcher) =>
    new Promise((resolve) => {
      dispatcher.request({ path: '/', method: 'GET' }, (error, data) => resolve(error?.message ?? (data && 'ok')))
    }),
  stream: async (dispatcher) => {
    await dispatcher.stream({ path: '/', method: 'GET' }, () => new PassThrough().resume())
    return 'ok'
  },
  pipeline: async (dispatcher) => {
    const duplex = dispatcher.pipeline({ path: '/', method: 'PUT' }, ({ body }) => body)
    duplex.end().resume()
    await finished(duplex)
    return 'ok'
  },
  upgrade: async (dispatcher) => {
    await dispatcher.upgrade({ path: '/' })
    return 'ok'
  },
  connect: async (dispatcher) => {
    await dispatcher.connect({ path: 'a.test:443' } as never)
    return 'ok'
  },
}

const resultOf = (name: string, dispatcher: Dispatcher) =>
  (methods[name] as (dispatcher: Dispatcher) => Promise<string>)(dispatcher).catch((error: Error) => error.message)

for (const name of Object.keys(methods)) {
  for (const thrown of [new Error('late'), 'late']) {
    const error = `${typeof thrown} that an interceptor throws`
    t.test(`${name}: ${error} after it has failed the request is uncaught`, async (t) => {
      const dispatcher = new Client(UNUSED).compose(failing(new Error('first'), thrown))
      let result = ''
      const uncaught = await uncaughtDuring(async () => {
        result = await resultOf(name, dispatcher)
      })
      t.strictSame([result, uncaught], ['first', ['late']])
      await dispatcher.close()
    })
    // These settle after the exception, and fail with it.
    if (name === 'stream' || name === 'pipeline') continue
    t.test(`${name}: ${error} after it has answered the request is uncaught`, async (t) => {
      const dispatcher = new Client(UNUSED).compose(answering(thrown))
      let result = ''
      const uncaught = await uncaughtDuring(async () => {
        result = await resultOf(name, dispatcher)
      })
      const expected = name === 'upgrade' ? 'The server refused the upgrade with status 200' : 'ok'
      t.strictSame([result, uncaught], [expected, ['late']])
      await dispatcher.close()
    })
  }

  t.test(
    `${name}: an error with which an interceptor fails the request and that it then throws is not uncaught`,
    async (t) => {
      const error = new Error('both')
      const dispatcher = new Client(UNUSED).compose(failing(error, error))
      let result = ''
      const uncaught = await uncaughtDuring(async () => {
        result = await resultOf(name, dispatcher)
      })
      t.strictSame([result, uncaught], ['both', []])
      await dispatcher.close()
    },
  )

  t.test(`${name}: an exception after dispatch has failed the request is uncaught`, async (t) => {
    const client = new Client(UNUSED)
    await client.destroy()
    const late: Interceptor = (dispatch) => (options, handler) => {
      dispatch(options, handler)
      throw new Error('late')
    }
    let result = ''
    const uncaught = await uncaughtDuring(async () => {
      result = await resultOf(name, client.compose(late))
    })
    t.strictSame([result, uncaught], ['The dispatcher is destroyed', ['late']])
  })
}

for (const name of ['request', 'stream', 'pipeline']) {
  t.test(`${name}: an exception of a handler after onResponseEnd is reported once`, async (t) => {
    const origin = await httpOrigin((request, reply) => request.resume().on('end', () => reply.end()))
    const client = new Client(origin.url)
    let result = ''
    const uncaught = await uncaughtDuring(async () => {
      result = await resultOf(name, client.compose(throwingAfter('onResponseEnd', new Error('late'))))
    })
    t.strictSame([result, ...uncaught].filter((one) => one === 'late').length, 1)
    t.equal(await resultOf(name, client), 'ok')
    await client.close()
    await origin.close()
  })
}

t.test('an exception of a handler after onRequestUpgrade is uncaught', async (t) => {
  const origin = await rawOrigin((socket) =>
    onRequests(socket, () => socket.write('HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')),
  )
  for (const above of [[], [interceptors.retry()]]) {
    const dispatcher = new Client(origin.url).compose(throwingAfter('onRequestUpgrade', new Error('late')), ...above)
    let result = ''
    const uncaught = await uncaughtDuring(async () => {
      result = await resultOf('upgrade', dispatcher)
    })
    t.strictSame([result, uncaught], ['ok', ['late']])
    await dispatcher.destroy()
  }
  await origin.close()
})

t.test('an exception of a handler after it has ended the response early is uncaught', async (t) => {
  const origin = await httpOrigin((_request, reply) => reply.end('ok'))
  const client = new Client(origin.url)
  const early: Interceptor = (dispatch) => (options, handler) => {
    const wrapper = new DecoratorHandler(handler)
    wrapper.onResponseStart = (...start) => {
      handler.onResponseStart?.(...(start as Parameters<NonNullable<DispatchHandler['onResponseStart']>>))
      handler.onResponseEnd?.(start[0] as Dispatcher.DispatchController, {})
      throw new Error('late')
    }
    return dispatch(options, wrapper)
  }
  let result = ''
  const uncaught = await uncaughtDuring(async () => {
    result = await resultOf('request', client.compose(early))
  })
  t.strictSame([result, uncaught], ['ok', ['late']])
  t.equal(await resultOf('request', client), 'okok')
  await client.close()
  await origin.close()
})

t.test('a handler of a request with a body stream receives one error', async (t) => {
  const dispatcher = new Client(UNUSED).compose(failing(new Error('first'), new Error('late')))
  const errors: string[] = []
  const uncaught = await uncaughtDuring(async () => {
    dispatcher.dispatch(
      { path: '/', method: 'PUT', body: Readable.from(['abc']) },
      { onResponseError: (_controller, error) => void errors.push(error.message) },
    )
  })
  t.strictSame([errors, uncaught], [['first'], ['late']])
  await dispatcher.close()
})

t.test(
  'an exception is uncaught when another interceptor sends a request that fails before it wraps the error',
  async (t) => {
    const refusing = new Client(UNUSED).compose(() => () => {
      throw new Error('other')
    })
    const others: string[] = []
    const wrapping: Interceptor = (dispatch) => (options, handler) => {
      const wrapper = new DecoratorHandler(handler)
      wrapper.onResponseError = (from, error: unknown) => {
        const other = { onResponseError: (_: unknown, failure: Error) => void others.push(failure.message) }
        refusing.dispatch({ path: '/', method: 'GET' }, other)
        handler.onResponseError?.(
          from as Dispatcher.DispatchController,
          new Error(`wrapped ${(error as Error).message}`),
        )
      }
      return dispatch(options, wrapper)
    }
    const dispatcher = new Client(UNUSED).compose(answering(new Error('late')), wrapping)
    const recorder = new Recorder()
    const uncaught = await uncaughtDuring(async () => {
      dispatcher.dispatch({ path: '/', method: 'PUT', body: Readable.from(['abc']) }, recorder)
      await recorder.ended
    })
    t.strictSame([recorder.error, others, uncaught], [null, ['other'], ['wrapped late']])
    await dispatcher.close()
  },
)

t.test('an abort within the error callback of an exception is not uncaught', async (t) => {
  const origin = await rawOrigin((socket) => onRequests(socket, () => socket.write(response('ok').slice(0, -1))))
  const client = new Client(origin.url)
  const { body } = await client.request({ path: '/', method: 'GET' })
  const refusing = new Client(UNUSED).compose(() => () => {
    throw 'late'
  })
  const closed = event(body, 'close')
  const received: unknown[] = []
  const uncaught = await uncaughtDuring(async () => {
    refusing.dispatch({ path: '/', method: 'GET' }, {
      onResponseError: (_controller: unknown, error: unknown) => {
        received.push(error)
        body.destroy()
      },
    } as never)
    await closed
  })
  t.strictSame([received, uncaught], [['late'], []])
  await client.destroy()
  await origin.close()
})

t.test('an exception after the signal has aborted the request is dropped', async (t) => {
  const sends: ((dispatcher: Dispatcher, signal: AbortSignal) => Promise<unknown>)[] = [
    (dispatcher, signal) => dispatcher.request({ path: '/', method: 'GET', signal }),
    (dispatcher, signal) => dispatcher.stream({ path: '/', method: 'GET', signal }, () => new Writable()),
    (dispatcher, signal) => dispatcher.upgrade({ path: '/', signal }),
  ]
  for (const send of sends) {
    let release = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    const waiting: Interceptor = (dispatch) => (options, handler) => {
      void released.then(() => dispatch(options, handler))
      return true
    }
    const throwing: Interceptor = () => () => {
      throw new Error('late')
    }
    const signal = new AbortController()
    const dispatcher = new Client(UNUSED).compose(throwing, waiting)
    const uncaught = await uncaughtDuring(async () => {
      const answer = send(dispatcher, signal.signal)
      signal.abort()
      await t.rejects(answer, { name: 'AbortError' })
      release()
      await released
    })
    t.strictSame(uncaught, [])
    await dispatcher.close()
  }
})
