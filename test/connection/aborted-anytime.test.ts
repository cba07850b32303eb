import t from 'tap'
import { Agent, BalancedPool, Client, type Dispatcher, Pool, RoundRobinPool } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

const one = { connections: 1 }

/** Dispatchers with one connection each. */
const dispatchers: Record<string, (url: string) => Dispatcher> = {
  Client: (url) => new Client(url),
  Pool: (url) => new Pool(url, one),
  RoundRobinPool: (url) => new RoundRobinPool(url, one),
  BalancedPool: (url) => new BalancedPool([url], one),
  Agent: () => new Agent(one),
  'Pool with a factory': (url) => new Pool(url, { ...one, factory: (origin) => new Client(origin) }),
  'composed Pool': (url) => new Pool(url, one).compose((dispatch) => (options, handler) => dispatch(options, handler)),
}

type Abort = (reason: Error) => void

/** A request that can be aborted at any time, even before its handler has a controller. */
class Given {
  #abort: Abort | null = null
  #givenUp = false
  readonly #atOnce: boolean
  readonly ended: Promise<void>
  #end: () => void = () => {}

  /** `atOnce`: the request is aborted in the first callback of its handler. */
  constructor(atOnce: boolean) {
    this.#atOnce = atOnce
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  started(abort: Abort): void {
    this.#abort = abort
    if (this.#atOnce || this.#givenUp) this.abort()
  }

  abort(): void {
    this.#givenUp = true
    this.#abort?.(new Error('aborted'))
  }

  over(): void {
    this.#end()
  }
}

/** Creates the handler of a request, current or legacy. */
const generations: Record<string, (given: Given) => object> = {
  'with new callbacks': (given) => ({
    onRequestStart: (controller: { abort: Abort }) => given.started((reason) => controller.abort(reason)),
    onResponseStart() {},
    onResponseData() {},
    onResponseEnd: () => given.over(),
    onResponseError: () => given.over(),
  }),
  'with older callbacks': (given) => ({
    onConnect: (abort: Abort) => given.started(abort),
    onHeaders: () => true,
    onData: () => true,
    onComplete: () => given.over(),
    onError: () => given.over(),
  }),
}

/** Points in time after a dispatch. */
const times: Record<string, () => Promise<unknown> | null> = {
  'in the same turn': () => null,
  'a microtask later': () => Promise.resolve(),
  'a tick later': () => new Promise<void>(process.nextTick),
  'a turn later': () => new Promise(setImmediate),
  'three turns later': async () => {
    for (let i = 0; i < 3; i++) await new Promise(setImmediate)
  },
}

/** Returns the responses of three further requests. The last one is queued behind the others. */
async function answers(dispatcher: Dispatcher, origin: string): Promise<string[]> {
  const bodies = [1, 2, 3].map(async () => {
    const { body } = await dispatcher.request({ origin, path: '/', method: 'GET' } as never)
    return body.text()
  })
  return Promise.all(bodies)
}

for (const [name, make] of Object.entries(dispatchers)) {
  for (const [generation, handlerOf] of Object.entries(generations)) {
    t.test(`a ${name} sends further requests after a request ${generation} was aborted at any time`, async (t) => {
      const origin = await httpOrigin((_request, reply) => void reply.end('ok'))
      for (const warm of [false, true]) {
        for (const [time, pass] of [...Object.entries(times), ['in its first callback', null] as const]) {
          const dispatcher = make(origin.url)
          if (warm)
            await (await dispatcher.request({ origin: origin.url, path: '/', method: 'GET' } as never)).body.text()
          const given = new Given(pass === null)
          dispatcher.dispatch({ origin: origin.url, path: '/', method: 'GET' }, handlerOf(given) as never)
          if (pass !== null) {
            await pass()
            given.abort()
          }
          await given.ended
          const when = `${time}, ${warm ? 'connected' : 'not connected'}`
          t.strictSame(await answers(dispatcher, origin.url), ['ok', 'ok', 'ok'], when)
          await dispatcher.close()
        }
      }
      await origin.close()
    })
  }
}
