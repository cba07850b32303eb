import net, { type Socket } from 'node:net'
import { Readable } from 'node:stream'
import t from 'tap'
import { processClock } from '../../lib/base/clock.js'
import {
  Agent,
  BalancedPool,
  type buildConnector,
  Client,
  errors,
  interceptors,
  Pool,
  RetryAgent,
  RoundRobinPool,
} from '../../lib/index.js'
import { event, httpOrigin, type Origin, onRequests, rawOrigin, response } from '../servers/origin.js'

const get = { path: '/', method: 'GET' }

/** Server that responds when the test says so. */
async function patientOrigin(): Promise<Origin & { answer(count?: number): void; held: (() => void)[] }> {
  const held: (() => void)[] = []
  const origin = await rawOrigin((socket) => onRequests(socket, () => held.push(() => socket.write(response('ok')))))
  return Object.assign(origin, {
    held,
    answer: (count = held.length) => held.splice(0, count).forEach((one) => void one()),
  })
}

const full = { name: 'QueueFullError', code: 'SLUICE_ERR_QUEUE_FULL', bytesWritten: 0, replaySafe: true, path: '/' }

t.test('maxQueued of a Client: a request above the limit fails at once, and drain follows', async (t) => {
  const origin = await patientOrigin()
  const client = new Client(origin.url, { maxQueued: 2 })
  const taken = [client.request(get), client.request(get), client.request(get)]
  let failed: unknown = null
  let drained = 0
  client.on('drain', () => drained++)
  const room = client.dispatch(get, {
    onRequestStart: () => t.fail('it is not begun'),
    onResponseError: (_controller, error) => {
      failed = error
    },
  })
  t.match(failed, full, 'fails before dispatch returns')
  t.equal(room, false)
  await t.rejects(client.request(get), full)
  t.equal(client.stats.pending, 3, 'rejected requests are not counted')
  origin.answer()
  for (const one of taken) {
    while (origin.held.length === 0) await new Promise(setImmediate)
    origin.answer()
    t.equal(await (await one).body.text(), 'ok')
  }
  t.equal(drained, 1)
  await client.close()
  await origin.close()
})

for (const Kind of [Pool, RoundRobinPool]) {
  t.test(`maxQueued of a ${Kind.name} counts requests beyond the capacity of its connections`, async (t) => {
    const origin = await patientOrigin()
    const pool = new Kind(origin.url, { connections: 2, pipelining: 2, maxQueued: 3 })
    const taken = Array.from({ length: 7 }, () => pool.request(get).then(({ body }) => body.text()))
    await t.rejects(pool.request(get), full)
    t.equal(pool.stats.size, 7)
    let done = false
    const all = Promise.all(taken).finally(() => {
      done = true
    })
    while (!done) {
      origin.answer()
      await new Promise(setImmediate)
    }
    t.strictSame(await all, new Array(7).fill('ok'))
    const last = pool.request(get)
    while (origin.held.length === 0) await new Promise(setImmediate)
    origin.answer()
    t.equal(await (await last).body.text(), 'ok', 'accepted after capacity is free')
    await pool.close()
    await origin.close()
  })
}

t.test('maxQueued applies to the pools of a BalancedPool and of an Agent', async (t) => {
  const origin = await patientOrigin()
  const balanced = new BalancedPool(origin.url, { connections: 1, maxQueued: 0 })
  const agent = new Agent({ connections: 1, maxQueued: 0 })
  const taken = [balanced.request(get), agent.request({ ...get, origin: origin.url })]
  await t.rejects(balanced.request(get), full)
  await t.rejects(agent.request({ ...get, origin: origin.url }), full)
  while (origin.held.length < 2) await new Promise(setImmediate)
  origin.answer()
  for (const one of taken) await (await one).body.dump()
  await balanced.close()
  await agent.close()
  await origin.close()
})

t.test('timeouts.queue fails requests that wait too long, and no others', async (t) => {
  const origin = await patientOrigin()
  const client = new Client(origin.url)
  const first = client.request({ ...get, timeouts: { queue: 20_000 } })
  const order: string[] = []
  const second = client.request({ ...get, path: '/late', timeouts: { queue: 30 } })
  const third = client.request({ ...get, path: '/patient' }).then(() => order.push('third'))
  await t.rejects(second, {
    name: 'QueueTimeoutError',
    code: 'SLUICE_ERR_QUEUE_TIMEOUT',
    path: '/late',
    phase: 'queued',
    bytesWritten: 0,
    replaySafe: true,
    message: /30 ms/,
  })
  order.push('second')
  t.equal(origin.connections, 1, 'the connection stays open')
  origin.answer()
  t.equal(await (await first).body.text(), 'ok')
  while (origin.held.length === 0) await new Promise(setImmediate)
  origin.answer()
  await third
  t.strictSame(order, ['second', 'third'])
  await client.destroy()
  await origin.close()
})

