import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import {
  Agent,
  BalancedPool,
  Client,
  DecoratorHandler,
  Dispatcher,
  EnvHttpProxyAgent,
  interceptors,
  Pool,
  ProxyAgent,
  RetryAgent,
  RoundRobinPool,
} from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

const get = { path: '/', method: 'GET' }
const methods = [
  'toString',
  'dispatch',
  'close',
  'destroy',
  'request',
  'stream',
  'pipeline',
  'connect',
  'upgrade',
  'compose',
]
const state = [...methods, 'closed', 'destroyed', 'inspect']
const handler = ['Queued', 'Start', 'Upgrade', 'Sent'].map((name) => `onRequest${name}`)
const callbacks = [
  ...handler,
  'onBodySent',
  ...['Started', 'Start', 'Data', 'End', 'Error'].map((n) => `onResponse${n}`),
]

const documented: [name: string, made: object, names: string[]][] = [
  ['Dispatcher', new Dispatcher(), methods],
  ['Client', new Client('http://a'), [...state, 'stats', 'pipelining', 'warm', 'closeIdle']],
  ['Pool', new Pool('http://a'), [...state, 'stats', 'warm', 'closeIdle']],
  ['RoundRobinPool', new RoundRobinPool('http://a'), [...state, 'stats', 'warm', 'closeIdle']],
  [
    'BalancedPool',
    new BalancedPool('http://a'),
    [...state, 'stats', 'closeIdle', 'upstreams', 'addUpstream', 'removeUpstream', 'getUpstream'],
  ],
  ['Agent', new Agent(), [...state, 'stats', 'closeIdle']],
  ['ProxyAgent', new ProxyAgent('http://a'), [...state, 'stats', 'closeIdle']],
  ['EnvHttpProxyAgent', new EnvHttpProxyAgent(), [...state, 'stats', 'closeIdle']],
  ['RetryAgent', new RetryAgent(new Client('http://a')), [...state, 'stats', 'closeIdle']],
  ['a composed Client', new Client('http://a').compose([]), [...state, 'stats', 'pipelining', 'warm', 'closeIdle']],
  ['DecoratorHandler', new DecoratorHandler({ onResponseError() {} }), callbacks],
]

/** Names of its own and of its prototypes, without what every object or emitter has. */
function namesOf(made: object): string[] {
  const names = new Set<string>()
  const general = new Set<string>()
  for (let one = made; one !== null; one = Object.getPrototypeOf(one)) {
    const known = one.constructor === Object || one.constructor?.name === 'EventEmitter'
    for (const name of Object.getOwnPropertyNames(one)) (known ? general : names).add(name)
  }
  return [...names].filter((name) => name !== 'constructor' && !general.has(name) && !name.startsWith('_'))
}

for (const [name, made, wanted] of documented) {
  t.test(`${name} has documented names only`, async (t) => {
    const unknown = namesOf(made).filter((one) => !wanted.includes(one))
    t.strictSame(unknown, [])
    if (made instanceof Dispatcher && name !== 'Dispatcher') await made.destroy()
  }).catch(t.threw)
}

/** Every word in the sources of dispatchers that a subclass could use as a name of its own. */
function words(): string[] {
  const lib = fileURLToPath(new URL('../../../lib', import.meta.url))
  const files = ['dispatcher', 'proxy', 'exchange', 'connection', 'api'].flatMap((folder) =>
    readdirSync(`${lib}/${folder}`).map((file) => `${lib}/${folder}/${file}`),
  )
  const found = new Set(files.flatMap((file) => readFileSync(file, 'utf8').match(/\b[a-z][a-zA-Z]+\b/g) ?? []))
  // Resolving a promise with an object reads its `then`.
  const taken = new Set(['then', ...namesOf(new EnvHttpProxyAgent()), ...documented.flatMap(([, , names]) => names)])
  const emitter = new Dispatcher()
  return [...found].filter((word) => !taken.has(word) && !(word in emitter))
}

/** A subclass that has all of `names`, and writes down which of them are used. */
function subclassOf<Base extends new (...values: never[]) => object>(base: Base, names: string[], used: Set<string>) {
  // biome-ignore lint/suspicious/noExplicitAny: a mixin takes any arguments
  const Subclass = class extends (base as any) {} as unknown as Base
  for (const name of names) {
    Object.defineProperty(Subclass.prototype, name, {
      configurable: true,
      get() {
        used.add(name)
        return () => {
          throw new Error(`${name} was called`)
        }
      },
    })
  }
  return Subclass
}

const names = words()
type Sender = Dispatcher & { inspect?(): string }
type Sub = <Base extends new (...values: never[]) => object>(base: Base) => Base
const kinds: Record<string, (url: string, sub: Sub) => Sender> = {
  Client: (url, sub) => new (sub(Client))(url),
  Pool: (url, sub) => new (sub(Pool))(url, { connections: 1 }),
  'Pool with a factory': (url, sub) => new Pool(url, { factory: (origin, opts) => new (sub(Client))(origin, opts) }),
  RoundRobinPool: (url, sub) => new (sub(RoundRobinPool))(url, { connections: 2 }),
  BalancedPool: (url, sub) =>
    new (sub(BalancedPool))(url, { factory: (origin, opts) => new (sub(Pool))(origin, opts) }),
  Agent: (_url, sub) => new (sub(Agent))({ factory: (origin, opts) => new (sub(Pool))(origin, opts) }),
  'Agent with a budget': (_url, sub) =>
    new (sub(Agent))({ maxTotalConnections: 1, factory: (origin, opts) => new (sub(Pool))(origin, opts) }),
  EnvHttpProxyAgent: (_url, sub) => new (sub(EnvHttpProxyAgent))({ httpProxy: '', httpsProxy: '' }),
  ProxyAgent: (url, sub) => new (sub(ProxyAgent))({ uri: url, proxyTunnel: false }),
  RetryAgent: (url, sub) => new (sub(RetryAgent))(new (sub(Client))(url)),
}

for (const [kind, make] of Object.entries(kinds)) {
  t.test(`a subclass of ${kind} may use any undocumented name`, async (t) => {
    const origin = await httpOrigin((request, reply) => {
      if (request.url !== '/never') reply.end('ok')
    })
    const used = new Set<string>()
    const dispatcher = make(origin.url, (base) => subclassOf(base, names, used))
    dispatcher.on('drain', () => {})
    const ask = { ...get, origin: origin.url }
    const answers = [1, 2, 3].map(() => dispatcher.request(ask).then(({ body }) => body.text()))
    t.strictSame(await Promise.all(answers), ['ok', 'ok', 'ok'])
    const composed = dispatcher.compose(interceptors.redirect({ maxRedirections: 1 }))
    t.equal(await (await composed.request(ask)).body.text(), 'ok')
    t.type(dispatcher.inspect?.(), 'string')
    const failed = dispatcher.request({ ...ask, path: '/never' }).catch((error) => error.code)
    await new Promise((resolve) => setImmediate(resolve))
    await dispatcher.destroy()
    t.equal(await failed, 'UND_ERR_DESTROYED')
    const closed = make(origin.url, (base) => subclassOf(base, names, used))
    await (await closed.request(ask)).body.dump()
    await closed.close()
    t.strictSame([...used], [])
    await origin.close()
  }).catch(t.threw)
}
