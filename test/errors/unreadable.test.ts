import { Readable } from 'node:stream'
import t from 'tap'
import { messageOf } from '../../lib/errors/safe-read.js'
import {
  Agent,
  BalancedPool,
  Client,
  Dispatcher,
  type DispatchHandler,
  discover,
  dnsUpstreams,
  errors,
  interceptors,
  ProxyAgent,
} from '../../lib/index.js'

const get = () => {
  throw new Error('read')
}

/** What a dispatcher of another library, a resolver or a connector may fail with. */
const failures: Record<string, unknown> = {
  'an Error with getters that throw': Object.defineProperties(
    new Error('mine'),
    Object.fromEntries(
      ['stack', 'name', 'message', 'cause', 'code', 'syscall', 'phase'].map((name) => [name, { get }]),
    ),
  ),
  'a revoked Proxy': revoked(),
  'a string': 'text',
  'a Symbol': Symbol('mine'),
  'an object without a prototype': Object.create(null),
}

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

/** A dispatcher of another library: it hands each request to a connection, and fails it. */
class Failing extends Dispatcher {
  readonly #failure: unknown

  constructor(failure: unknown) {
    super()
    this.#failure = failure
  }

  override dispatch(_options: unknown, handler: DispatchHandler): boolean {
    const controller = { aborted: false, paused: false, reason: null, abort() {}, pause() {}, resume() {} } as never
    handler.onRequestStart?.(controller, {})
    setImmediate(() => handler.onResponseError?.(controller, this.#failure as Error))
    return true
  }

  override async close(): Promise<void> {}
  override async destroy(): Promise<void> {}
}

/** What `promise` rejects with, in an array: a promise can not be fulfilled with a revoked Proxy. */
const rejection = (promise: Promise<unknown>) =>
  promise.then(
    () => ['it did not fail'],
    (error: unknown) => [error],
  )

for (const [kind, failure] of Object.entries(failures)) {
  t.test(`${kind} is an instance of no error class`, async (t) => {
    for (const [name, Class] of Object.entries(errors)) {
      t.equal(Function.prototype.call.call(Class[Symbol.hasInstance], Class, failure), false, name)
    }
  })

  t.test(`a request over a dispatcher that fails with ${kind} fails with it through interceptors`, async (t) => {
    const chains = {
      retry: interceptors.retry({ maxRetries: 1 }),
      redirect: interceptors.redirect({ maxRedirections: 1 }),
      dns: interceptors.dns({
        lookup: (_url, _options, callback) => callback(null, [{ address: '::1', family: 6, ttl: 1 }]),
      }),
      hedge: interceptors.hedge({ delay: 60_000 }),
      decompress: interceptors.decompress(),
    }
    for (const [name, interceptor] of Object.entries(chains)) {
      const request = { origin: 'http://localhost:1', path: '/', method: 'GET' }
      const [error] = await rejection(new Failing(failure).compose(interceptor).request(request))
      t.ok(Object.is(error, failure), name)
    }
  })

  t.test(`a tunnel that a dispatcher refuses with ${kind} fails the request`, async (t) => {
    const proxied = new ProxyAgent({ uri: 'http://localhost:1', clientFactory: () => new Failing(failure) })
    const request = { origin: 'https://localhost:2', path: '/', method: 'GET' }
    const [error] = (await rejection(proxied.request(request))) as [Error]
    t.match(error, { code: 'UND_ERR_PRX_CONN', origin: 'https://localhost:2' })
    t.ok(Object.is(error.cause, failure), 'cause')
    t.ok(error.message.endsWith(messageOf(failure)), error.message)
    await proxied.destroy()
  })

  t.test(`a TLS proxy whose connector fails with ${kind} fails the request`, async (t) => {
    const proxied = new ProxyAgent({
      uri: 'https://localhost:1',
      proxyTls: { checkServerIdentity: () => failure as Error },
      connect: ((_target: unknown, callback: (error: Error, socket: null) => void) =>
        callback(failure as Error, null)) as never,
    })
    for (const origin of ['https://localhost:2', 'http://localhost:2']) {
      const [error] = await rejection(proxied.request({ origin, path: '/', method: 'GET' }))
      t.not(error, 'it did not fail', origin)
    }
    await proxied.destroy()
  })

  t.test(`a resolver that rejects with ${kind} is reported`, async (t) => {
    const fails = async () => {
      throw failure
    }
    const resolver = { resolve4: fails, resolve6: fails, resolveSrv: fails }
    const reported: unknown[] = []
    const pool = new BalancedPool([])
    const source = dnsUpstreams('http://localhost:1', { resolver: resolver as never })
    await new Promise<void>((resolve) => {
      discover(pool, source, (error) => {
        reported.push(error)
        resolve()
      }).ready.catch(() => {})
    })
    t.ok(reported.some((error) => Object.is(error, failure)))
    await pool.destroy()
  })

  t.test(`a connector that calls back with ${kind} fails its requests`, async (t) => {
    const connect = ((_target: unknown, callback: (error: Error, socket: null) => void) =>
      callback(failure as Error, null)) as never
    for (const dispatcher of [new Client('http://localhost:1', { connect }), new Agent({ connect })]) {
      const [error] = await rejection(
        dispatcher.request({ origin: 'http://localhost:1', path: '/', method: 'GET' } as never),
      )
      t.not(error, 'it did not fail')
      await dispatcher.destroy()
    }
  })
}

t.test('destroy() with an error whose properties throw fails requests that wait in an interceptor', async (t) => {
  const error = Object.defineProperty(new errors.ClientDestroyedError(), 'message', { get })
  const client = new Client('http://localhost:1')
  let note = () => {}
  const begun = new Promise<void>((resolve) => {
    note = resolve
  })
  const waiting = client.compose(interceptors.retry({ retry: () => note() }))
  const request = rejection(waiting.request({ path: '/', method: 'GET' }))
  await begun
  await client.destroy(error)
  t.match((await request)[0], { code: 'UND_ERR_DESTROYED', path: '/' })
})

// What can not be read at all, Node's own sockets can not report.
for (const failure of ['text', Symbol('mine'), { code: 5 }, Object.create(null)]) {
  t.test(`a lookup that calls back with a ${typeof failure} fails its request`, async (t) => {
    const lookup = (_host: string, _options: unknown, callback: (error: unknown) => void) =>
      void setImmediate(callback, failure)
    const client = new Client('http://localhost:1', { connect: { lookup: lookup as never } })
    const [error] = await rejection(client.request({ path: '/', method: 'GET' }))
    t.not(error, 'it did not fail')
    await client.destroy()
  })
}

t.test(
  'a body that can not be sent again is reported although the message of the failure can not be read',
  async (t) => {
    const failure = Object.defineProperty(Object.assign(new Error(), { code: 'ECONNRESET' }), 'message', { get })
    const retrying = new Failing(failure).compose(interceptors.retry({ methods: ['PUT'] }))
    const request = { origin: 'http://localhost:1', path: '/', method: 'PUT', body: Readable.from(['text']) }
    const [error] = (await rejection(retrying.request(request))) as [Error]
    t.match(error, { code: 'UND_ERR_REQ_RETRY', message: /request body can be read only once$/ })
    t.equal(error.cause, failure)
  },
)

t.test('a request body whose destroy() throws is reported once, and its request fails', async (t) => {
  const body = Object.assign(new Readable({ read() {} }), {
    destroy() {
      throw new Error('destroyed')
    },
  })
  const uncaught = new Promise((resolve) => process.prependOnceListener('uncaughtException', resolve))
  const client = new Client('http://localhost:1')
  const [error] = await rejection(client.request({ path: '/', method: 'PUT', body }))
  t.match(error, { code: 'ECONNREFUSED', path: '/' })
  t.match(await uncaught, { message: 'destroyed' })
  await client.destroy()
})
