import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { Agent, type Dispatcher, interceptors } from '../../lib/index.js'
import { Recorder } from '../servers/recorder.js'
import { get } from '../servers/retrying.js'
import { message, scriptedOrigin } from '../servers/script.js'

type Options = NonNullable<Parameters<typeof interceptors.dns>[0]>
type Lookup = NonNullable<Options['lookup']>
type Answer = Parameters<Lookup>[2]

const one = { address: '127.0.0.1', family: 4, ttl: 1000 } as const
const good = [one]
const fine = message('200 OK', 'fine')
const mine = () => Object.assign(new Error('mine'), { code: 'EMINE' })

/** Results of two concurrent requests and a third one, through a dispatch function without a dispatcher. */
async function outcomes(options: Options) {
  const origin = await scriptedOrigin(fine)
  const agent = new Agent()
  const dispatch = interceptors.dns(options)(agent.dispatch.bind(agent) as Dispatcher.Dispatch)
  const send = (path: string) => {
    const recorder = new Recorder()
    dispatch({ ...get, path, origin: `http://name.test:${origin.port}` }, recorder)
    return recorder.ended
  }
  const ended = [...(await Promise.all([send('/1'), send('/2')])), await send('/3')]
  await new Promise(setImmediate)
  await agent.close()
  await origin.close()
  return { ended, requestCount: origin.requests.length }
}

const failing: Record<string, Lookup> = {
  throws() {
    throw mine()
  },
  'throws after it answered'(_origin, _options, answer) {
    answer(null, [...good])
    throw mine()
  },
  async rejects() {
    throw mine()
  },
  async 'rejects right after it answered'(_origin, _options, answer) {
    answer(null, [...good])
    throw mine()
  },
  async 'rejects right after it answered late'(_origin, _options, answer) {
    await null
    answer(null, [...good])
    throw mine()
  },
  'fails, then answers'(_origin, _options, answer) {
    answer(mine(), [])
    answer(null, [...good])
  },
  'fails later, then throws'(_origin, _options, answer) {
    setImmediate(() => answer(null, [...good]))
    throw mine()
  },
}

for (const [what, lookup] of Object.entries(failing)) {
  t.test(`a lookup that ${what} fails each waiting request once, each with its own error`, async (t) => {
    const { ended, requestCount } = await outcomes({ lookup })
    for (const [index, { calls, error }] of ended.entries()) {
      t.strictSame(calls, ['error'])
      t.match(error, { message: 'mine', code: 'EMINE', method: 'GET', path: `/${index + 1}`, replaySafe: true })
      t.match(error, { phase: 'connect', origin: /^http:\/\/name\.test:\d+$/ })
    }
    t.equal(new Set(ended.map(({ error }) => error)).size, 3)
    t.equal(requestCount, 0)
  })
}

const answering: Record<string, Lookup> = {
  'answers twice'(_origin, _options, answer) {
    answer(null, [...good])
    answer(mine(), [])
    answer(null, [{ address: '127.0.0.9', family: 4, ttl: 1000 }])
  },
  async 'is an async function'(_origin, _options, answer) {
    await null
    answer(null, [...good])
  },
  'rejects long after it answered'(_origin, _options, answer) {
    answer(null, [...good])
    return new Promise((_resolve, reject) => setImmediate(reject, mine())) as never
  },
}

for (const [what, lookup] of Object.entries(answering)) {
  t.test(`a lookup that ${what} answers each request once`, async (t) => {
    const { ended, requestCount } = await outcomes({ lookup })
    for (const { calls, body } of ended) {
      t.strictSame(calls, ['start', 'head 200', 'data', 'end'])
      t.equal(body, 'fine')
    }
    t.equal(requestCount, 3)
  })
}

const answers: Lookup = (_origin, _options, answer) => answer(null, [...good])
const storage = { size: 0, get: () => null, set() {}, delete() {}, full: () => false }
const throwing = () => {
  throw mine()
}
const shared = Object.freeze(mine())

for (const [what, options, error] of [
  ['a pick that throws', { pick: throwing }, { message: 'mine' }],
  [
    'a pick that throws the same error',
    {
      pick: () => {
        throw shared
      },
    },
    { message: 'mine', cause: shared },
  ],
  ['a pick that finds nothing', { pick: () => null }, { code: 'UND_ERR_INFO' }],
  ['a pick of no address', { pick: () => ({ ...one, address: 'evil.test' }) }, { code: 'UND_ERR_INVALID_ARG' }],
  ['a storage that can not be read', { storage: { ...storage, get: throwing } }, { message: 'mine' }],
  ['a storage that can not be written', { storage: { ...storage, set: throwing } }, { message: 'mine' }],
  [
    'a lookup without addresses',
    { lookup: (...[, , answer]: Parameters<Lookup>) => answer(null, []) },
    { code: 'UND_ERR_INFO' },
  ],
] as const) {
  t.test(`${what} fails each request once, cached or not, and never throws`, async (t) => {
    const { ended, requestCount } = await outcomes({ lookup: answers, ...options } as Options)
    for (const { calls, error: actual } of ended) {
      t.strictSame(calls, ['error'])
      t.match(actual, error)
    }
    t.equal(new Set(ended.map(({ error }) => error)).size, 3, 'each request has its own error')
    t.equal(requestCount, 0)
  })
}

