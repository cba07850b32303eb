import { EventEmitter, once } from 'node:events'
import { Readable } from 'node:stream'
import t from 'tap'
import { Agent, BalancedPool, Client, type Dispatcher, Pool, RoundRobinPool } from '../../lib/index.js'
import { httpOrigin, onRequests, rawOrigin, response } from '../servers/origin.js'

type Factory = (origin: URL, options: object) => Dispatcher
type Dispatch = Dispatcher['dispatch']

const get = { path: '/', method: 'GET' } as const

/** Dispatcher of another library for a pool: it hides its class; `answer` changes its return value. */
function stub(
  inner: Client,
  { answer, emits }: { answer(room: boolean): unknown; emits: readonly string[] },
): Dispatcher {
  const shown = Object.assign(emits.length === 0 ? {} : new EventEmitter(), {
    dispatch: (...of: Parameters<Dispatch>) => answer(inner.dispatch(...of)),
    close: () => inner.close(),
    destroy: (error?: Error | null) => inner.destroy(error),
  })
  for (const name of emits)
    inner.on(name as 'drain', (...values) => void (shown as unknown as EventEmitter).emit(name, ...values))
  return shown as unknown as Dispatcher
}

const EVENTS = ['drain', 'connect', 'disconnect', 'connectionError']

/** An interceptor that waits before it dispatches, as one that fetches a token. */
const waits = (dispatch: Dispatch) => (options: Parameters<Dispatch>[0], handler: Parameters<Dispatch>[1]) => {
  setTimeout(() => dispatch(options, handler), 5)
  return true
}

const kinds: Record<string, () => Factory> = {
  'a Client': () => (origin, options) => new Client(origin, options),
  'a composed Client': () => (origin, options) => new Client(origin, options).compose((dispatch) => dispatch),
  'a Client under an interceptor that waits': () => (origin, options) => new Client(origin, options).compose(waits),
  'an interceptor that returns nothing': () => (origin, options) =>
    new Client(origin, options).compose((dispatch) => (given, handler) => void dispatch(given, handler) as never),
  'an asynchronous interceptor': () => (origin, options) =>
    new Client(origin, options).compose(
      (dispatch) => (async (...of: Parameters<Dispatch>) => dispatch(...of)) as unknown as Dispatch,
    ),
  'a subclass that dispatches in its own way': () => (origin, options) => {
    class Api extends Client {
      override dispatch(...of: Parameters<Client['dispatch']>): boolean {
        return super.dispatch(...of)
      }
    }
    return new Api(origin, options)
  },
  'one Client for all': () => {
    let one: Client | null = null
    return (origin, options) => {
      one ??= new Client(origin, options)
      return one
    }
  },
  'an emitter': () => (origin, options) => stub(new Client(origin, options), { answer: (room) => room, emits: EVENTS }),
  'an emitter without drain': () => (origin, options) =>
    stub(new Client(origin, options), { answer: (room) => room, emits: ['connect', 'disconnect'] }),
  'an emitter that is always busy': () => (origin, options) =>
    stub(new Client(origin, options), { answer: () => false, emits: ['drain'] }),
  'no emitter, which returns nothing': () => (origin, options) =>
    stub(new Client(origin, options), { answer: () => undefined, emits: [] }),
  'a Pool': () => (origin, options) => new Pool(origin, { ...options, connections: 1 }),
}
if (Number(process.versions.node.split('.')[0]) >= 24) {
  const undici = await import('undici')
  kinds["undici's Client"] = () => (origin) => new undici.Client(origin) as unknown as Dispatcher
}

interface Subject {
  dispatcher: Dispatcher & { readonly stats: object }
  origin: string
}

const one = { connections: 1, connect: undefined as never }

/** Whatever makes dispatchers by a factory, and has one connection. */
const subjects: Record<string, (origin: string, factory: Factory, options: object) => Dispatcher> = {
  Pool: (origin, factory, options) => new Pool(origin, { ...one, ...options, factory }),
  RoundRobinPool: (origin, factory, options) => new RoundRobinPool(origin, { ...one, ...options, factory }),
  'BalancedPool of pools': (origin, factory, options) =>
    new BalancedPool(origin, { ...options, factory: (url, own) => new Pool(url, { ...one, ...own, factory }) }),
  BalancedPool: (origin, factory, options) => new BalancedPool(origin, { ...options, factory }),
  'Agent of pools': (_origin, factory, options) =>
    new Agent({ ...options, factory: (url, own) => new Pool(url, { ...one, ...own, factory }) }),
  Agent: (_origin, factory, options) => new Agent({ ...options, factory: factory as never }),
}

/** Answers when the test says so. */
async function patientOrigin() {
  const held: (() => void)[] = []
  const origin = await rawOrigin((socket) => onRequests(socket, () => held.push(() => socket.write(response('ok')))))
  const served = async (count: number) => {
    while (held.length < count) await new Promise(setImmediate)
  }
  return Object.assign(origin, { held, served })
}

