import { PassThrough } from 'node:stream'
import t from 'tap'
import { Agent, BalancedPool, Client, type Dispatcher, interceptors, Pool } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

async function server() {
  return httpOrigin((request, response) => {
    if (request.url === '/part') response.write('part')
  })
}

// The stack first: Node composes it of the name and the message when it is defined anew.
const READ = ['stack', 'name', 'message', 'cause', 'code', 'syscall', 'fault', 'headers', 'statusCode']

const unreadable: Record<string, () => unknown> = {
  'an Error with getters that throw': () => {
    const get = () => {
      throw new Error('read')
    }
    return Object.defineProperties(new Error('mine'), Object.fromEntries(READ.map((name) => [name, { get }])))
  },
  'a revoked Proxy': () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    return proxy
  },
}

const reasons: Record<string, () => unknown> = {
  ...unreadable,
  'a string': () => 'user left',
  'a Symbol': () => Symbol('left'),
  'an object without a prototype': () => Object.create(null),
}

const kinds: Record<string, (url: string) => Dispatcher> = {
  Client: (url) => new Client(url),
  Pool: (url) => new Pool(url),
  BalancedPool: (url) => new BalancedPool([url]),
  Agent: () => new Agent(),
  'a composed Client': (url) => new Client(url).compose(interceptors.retry(), interceptors.redirect()),
  'an Agent with composed pools': () =>
    new Agent({ factory: (url, options) => new Pool(url, options).compose(interceptors.retry()) }),
  'a hedging Pool': (url) => new Pool(url).compose(interceptors.hedge({ delay: 10_000 })),
  // As a dispatcher of another library may, it reports an error of its own for an abort.
  'a Client whose interceptor wraps errors': (url) =>
    new Client(url).compose((dispatch) => (options, handler) => {
      const onResponseError = (controller: never) => handler.onResponseError?.(controller, new Error('wrapped'))
      return dispatch(
        options,
        new Proxy(handler, { get: (of, key) => (key === 'onResponseError' ? onResponseError : bound(of, key)) }),
      )
    }),
}

function bound(object: object, key: PropertyKey): unknown {
  const value = Reflect.get(object, key, object)
  return typeof value === 'function' ? value.bind(object) : value
}

for (const [kind, create] of Object.entries(kinds)) {
  for (const [name, reasonOf] of Object.entries(reasons)) {
    t.test(`${kind}: a request that is aborted with ${name} settles with it`, async (t) => {
      const origin = await server()
      const dispatcher = create(origin.url)
      const reason = reasonOf()
      const rejected = async (path: string, use: (options: never, abort: () => void) => Promise<unknown>) => {
        const controller = new AbortController()
        const abort = () => void setImmediate(() => controller.abort(reason))
        const options = { origin: origin.url, path, method: 'GET', signal: controller.signal }
        const pending = use(options as never, abort)
        if (path === '/never') abort()
        // In an array: a promise can not be fulfilled with a revoked Proxy.
        return pending.then(
          () => ['it did not fail'],
          (error) => [error],
        )
      }
      for (const path of ['/never', '/part']) {
        const [requested] = await rejected(path, async (options, abort) => {
          const { body } = await dispatcher.request(options)
          abort()
          return body.text()
        })
        t.ok(requested === reason, `${path}: request()`)
        const [streamed] = await rejected(path, (options, abort) =>
          dispatcher.stream(options, () => {
            abort()
            return new PassThrough().resume()
          }),
        )
        t.ok(streamed === reason, `${path}: stream()`)
        const [piped] = await rejected(path, (options, abort) => {
          const answer = ({ body }: Dispatcher.PipelineHandlerData) => {
            abort()
            return body
          }
          return new Promise((_resolve, reject) => {
            dispatcher.pipeline(options, answer).on('error', reject).resume().end()
          })
        })
        // Node reads the stack of an error that a stream is destroyed with.
        t.ok((name in unreadable ? (piped as Error).cause : piped) === reason, `${path}: pipeline()`)
      }
      await dispatcher.close()
      await origin.close()
    })
  }
}