t.test('a storage or a pick that throws after a refused connection fails the request once', async (t) => {
  const dead = await scriptedOrigin(fine)
  await dead.close()
  const lookup: Lookup = (_origin, _options, answer) => answer(null, [...good, { ...one, address: '127.0.0.2' }])
  let turn = 0
  for (const options of [
    { storage: { ...storage, get: () => (turn++ > 1 ? throwing() : null) } },
    {
      pick: (_origin: URL, { records }: { records: { 4: { ips: typeof good } | null } }) => {
        if (turn++ > 0) throw mine()
        return records[4]?.ips[0] ?? null
      },
    },
  ]) {
    turn = 0
    const agent = new Agent().compose(interceptors.dns({ lookup, ...options } as Options))
    const recorder = new Recorder()
    agent.dispatch({ ...get, origin: `http://name.test:${dead.port}` }, recorder)
    await recorder.ended
    t.match(recorder.error, { message: 'mine', path: '/', replaySafe: true })
    t.strictSame(recorder.calls, ['error'])
    await agent.close()
  }
})

t.test('a later request starts a new lookup after the request of a pending one was aborted', async (t) => {
  const origin = await scriptedOrigin(fine)
  const pending: Answer[] = []
  const agent = new Agent().compose(interceptors.dns({ lookup: (_origin, _options, answer) => pending.push(answer) }))
  const send = (options = {}) =>
    agent.request({ ...get, ...options, origin: `http://name.test:${origin.port}` }).then(
      ({ body }) => body.text(),
      (error) => error,
    )
  const patient = send()
  const abort = new AbortController()
  const left = send({ signal: abort.signal })
  t.equal(pending.length, 1, 'the second request shares the lookup')
  abort.abort(new Error('no patience'))
  t.match(await left, { message: 'no patience' })
  const limited = send({ timeouts: { total: 20 } })
  t.equal(pending.length, 2, 'the third looks up again')
  const joined = send()
  t.equal(pending.length, 2, 'the fourth request shares that lookup')
  t.match(await limited, { code: 'SLUICE_ERR_TOTAL_TIMEOUT' })
  const again = send()
  t.equal(pending.length, 3)
  pending[2]?.(null, [...good])
  t.equal(await again, 'fine')
  t.equal(await send(), 'fine', 'uses the cached address')
  pending[1]?.(mine(), [])
  t.match(await joined, { message: 'mine' })
  t.equal(await send(), 'fine', 'a lookup that fails later does not remove the cached address')
  pending[0]?.(null, [...good])
  t.equal(await patient, 'fine')
  t.equal(pending.length, 3)
  await agent.close()
  await origin.close()
})

t.test('a lookup without waiting requests retains no request in memory', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const pending: Answer[] = []
  const agent = new Agent().compose(interceptors.dns({ lookup: (_origin, _options, answer) => pending.push(answer) }))
  const send = async () => {
    const opaque = { large: Buffer.alloc(1 << 20) }
    const signal = AbortSignal.timeout(1)
    await t.rejects(agent.request({ ...get, opaque, signal, origin: 'http://name.test' }), { name: 'TimeoutError' })
    return new WeakRef(opaque)
  }
  const held = setInterval(() => {}, 1000)
  const sent = await send()
  clearInterval(held)
  for (let turn = 0; turn < 20 && sent.deref() !== undefined; turn++) {
    await new Promise(setImmediate)
    collect()
  }
  t.equal(sent.deref(), undefined)
  t.equal(pending.length, 1)
  await agent.close()
})

t.test('an exception of onRequestQueued fails the request', async (t) => {
  const dispatch = interceptors.dns({ lookup: () => {} })(() => true)
  const errors: Error[] = []
  const accepted = dispatch({ ...get, origin: 'http://name.test' }, {
    onRequestQueued: throwing,
    onRequestStart() {},
    onResponseError: (_controller, error) => errors.push(error),
  } as Dispatcher.DispatchHandler)
  t.equal(accepted, true)
  t.match(errors, [{ message: 'mine' }])
})

t.test('timeouts.total holds for an interceptor used alone', async (t) => {
  const recorder = new Recorder()
  const request = { ...get, origin: 'http://name.test', timeouts: { total: 20 } }
  interceptors.dns({ lookup: () => {} })(() => true)(request, recorder)
  await recorder.ended
  t.match(recorder.error, {
    code: 'SLUICE_ERR_TOTAL_TIMEOUT',
    message: 'Request not completed within 20 ms (timeouts.total)',
  })
})
