import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import {
  Agent,
  Dispatcher,
  getGlobalDispatcher,
  install,
  Pool,
  request,
  setGlobalDispatcher,
  uninstall,
} from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

t.test('the built-in fetch uses the installed dispatcher, and its own again after uninstall()', async (t) => {
  const origin = await httpOrigin((request, reply) => void request.pipe(reply))
  const agent = new Agent()
  t.teardown(uninstall)
  uninstall()
  const captured = fetch
  install(agent)
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('hello'))
      controller.close()
    },
  })
  const reply = await captured(origin.url, { method: 'POST', body, duplex: 'half' })
  t.equal(await reply.text(), 'hello')
  const { origin: key } = new URL(origin.url)
  t.match(agent.stats[key], { connected: 1, running: 0 })
  for (let i = 0; i < 10; i++) await (await fetch(origin.url)).text()
  t.equal(origin.connections, 1, 'kept alive')
  const own = new Pool(origin.url)
  await (await fetch(origin.url, { dispatcher: own as never })).text()
  t.equal(own.stats.connected, 1, 'the dispatcher option takes precedence')
  const second = new Agent()
  install()
  t.teardown(() => getGlobalDispatcher().destroy())
  await (await fetch(origin.url)).text()
  t.match(getGlobalDispatcher(), { stats: { [key]: { connected: 1 } } })
  install(second)
  await (await fetch(origin.url)).text()
  t.match(second.stats[key], { connected: 1 })
  uninstall()
  t.equal(origin.connections, 4)
  await (await fetch(origin.url)).text()
  t.equal(origin.connections, 5, "the runtime's own")
  await Promise.all([agent.close(), second.close(), own.close()])
  await origin.close()
})

t.test('install() rejects invalid arguments', async (t) => {
  t.throws(() => install({} as never), { code: 'UND_ERR_INVALID_ARG' })
  t.throws(() => install(null as never), { code: 'UND_ERR_INVALID_ARG' })
})

const hooks = ['undici.globalDispatcher.1', 'undici.globalDispatcher.2'].map(Symbol.for)
const global = globalThis as unknown as Record<symbol, unknown>

// Reading Headers loads the implementation of fetch.
const runtime = Headers === undefined ? [] : hooks.map((hook) => global[hook])

function release(): void {
  uninstall()
  for (const [index, hook] of hooks.entries()) global[hook] = runtime[index]
}

/** What names itself in a header, and nothing else. */
function naming(dispatcher: Dispatcher, name: string): Dispatcher {
  return dispatcher.compose((dispatch) => (options, handler) => {
    const headers = { ...(options.headers as Record<string, string>), 'x-via': name }
    return dispatch({ ...options, headers }, handler)
  })
}

/** Takes handlers of the newer generation only, as dispatchers of undici 8 do. */
class Strict extends Dispatcher {
  readonly #agent: Agent
  constructor(agent: Agent) {
    super()
    this.#agent = agent
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (typeof handler.onResponseError !== 'function') throw new TypeError('onResponseError must be a function')
    const headers = { ...(options.headers as Record<string, string>), 'x-via': 'another library' }
    return this.#agent.dispatch({ ...options, headers }, handler)
  }
}

t.test("setGlobalDispatcher() reaches the runtime's fetch, and uninstall() leaves it there", async (t) => {
  const origin = await httpOrigin((request, reply) => void reply.end(request.headers['x-via'] ?? 'nobody'))
  const agent = new Agent()
  t.teardown(release)
  const before = getGlobalDispatcher()
  t.teardown(() => before.destroy())
  const via = async () => [await (await fetch(origin.url)).text(), await (await request(origin.url)).body.text()]
  const [first, second, third] = ['first', 'second', 'third'].map((name) => naming(agent, name)) as [
    Dispatcher,
    Dispatcher,
    Dispatcher,
  ]
  setGlobalDispatcher(first)
  t.strictSame(await via(), ['first', 'first'])
  t.equal(global[hooks[1] as symbol], first)
  uninstall()
  t.strictSame(await via(), ['first', 'first'], 'nothing was installed')
  install(second)
  t.strictSame(await via(), ['second', 'first'])
  uninstall()
  t.strictSame(await via(), ['first', 'first'])
  install(second)
  setGlobalDispatcher(third)
  t.strictSame(await via(), ['third', 'third'], 'the last call takes effect')
  uninstall()
  t.strictSame(await via(), ['third', 'third'], 'uninstall() keeps a dispatcher that was set after install()')
  install(third)
  setGlobalDispatcher(third)
  uninstall()
  t.strictSame(await via(), ['third', 'third'], 'also if it was installed before')
  for (const foreign of [new Strict(agent), new Strict(agent).compose((dispatch) => dispatch)]) {
    setGlobalDispatcher(foreign)
    t.strictSame(await via(), ['another library', 'another library'])
    setGlobalDispatcher(first)
    install(foreign)
    t.strictSame(await via(), ['another library', 'first'])
    uninstall()
    t.strictSame(await via(), ['first', 'first'])
    setGlobalDispatcher(foreign)
    install()
    t.strictSame(await via(), ['another library', 'another library'], 'followed')
    uninstall()
  }
  setGlobalDispatcher(before)
  await agent.close()
  await origin.close()
})

t.test('uninstall() restores only what is still installed, with two copies of the package', async (t) => {
  const origin = await httpOrigin((request, reply) => void reply.end(request.headers['x-via'] ?? 'the runtime'))
  const directory = t.testdir()
  cpSync(fileURLToPath(new URL('../../lib', import.meta.url)), directory, { recursive: true })
  const other = (await import(join(directory, 'index.js'))) as { install: typeof install; uninstall: typeof uninstall }
  const agents: Agent[] = []
  const named = (name: string) => {
    const agent = new Agent()
    agents.push(agent)
    return naming(agent, name)
  }
  const via = async () => (await fetch(origin.url)).text()
  install(named('first'))
  other.install(named('second'))
  uninstall()
  t.equal(await via(), 'second', 'the one installed later stays')
  other.uninstall()
  t.equal(await via(), 'the runtime', 'the one uninstalled before is not restored')

  install(named('first'))
  other.install(named('second'))
  other.uninstall()
  t.equal(await via(), 'first')
  uninstall()
  t.equal(await via(), 'the runtime')

  for (const order of [[uninstall, other.uninstall] as const, [other.uninstall, uninstall] as const]) {
    install(named('first'))
    other.install(named('second'))
    install(named('third'))
    order[0]()
    t.equal(await via(), order[0] === uninstall ? 'second' : 'third')
    order[1]()
    t.equal(await via(), 'the runtime', 'one that a later call replaced is not restored')
  }

  install(named('mine'))
  const set = named('set later')
  for (const hook of hooks) global[hook] = set
  uninstall()
  t.equal(await via(), 'set later', 'a dispatcher that another library set stays')
  install(named('over it'))
  t.equal(await via(), 'over it')
  uninstall()
  t.equal(await via(), 'set later')
  for (const hook of hooks) global[hook] = undefined
  await Promise.all(agents.map((agent) => agent.close()))
  await origin.close()
})
