import { Readable } from 'node:stream'
import type { Dispatcher } from '../../../lib/index.js'
import { type Workplace, workplace } from './origin.js'

/** Classes of one library that the scenarios use. */
export interface Dispatchers {
  Pool: new (origin: string, options?: object) => Dispatcher
  Agent: new (options?: object) => Dispatcher
}

export type Interceptors = Record<string, (options?: object) => Dispatcher.DispatcherComposeInterceptor>

/** Environment of a scenario: a new origin, a pool and an agent. */
export interface Scene {
  origin: Workplace
  /** A second origin. */
  other: Workplace
  pool: Dispatcher
  agent: Dispatcher
}

type Scenario = (interceptors: Interceptors, scene: Scene) => Promise<unknown>

const quick = { minTimeout: 1, maxTimeout: 5 }
/** Codes to retry. undici's default lacks the code of a truncated body, which sluice uses, so it is added. */
const resuming = { ...quick, errorCodes: ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'UND_ERR_SOCKET', 'ECONNRESET'] }

/** Returns status and text of a response, or a description of the error. */
async function ask(dispatcher: Dispatcher, path: string, options: object = {}): Promise<string> {
  try {
    const { statusCode, body } = await dispatcher.request({ path, method: 'GET', ...options })
    return `${statusCode} ${await body.text()}`.trim()
  } catch (error) {
    const { name, code, statusCode } = error as Error & { code?: string; statusCode?: number }
    return [name, code, statusCode].filter((part) => part !== undefined).join(' ')
  }
}

function compose(interceptors: Interceptors, dispatcher: Dispatcher, chain: [string, object?][]): Dispatcher {
  return dispatcher.compose(
    chain.map(([name, options]) => (interceptors[name] as Interceptors[string])(options)),
  ) as unknown as Dispatcher
}