/** Of all dispatchers with one origin. */
function countsOf({ dispatcher, origin }: Subject) {
  const stats = dispatcher.stats as Record<string, unknown>
  return (stats[origin] ?? stats) as Record<string, number>
}

function nothingLeft(
  t: { strictSame(found: unknown, wanted: unknown, message: string): unknown },
  subject: Subject,
): void {
  const { pending = 0, queued = 0, running = 0 } = countsOf(subject)
  t.strictSame({ pending, queued, running }, { pending: 0, queued: 0, running: 0 }, 'all counters are 0')
}

const outcome = (answer: Promise<{ body: { text(): Promise<string> } }>) =>
  answer.then(({ body }) => body.text()).catch((error) => error.code ?? error.name)

type Origin = Awaited<ReturnType<typeof patientOrigin>>

async function begin(make: (typeof subjects)[string], kind: () => Factory, options: object = {}) {
  const origin = await patientOrigin()
  const dispatcher = make(origin.url, kind(), options) as Subject['dispatcher']
  const ask = (more: object = {}) => outcome(dispatcher.request({ ...get, origin: origin.url, ...more }))
  return { origin, dispatcher, ask, subject: { dispatcher, origin: origin.url } }
}

/** Answers all that is asked, until `all` have their outcome. */
async function answering<T>(origin: Origin, all: Promise<T>): Promise<T> {
  const serve = setInterval(() => origin.held.shift()?.(), 1)
  const result = await all
  clearInterval(serve)
  return result
}

for (const [subjectName, make] of Object.entries(subjects)) {
  for (const [kindName, kind] of Object.entries(kinds)) {
    const name = `${subjectName}, ${kindName}`

    t.test(`abort, limits and a failing body end a request that waits: ${name}`, async (t) => {
      const { origin, dispatcher, ask, subject } = await begin(make, kind)
      const first = ask()
      await origin.served(1)
      const abort = new AbortController()
      const source = new Readable({ read() {} })
      const waiting = [
        ask({ signal: abort.signal }),
        ask({ timeouts: { queue: 20 } }),
        ask({ timeouts: { total: 20 } }),
        ask({ method: 'PUT', body: source }),
        ask(),
      ]
      setTimeout(() => {
        abort.abort(Object.assign(new Error('x'), { code: 'ABORTED' }))
        source.destroy(Object.assign(new Error('disk'), { code: 'EDISK' }))
      }, 10)
      const ended = await Promise.all(waiting.slice(0, 4))
      t.strictSame(ended, ['ABORTED', 'SLUICE_ERR_QUEUE_TIMEOUT', 'SLUICE_ERR_TOTAL_TIMEOUT', 'EDISK'])
      t.strictSame(await answering(origin, Promise.all([first, waiting[4]])), ['ok', 'ok'])
      t.equal(await answering(origin, ask()), 'ok', 'the next request completes')
      nothingLeft(t, subject)
      await dispatcher.close()
      t.match(countsOf(subject).connected ?? 0, 0)
      await origin.close()
    })

    t.test(`close completes its requests, destroy fails them: ${name}`, async (t) => {
      for (const end of ['close', 'destroy'] as const) {
        const { origin, dispatcher, ask, subject } = await begin(make, kind)
        const source = new Readable({ read() {} }).on('error', () => {})
        const all = [ask(), ask(), ask()]
        await origin.served(1)
        if (end === 'destroy') all.push(ask({ method: 'PUT', body: source }), ask({ timeouts: { total: 60_000 } }))
        source.destroy(new Error('disk'))
        const ended = dispatcher[end]()
        const outcomes = await (end === 'close' ? answering(origin, Promise.all(all)) : Promise.all(all))
        if (end === 'close') t.strictSame(outcomes, ['ok', 'ok', 'ok'])
        else t.notOk(outcomes.includes('ok'), `${outcomes}`)
        await ended
        nothingLeft(t, subject)
        t.equal(await ask(), 'UND_ERR_DESTROYED')
        await origin.close()
      }
    })

    t.test(`emits drain after dispatch() returned false: ${name}`, async (t) => {
      const { origin, dispatcher, subject } = await begin(make, kind)
      let ended = 0
      const handler = {
        onRequestStart() {},
        onResponseStart() {},
        onResponseEnd: () => void ended++,
        onResponseError() {},
      }
      const rooms = [1, 2].map(() => dispatcher.dispatch({ ...get, origin: origin.url }, handler))
      const drained = rooms.includes(false) ? once(dispatcher, 'drain') : Promise.resolve()
      const serve = setInterval(() => origin.held.shift()?.(), 1)
      await drained
      while (ended < 2) await new Promise(setImmediate)
      clearInterval(serve)
      nothingLeft(t, subject)
      await dispatcher.close()
      await origin.close()
    })
  }
}

