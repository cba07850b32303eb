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
