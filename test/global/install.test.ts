import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { Agent, getGlobalDispatcher, install, Pool, setGlobalDispatcher, uninstall } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

t.test("the runtime's fetch sends through ours, and through its own again", async (t) => {
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
  t.equal(own.stats.connected, 1, 'a dispatcher of the call goes first')
  const second = new Agent()
  install()
  setGlobalDispatcher(second)
  await (await fetch(origin.url)).text()
  t.equal(getGlobalDispatcher(), second)
  t.match(second.stats[key], { connected: 1 })
  uninstall()
  t.equal(origin.connections, 3)
  await (await fetch(origin.url)).text()
  t.equal(origin.connections, 4, "the runtime's own")
  await Promise.all([agent.close(), second.close(), own.close()])
  await origin.close()
})

t.test('arguments that are none', async (t) => {
  t.throws(() => install({} as never), { code: 'UND_ERR_INVALID_ARG' })
  t.throws(() => install(null as never), { code: 'UND_ERR_INVALID_ARG' })
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
    return agent.compose((dispatch) => (options, handler) => {
      const headers = { ...(options.headers as Record<string, string>), 'x-via': name }
      return dispatch({ ...options, headers }, handler)
    })
  }
  const via = async () => (await fetch(origin.url)).text()
  const hooks = ['undici.globalDispatcher.1', 'undici.globalDispatcher.2'].map(Symbol.for)
  const global = globalThis as unknown as Record<symbol, unknown>

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