for (const [subjectName, make] of Object.entries(subjects)) {
  for (const kindName of [
    'a Client',
    'a composed Client',
    'an emitter',
    'no emitter, which returns nothing',
  ] as const) {
    t.test(
      `timeouts.connect ends all requests that wait for one connection: ${subjectName}, ${kindName}`,
      async (t) => {
        const kind = kinds[kindName] as (typeof kinds)[string]
        const { origin, dispatcher, ask } = await begin(make, kind, { connect: () => {} })
        const limited = { timeouts: { connect: 20 } }
        const all = [ask({ timeouts: { total: 2000 } }), ask(limited), ask(limited)]
        t.strictSame(await Promise.all(all.slice(1)), ['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_CONNECT_TIMEOUT'])
        await dispatcher.destroy()
        t.equal(await all[0], 'UND_ERR_DESTROYED')
        await origin.close()
      },
    )
  }
}

for (const [kindName, kind] of Object.entries(kinds)) {
  t.test(`an upload with additional listeners arrives whole: ${kindName}`, async (t) => {
    const held: (() => void)[] = []
    const origin = await httpOrigin(async (request, reply) => {
      let length = 0
      for await (const chunk of request) length += (chunk as Buffer).length
      const answer = () => void reply.end(String(length))
      if (request.url === '/held') held.push(answer)
      else answer()
    })
    const pool = new Pool(origin.url, { connections: 1, factory: kind() })
    const first = outcome(pool.request({ ...get, path: '/held' }))
    while (held.length === 0) await new Promise(setImmediate)
    const uploads = [1, 2].map((count) => {
      const body = Readable.from(new Array(count * 4).fill(Buffer.alloc(30_000)), { objectMode: false })
      body.on('data', () => {})
      return outcome(pool.request({ path: '/', method: 'PUT', body }))
    })
    for (let i = 0; i < 5; i++) await new Promise(setImmediate)
    held[0]?.()
    t.strictSame(await Promise.all([first, ...uploads]), ['0', '120000', '240000'])
    await pool.close()
    await origin.close()
  })
}

for (const [subjectName, make] of Object.entries(subjects)) {
  t.test(`ends a request of a dispatcher that passes no controller: ${subjectName}`, async (t) => {
    const kind = (): Factory => () =>
      ({
        dispatch(_options: object, handler: { onRequestStart(): void }) {
          handler.onRequestStart()
          return true
        },
        async close() {},
        async destroy() {},
      }) as unknown as Dispatcher
    const { origin, dispatcher, ask, subject } = await begin(make, kind)
    t.equal(await ask({ timeouts: { total: 5 } }), 'SLUICE_ERR_TOTAL_TIMEOUT')
    t.equal(await ask({ signal: AbortSignal.timeout(5) }), 23)
    nothingLeft(t, subject)
    await dispatcher.close()
    await origin.close()
  })
}

for (const Kind of [Pool, RoundRobinPool]) {
  t.test(`emits drain for a request that failed while it was sent from within another: ${Kind.name}`, async (t) => {
    const origin = await httpOrigin((_request, reply) => void reply.end('ok'))
    const factory: Factory = (url, options) => stub(new Client(url, options), { answer: () => true, emits: [] })
    const pool = new Kind(origin.url, { connections: 1, factory })
    const drained = once(pool, 'drain')
    const failed: string[] = []
    pool.dispatch(get, {
      onRequestQueued() {
        const accepts = pool.dispatch(get, {
          onRequestQueued() {
            throw new Error('mine')
          },
          onResponseError: (_controller, error) => void failed.push(error.message),
        })
        t.equal(accepts, false)
      },
      onResponseError: (_controller, error) => t.fail(error.message),
    })
    t.strictSame(failed, ['mine'])
    await drained
    await pool.close()
    await origin.close()
  })
}

t.test('requests and counts are right whatever a dispatcher of another library emits with its events', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('ok'))
  for (const [kind, make] of Object.entries({
    Pool: (factory: Factory) => new Pool(origin.url, { factory }),
    BalancedPool: (factory: Factory) => new BalancedPool(origin.url, { factory }),
    Agent: (factory: (url: URL | string, options: object) => Dispatcher) => new Agent({ factory: factory as never }),
  })) {
    for (const values of [[], [null, null, null], [{}, 'socket', 'reason'], ['http://localhost', {}, 1]]) {
      const of = `${kind}, ${JSON.stringify(values)}`
      const pool: Dispatcher & { stats: unknown } = make(() => {
        const client = new Client(origin.url)
        const shown = Object.assign(new EventEmitter(), {
          dispatch: (...request: Parameters<Dispatch>) => {
            for (const name of EVENTS) shown.emit(name, ...values)
            return client.dispatch(...request)
          },
          close: () => client.close(),
          destroy: (error?: Error | null) => client.destroy(error),
        })
        return shown as unknown as Dispatcher
      })
      const targets: unknown[] = []
      pool.on('connect', (url, given) => targets.push(url instanceof URL, given.length))
      const { body } = await pool.request({ ...get, origin: origin.url })
      t.equal(await body.text(), 'ok', of)
      t.strictSame(targets, [true, 2], of)
      if (kind !== 'Agent') t.match(pool.stats, { connected: 0, running: 0, pending: 0, queued: 0 }, of)
      await pool.close()
    }
  }
  await origin.close()
})
