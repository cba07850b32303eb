import { EventEmitter, getEventListeners, once, setMaxListeners } from 'node:events'
import { Duplex } from 'node:stream'
import { inspect } from 'node:util'
import t from 'tap'
import {
  Agent,
  BalancedPool,
  Client,
  Dispatcher,
  type DispatchInterceptor,
  EnvHttpProxyAgent,
  Pool,
  ProxyAgent,
  RetryAgent,
  RoundRobinPool,
} from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

const get = { path: '/', method: 'GET' }

const passing: DispatchInterceptor = (dispatch) => (options, handler) => dispatch(options, handler)

/** Names of the methods that the classes of this package add to those of an EventEmitter. */
function methodsOf(dispatcher: Dispatcher): string[] {
  const names = new Set<string>()
  for (let one: object = dispatcher; one !== EventEmitter.prototype; one = Object.getPrototypeOf(one)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(one))) {
      if (typeof value === 'function' && name !== 'constructor' && !name.startsWith('_')) names.add(name)
    }
  }
  return [...names]
}

const url = 'http://localhost:1'
const kinds: (() => Dispatcher & { readonly destroyed: boolean })[] = [
  () => new Client(url),
  () => new Pool(url),
  () => new RoundRobinPool(url),
  () => new BalancedPool(url),
  () => new Agent(),
  () => new ProxyAgent(url),
  () => new EnvHttpProxyAgent({ httpProxy: url }),
  () => new RetryAgent(new Pool(url)),
]

for (const make of kinds) {
  const { name } = make().constructor
  t.test(`a composed ${name} is a ${name}, with its methods and properties`, async (t) => {
    const base = make()
    const composed = base.compose(passing).compose(passing)
    t.ok(composed instanceof base.constructor)
    t.equal(composed.constructor, base.constructor)
    t.equal(inspect(composed), inspect(base))
    for (const method of ['on', 'once', 'emit', ...methodsOf(base)]) {
      // Without arguments most fail: of what they are called on they must not complain.
      const call = async () => {
        const result = (composed as unknown as Record<string, () => unknown>)[method]?.()
        await (result instanceof Duplex ? once(result, 'close') : result)
      }
      const error = await call().then(
        () => null,
        (error) => error,
      )
      t.notMatch(error, { message: /private/ }, method)
    }
    for (const property of ['stats', 'closed', 'destroyed', 'pipelining', 'upstreams'])
      t.strictSame(composed[property as never], base[property as never], property)
    t.equal(composed.destroyed, true)
    t.equal(base.destroyed, true)
  })
}

t.test('methods that return their dispatcher return the composed one, and setters reach its base', async (t) => {
  const balanced = new BalancedPool()
  const composed = balanced.compose(passing).compose(passing)
  t.equal(composed.addUpstream(url).addUpstream('http://localhost:2').removeUpstream(url), composed)
  t.strictSame(balanced.upstreams, ['http://localhost:2'])
  t.type(composed.getUpstream('http://localhost:2'), Pool)
  const client = new Client(url)
  client.compose(passing).pipelining = 7
  t.equal(client.pipelining, 7)
  await Promise.all([composed.close(), client.close()])
})

t.test('requests of methods of a subclass pass the interceptors', async (t) => {
  const origin = await httpOrigin((request, reply) => void reply.end(request.headers['x-by'] ?? 'nobody'))
  class Mine extends Pool {
    label = 'mine'
    async ask() {
      const { body } = await this.request(get)
      return `${this.label} ${await body.text()}`
    }
    override async close() {
      this.label = 'closed'
      await super.close()
    }
  }
  const base = new Mine(origin.url)
  const composed = base.compose((dispatch) => (options, handler) => {
    return dispatch({ ...options, headers: { 'x-by': 'interceptor' } }, handler)
  })
  t.equal(await composed.ask(), 'mine interceptor')
  t.equal(await base.ask(), 'mine nobody')
  const { dispatch } = composed
  t.equal(composed.dispatch, dispatch)
  const calls: unknown[] = []
  composed.dispatch = (options, handler) => {
    calls.push(options.path)
    return dispatch(options, handler)
  }
  t.equal(await composed.ask(), 'mine interceptor')
  t.strictSame(calls, ['/'], 'a replaced dispatch method is called')
  await composed.close()
  t.equal(base.label, 'closed')
  t.equal(base.closed, true)
  await origin.close()
})

