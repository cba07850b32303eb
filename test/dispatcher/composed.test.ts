import { EventEmitter, getEventListeners, once, setMaxListeners } from 'node:events'
import t from 'tap'
import { Agent, BalancedPool, Client, Dispatcher, Pool, RoundRobinPool } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

const get = { path: '/', method: 'GET' }

t.test('every method of an EventEmitter acts on the base of a composed dispatcher', async (t) => {
  const composed = new Client('http://localhost').compose((dispatch) => dispatch)
  const methods = Object.getOwnPropertyNames(EventEmitter.prototype).filter(
    (name) => !name.startsWith('_') && name !== 'constructor' && typeof composed[name as never] === 'function',
  )
  t.ok(methods.length >= 15)
  for (const name of methods) t.ok(Object.hasOwn(Object.getPrototypeOf(composed), name), name)
})

t.test('listeners added to a composed dispatcher are called in their order, and can be looked at', async (t) => {
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

t.test('a dispatcher of the caller is composed with its events', async (t) => {
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
  t.test(`what a getter of the options throws fails a request over a composed ${Kind.name}`, async (t) => {
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