/** Scenarios by interceptor. */
export const scenarios: Record<string, Scenario> = {
  async retry(interceptors, { origin, pool }) {
    const retrying = compose(interceptors, pool, [['retry', quick]])
    return {
      busy: await ask(retrying, '/busy'),
      closing: await ask(retrying, '/closing'),
      halves: await ask(compose(interceptors, pool, [['retry', resuming]]), '/halves'),
      notAgain: await ask(retrying, '/always-busy', { method: 'POST', body: 'once' }),
      never: await ask(compose(interceptors, pool, [['retry', { ...quick, maxRetries: 1 }]]), '/always-busy?2'),
      requested: origin.requested,
    }
  },
  async redirect(interceptors, { origin, other, pool, agent }) {
    const following = compose(interceptors, pool, [['redirect', { maxRedirections: 2 }]])
    const strict = compose(interceptors, pool, [['redirect', { maxRedirections: 1, throwOnMaxRedirect: true }]])
    const far = compose(interceptors, agent, [['redirect', { maxRedirections: 2 }]])
    const { context } = await following.request({ path: '/twice', method: 'GET' })
    const { history } = context as { history: URL[] }
    const away = (where: string) => `/any?away=${encodeURIComponent(`${where}/echo`)}`
    const secrets = { origin: origin.url, headers: { authorization: 'mine', cookie: 'mine', 'x-own': 'mine' } }
    return {
      history: history.map((url) => url.pathname),
      lookup: await ask(following, '/see-other', { method: 'PUT', body: 'sent' }),
      preserved: await ask(following, '/preserve', { method: 'PUT', body: 'sent' }),
      limit: await ask(compose(interceptors, pool, [['redirect', { maxRedirections: 1 }]]), '/twice'),
      strict: await ask(strict, '/twice'),
      home: await ask(far, away(origin.url), secrets),
      abroad: await ask(far, away(other.url), secrets),
      requested: origin.requested,
    }
  },
  async dump(interceptors, { origin, pool }) {
    const dumping = compose(interceptors, pool, [['dump', { maxSize: 5000 }]])
    return {
      whole: await ask(dumping, '/long'),
      again: await ask(dumping, '/plain'),
      connections: origin.connections,
      tooLong: await ask(dumping, '/long', { dumpMaxSize: 4999 }),
    }
  },
  async decompress(interceptors, { pool }) {
    const plain = compose(interceptors, pool, [['decompress']])
    return {
      gzip: await ask(plain, '/gzip'),
      br: await ask(plain, '/br'),
      both: await ask(plain, '/both'),
      corrupt: await ask(plain, '/corrupt'),
      limit: await ask(compose(interceptors, pool, [['decompress', { maxSize: 3 }]]), '/gzip'),
      fields: Object.keys((await plain.request({ path: '/gzip', method: 'GET' })).headers).filter((name) =>
        name.startsWith('content-'),
      ),
    }
  },
  async responseError(interceptors, { pool }) {
    const strict = compose(interceptors, pool, [['responseError']])
    const { body } = await strict.request({ path: '/refused', method: 'GET' }).catch((error) => error)
    return { refused: body, missing: await ask(strict, '/missing'), plain: await ask(strict, '/plain') }
  },
  async dns(interceptors, { origin, agent }) {
    let lookups = 0
    const lookup = (_origin: URL, _options: object, callback: (error: null, found: object[]) => void) => {
      lookups++
      callback(null, [{ address: '127.0.0.1', family: 4, ttl: 10_000 }])
    }
    const named = compose(interceptors, agent, [['dns', { lookup }]])
    const options = { origin: `http://nobody.test:${origin.port}` }
    return { first: await ask(named, '/plain', options), second: await ask(named, '/plain', options), lookups }
  },
  async chain(interceptors, { origin, pool }) {
    const inner = compose(interceptors, pool, [
      ['retry', quick],
      ['redirect', { maxRedirections: 3 }],
      ['decompress'],
      ['responseError'],
    ])
    const outer = compose(interceptors, pool, [['redirect', { maxRedirections: 3 }], ['retry', quick], ['dump']])
    return {
      inner: await ask(inner, '/moved-to-busy'),
      gzip: await ask(inner, '/gzip'),
      missing: await ask(inner, '/missing'),
      outer: await ask(outer, '/moved-to-busy?2'),
      requested: origin.requested,
    }
  },
  async streams(interceptors, { origin, pool }) {
    const all = compose(interceptors, pool, [
      ['retry', quick],
      ['redirect', { maxRedirections: 3 }],
      ['decompress'],
      ['responseError'],
    ])
    const { body } = await all.request({ path: '/large', method: 'GET', highWaterMark: 1000 })
    let size = 0
    for await (const chunk of body) size += (chunk as Buffer).length
    const abort = new AbortController()
    const endless = await all.request({ path: '/endless', method: 'GET', signal: abort.signal })
    const reading = async () => {
      for await (const _chunk of endless.body) abort.abort()
    }
    const upload = () => Readable.from(['piece ', 'by ', 'piece'])
    return {
      size,
      aborted: await reading().catch((error: Error) => error.name),
      uploaded: await ask(all, '/sink', { method: 'POST', body: upload() }),
      lookedUp: await ask(all, '/see-other', { method: 'PUT', body: upload() }),
      consumed: await ask(all, '/preserve', { method: 'POST', body: upload() }),
      requested: origin.requested,
    }
  },
}

/** Scenarios of interceptors that only undici has. */
export const borrowed: Record<string, Scenario> = {
  async cache(interceptors, { origin, pool }) {
    const caching = compose(interceptors, pool, [['cache']])
    const own = (value: string) => ({ headers: { 'x-own': value } })
    return {
      fresh: [await ask(caching, '/fresh'), await ask(caching, '/fresh')],
      stale: [await ask(caching, '/stale'), await ask(caching, '/stale')],
      unstored: [await ask(caching, '/unstored'), await ask(caching, '/unstored')],
      vary: [
        await ask(caching, '/vary', own('a')),
        await ask(caching, '/vary', own('b')),
        await ask(caching, '/vary', own('a')),
      ],
      requested: origin.requested,
    }
  },
  async deduplicate(interceptors, { origin, pool }) {
    const once = compose(interceptors, pool, [['deduplicate']])
    const answers = await Promise.all([ask(once, '/plain'), ask(once, '/plain'), ask(once, '/plain')])
    return { answers, requested: origin.requested }
  },
}

/** Runs a scenario in a new environment. */
export async function play(scenario: Scenario, interceptors: Interceptors, dispatchers: Dispatchers): Promise<unknown> {
  const [origin, other] = await Promise.all([workplace(), workplace()])
  const pool = new dispatchers.Pool(origin.url, { connections: 1 })
  const agent = new dispatchers.Agent()
  try {
    return await scenario(interceptors, { origin, other, pool, agent })
  } finally {
    await Promise.all([pool.destroy(), agent.destroy()])
    await Promise.all([origin.close(), other.close()])
  }
}