t.test('timeouts.total counts from dispatch and includes the body', async (t) => {
  const origin = await rawOrigin((socket) =>
    onRequests(socket, () => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf')),
  )
  const client = new Client(origin.url, { timeouts: { total: 60 } })
  const { body } = await client.request(get)
  await t.rejects(body.text(), { code: 'SLUICE_ERR_TOTAL_TIMEOUT', phase: 'body', message: /60 ms/ })
  const own = await client.request({ ...get, timeouts: { total: 0 } })
  const winner = await Promise.race([
    own.body.text().catch(() => 'failed'),
    new Promise((done) => setTimeout(done, 150)),
  ])
  t.equal(winner, undefined, 'a request can disable the limit')
  await client.destroy()
  await origin.close()
})

t.test('timeouts end a request although setImmediate is replaced after the import', async (t) => {
  const origin = await rawOrigin(() => {})
  const client = new Client(origin.url)
  const { setImmediate } = globalThis
  globalThis.setImmediate = (() => {}) as never
  try {
    const limits: [object, string][] = [
      [{ headersTimeout: 20 }, 'UND_ERR_HEADERS_TIMEOUT'],
      [{ timeouts: { headers: 20 } }, 'UND_ERR_HEADERS_TIMEOUT'],
      [{ timeouts: { total: 20 } }, 'SLUICE_ERR_TOTAL_TIMEOUT'],
    ]
    for (const [limit, code] of limits) await t.rejects(client.request({ ...get, ...limit }), { code })
    const first = t.rejects(client.request(get), { code: 'UND_ERR_DESTROYED' })
    for (const [limit, code] of [
      [{ queue: 20 }, 'SLUICE_ERR_QUEUE_TIMEOUT'],
      [{ total: 20 }, 'SLUICE_ERR_TOTAL_TIMEOUT'],
    ] as const) {
      await t.rejects(client.request({ ...get, timeouts: limit }), { code })
    }
    await client.destroy()
    await first
  } finally {
    globalThis.setImmediate = setImmediate
  }
  await origin.close()
})

t.test('retries do not extend timeouts.total', async (t) => {
  let tries = 0
  const origin = await rawOrigin((socket) =>
    onRequests(socket, () => {
      tries++
      socket.write('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n')
    }),
  )
  const settings = { maxRetries: 1000, minTimeout: 10, maxTimeout: 10, timeoutFactor: 1 }
  const client = new Client(origin.url)
  const composed = client.compose(interceptors.retry(settings))
  const agent = new RetryAgent(client, settings)
  for (const dispatcher of [composed, agent]) {
    tries = 0
    // A thousand attempts would take more than ten times as long.
    let reference = false
    const timer = setTimeout(() => {
      reference = true
    }, 5000)
    const answer = dispatcher.request({ ...get, timeouts: { total: 200 } })
    const outcome = await answer.then(
      ({ statusCode }) => statusCode,
      (error) => error.code,
    )
    t.ok([503, 'SLUICE_ERR_TOTAL_TIMEOUT', 'UND_ERR_REQ_RETRY'].includes(outcome), `ended: ${outcome}`)
    t.ok(tries > 1 && tries < 100, `${tries} tries`)
    t.equal(reference, false)
    clearTimeout(timer)
  }
  await client.destroy()
  await origin.close()
})

t.test('timeouts.total of a dispatcher holds over all attempts and redirects', async (t) => {
  let requestCount = 0
  const origin = await httpOrigin((_request, reply) => {
    requestCount++
    setTimeout(() => reply.writeHead(503).end(), 20)
  })
  const retries = { maxRetries: 1000, minTimeout: 10, maxTimeout: 10, timeoutFactor: 1 }
  const options = { timeouts: { total: 200 } }
  const dispatchers = [new Client(origin.url, options), new Pool(origin.url, options), new Agent(options)]
  for (const dispatcher of dispatchers) {
    for (const composed of [dispatcher.compose(interceptors.retry(retries)), new RetryAgent(dispatcher, retries)]) {
      requestCount = 0
      await t.rejects(composed.request({ ...get, origin: origin.url }))
      t.ok(requestCount > 1 && requestCount < 20, `${dispatcher.constructor.name}: ${requestCount} attempts`)
    }
    await dispatcher.destroy()
  }
  // A chain of redirects without end, by names that differ.
  const chain = await httpOrigin((request, reply) => {
    const next = Number(request.url?.slice(1)) + 1
    setTimeout(() => reply.writeHead(302, { location: `/${next}` }).end(), 20)
  })
  const agent = new Agent(options)
  const redirecting = agent.compose(interceptors.redirect({ maxRedirections: 1000 }))
  const answer = redirecting.request({ origin: chain.url, path: '/0', method: 'GET' })
  await t.rejects(answer, {
    code: 'SLUICE_ERR_TOTAL_TIMEOUT',
    message: 'Request not completed within 200 ms (timeouts.total)',
  })
  await agent.destroy()
  await Promise.all([origin.close(), chain.close()])
})

t.test('timeouts.connect applies to a request and to a client', async (t) => {
  // Nothing else keeps this process alive.
  const alive = setInterval(() => {}, 1000)
  const calls: ((error: Error) => void)[] = []
  const client = new Client('http://127.0.0.1:1', {
    connect: (_options, callback) => void calls.push((error) => callback(error, null)),
  })
  const patient = client.request(get)
  const failed = { code: 'UND_ERR_CONNECT_TIMEOUT', replaySafe: true, bytesWritten: 0 }
  await t.rejects(client.request({ ...get, timeouts: { connect: 20 } }), failed)
  t.equal(client.stats.pending, 1)
  calls[0]?.(new Error('refused'))
  await t.rejects(patient, { message: 'refused' })
  await client.destroy()

  const lost = new Client('http://nowhere.test', { timeouts: { connect: 20 }, connect: { lookup: () => {} } })
  await t.rejects(lost.request(get), { code: 'UND_ERR_CONNECT_TIMEOUT' })
  clearInterval(alive)
  await lost.destroy()
})

t.test('timeouts.connect ends when the connection is established', async (t) => {
  const origin = await patientOrigin()
  const client = new Client(origin.url)
  const connected = event(client, 'connect')
  const first = client.request({ ...get, timeouts: { connect: 5000 } })
  const second = client.request({ ...get, timeouts: { connect: 40 } })
  await connected
  await new Promise((done) => setTimeout(done, 80))
  origin.answer()
  t.equal(await (await first).body.text(), 'ok')
  while (origin.held.length === 0) await new Promise(setImmediate)
  origin.answer()
  t.equal(await (await second).body.text(), 'ok')
  await client.close()
  await origin.close()
})

t.test('a connection that a connector opens synchronously ends timeouts.connect of all queued requests', async (t) => {
  const alive = setInterval(() => {}, 1000)
  const held: (() => void)[] = []
  const origin = await rawOrigin((socket, index) =>
    onRequests(socket, () => {
      if (index === 0) socket.end(response('ok', { connection: 'close' }))
      else held.push(() => socket.write(response('ok')))
    }),
  )
  const sockets: Socket[] = []
  for (let i = 0; i < 2; i++) {
    const socket = net.connect(origin.port)
    await event(socket, 'connect')
    sockets.push(socket)
  }
  const connect: buildConnector.connector = (_options, callback) => callback(null, sockets.shift() as Socket)
  const client = new Client(origin.url, { connect })
  const limited = { ...get, timeouts: { connect: 20 } }
  const answers = [1, 2, 3].map(() => client.request(limited).then(({ body }) => body.text()))
  while (held.length === 0) await new Promise(setImmediate)
  const lost = new Client('http://nowhere.test', { connect: { lookup: () => {} } })
  await t.rejects(lost.request({ ...get, timeouts: { connect: 40 } }), { code: 'UND_ERR_CONNECT_TIMEOUT' })
  held.pop()?.()
  while (held.length === 0) await new Promise(setImmediate)
  held.pop()?.()
  t.strictSame(await Promise.all(answers), ['ok', 'ok', 'ok'])
  clearInterval(alive)
  await Promise.all([client.close(), lost.destroy()])
  await origin.close()
})

t.test('timeouts.headers and timeouts.body are headersTimeout and bodyTimeout', async (t) => {
  const origin = await rawOrigin((socket) =>
    onRequests(socket, (request) => {
      if (request.includes('/body')) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf')
    }),
  )
  const client = new Client(origin.url, { timeouts: { headers: 30, body: 40 } })
  await t.rejects(client.request(get), { code: 'UND_ERR_HEADERS_TIMEOUT', message: /30 ms/ })
  await t.rejects(client.request({ ...get, timeouts: { headers: 20 } }), { message: /20 ms/ })
  await t.rejects(client.request({ ...get, headersTimeout: 25, timeouts: { headers: 20 } }), { message: /25 ms/ })
  const { body } = await client.request({ ...get, path: '/body', timeouts: { headers: 0 } })
  await t.rejects(body.text(), { code: 'UND_ERR_BODY_TIMEOUT', message: /40 ms/ })
  await client.destroy()
  await origin.close()
})

t.test('rejects invalid timeouts by name', async (t) => {
  const bad = (name: string) => ({ name: 'InvalidArgumentError', message: new RegExp(`timeouts.${name}`) })
  t.throws(() => new Client('http://h', { timeouts: { total: -1 } }), bad('total'))
  t.throws(() => new Pool('http://h', { timeouts: { queue: '1' as never } }), bad('queue'))
  t.throws(() => new Agent({ maxQueued: -1 }), { message: /maxQueued/ })
  t.throws(() => new Client('http://h', { maxQueued: 1.5 }), { message: /maxQueued/ })
  const client = new Client('http://127.0.0.1:1')
  await t.rejects(client.request({ ...get, timeouts: { body: Number.NaN } }), bad('body'))
  await t.rejects(client.request({ ...get, timeouts: 5 as never }), { message: /timeouts/ })
  t.ok(new errors.QueueFullError() instanceof errors.UndiciError)
  await client.close()
})

for (const Kind of [Pool, RoundRobinPool]) {
  t.test(`a request of a ${Kind.name} whose factory throws fails once, whatever limits of time it has`, async (t) => {
    const factory = () => {
      throw new Error('thrown by the factory')
    }
    const pool = new Kind('http://localhost', { factory })
    for (const timeouts of [null, { total: 20 }, { queue: 20 }]) {
      const before = processClock.size
      const failures: unknown[] = []
      const failed = (_controller: unknown, error: Error) => void failures.push(error.message)
      pool.dispatch({ ...get, timeouts } as never, { onResponseError: failed })
      t.equal(processClock.size, before, 'no alarm is left')
      t.strictSame(failures, ['thrown by the factory'])
    }
    await pool.close()
  })
}

t.test('a request with an invalid body fails once and leaves no alarm', async (t) => {
  const factory = (origin: URL, options: object) => new Client(origin, options)
  const dispatchers = {
    Client: new Client('http://localhost'),
    Pool: new Pool('http://localhost'),
    'Pool with a factory': new Pool('http://localhost', { factory }),
    BalancedPool: new BalancedPool(['http://localhost']),
    Agent: new Agent(),
    'composed Pool': new Pool('http://localhost').compose((dispatch) => dispatch),
    RetryAgent: new RetryAgent(new Agent()),
  }
  for (const [kind, dispatcher] of Object.entries(dispatchers)) {
    for (const timeouts of [{ total: 20 }, { queue: 20 }]) {
      const before = processClock.size
      let failures = 0
      const body = new Readable({ read() {} }).destroy()
      const options = { origin: 'http://localhost', path: '/', method: 'PUT', body, timeouts }
      dispatcher.dispatch(options as never, { onResponseError: () => void failures++ })
      t.equal(processClock.size, before, `${kind}: no alarm is left`)
      t.equal(failures, 1, kind)
    }
    await dispatcher.close()
  }
})

t.test('destroying a pool with a factory leaves no alarm of a request whose handler pauses', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end())
  const factory = (url: URL, options: object) => new Client(url, options).compose((dispatch) => dispatch)
  const pool = new Pool(origin.url, { factory })
  const before = processClock.size
  const failure = new Promise<Error>((resolve) => {
    const paused = pool.dispatch(
      { ...get, timeouts: { total: 60_000 } },
      {
        onResponseStart(controller) {
          controller.pause()
          setImmediate(() => pool.destroy())
        },
        onResponseError: (_controller, error) => resolve(error),
      },
    )
    t.ok(paused)
  })
  t.match(await failure, { code: 'UND_ERR_DESTROYED' })
  t.equal(processClock.size, before)
  await origin.close()
})