t.test('listeners of a composed dispatcher are called in order and are listed', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('ok'))
  const client = new Client(origin.url)
  const composed = client.compose((dispatch) => dispatch).compose((dispatch) => dispatch)
  const calls: string[] = []
  const listener = () => void calls.push('listener')
  t.equal(composed.on('connect', listener), composed)
  t.equal(
    composed.once('connect', () => void calls.push('once')),
    composed,
  )
  t.equal(
    composed.prependListener('connect', () => void calls.push('first')),
    composed,
  )
  t.equal(
    composed.prependOnceListener('connect', () => void calls.push('first, once')),
    composed,
  )
  t.strictSame((composed as EventEmitter).eventNames(), ['connect'])
  t.equal(composed.listeners('connect').length, 4)
  t.equal(composed.rawListeners('connect').length, 4)
  t.equal((composed as EventEmitter).listenerCount('connect'), 4)
  t.equal((composed as EventEmitter).listenerCount('connect', listener), 1)
  t.equal(getEventListeners(composed, 'connect').length, 4)
  const connected = once(composed, 'connect')
  await (await composed.request(get)).body.dump()
  t.equal(((await connected) as [URL])[0].origin, origin.url)
  t.strictSame(calls, ['first, once', 'first', 'listener', 'once'])
  t.equal(composed.listeners('connect').length, 2)
  t.equal((composed as EventEmitter).removeAllListeners('connect'), composed)
  t.equal(client.listenerCount('connect'), 0)
  client.on('drain', listener)
  ;(composed as EventEmitter).removeAllListeners()
  t.equal(client.listenerCount('drain'), 0)
  t.equal((composed as EventEmitter).setMaxListeners(3), composed)
  t.equal(client.getMaxListeners(), 3)
  setMaxListeners(4, composed)
  t.equal((composed as EventEmitter).getMaxListeners(), 4)
  const name = Symbol('event')
  let emitted = 0
  ;(composed as EventEmitter).on(name, () => emitted++)
  t.equal((client as EventEmitter).emit(name), true)
  t.equal(emitted, 1)
  await client.close()
  await origin.close()
})

t.test('composing a dispatcher of the caller forwards its events', async (t) => {
  class Own extends Dispatcher {
    override dispatch(): boolean {
      return true
    }
  }
  const own = new Own()
  const composed = own.compose((dispatch) => dispatch)
  let drains = 0
  composed.prependListener('drain', () => drains++)
  own.emit('drain', new URL('http://localhost'))
  t.equal(drains, 1)
})

for (const Kind of [Client, Pool, RoundRobinPool, BalancedPool, Agent]) {
  t.test(`an exception of a getter of options fails a request over a composed ${Kind.name}`, async (t) => {
    const base = Kind === Agent ? new Agent() : new (Kind as typeof Client)('http://localhost')
    const dispatcher = base.compose((dispatch) => dispatch)
    for (const name of ['origin', 'timings', 'timeouts', 'body', 'path']) {
      const options = { origin: 'http://localhost', path: '/', method: 'GET' }
      const get = () => {
        throw new Error(`thrown by ${name}`)
      }
      Object.defineProperty(options, name, { get, enumerable: true })
      const errors: Error[] = []
      const handler = { onResponseError: (_controller: unknown, error: Error) => void errors.push(error) }
      t.doesNotThrow(() => dispatcher.dispatch(options as never, handler as never), name)
      t.match(errors, [{ message: `thrown by ${name}` }])
    }
    await dispatcher.close()
  })
}
