import { AsyncLocalStorage } from 'node:async_hooks'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { Agent, BalancedPool, Client, type Dispatcher, Pool, RoundRobinPool } from '../../lib/index.js'
import { httpOrigin, response } from '../servers/origin.js'
import { failureOf, KEEPING, report } from './scene.js'

const ok = response('ok')
const get = { path: '/', method: 'GET' } as const

/** Starts origins that respond with their own name. */
async function named(count: number) {
  const names = Array.from({ length: count }, (_, index) => `origin ${index}`)
  return Promise.all(names.map((name) => httpOrigin((_request, reply) => void reply.end(name))))
}

async function ask(dispatcher: Dispatcher, origin?: string): Promise<string> {
  const { body } = await dispatcher.request({ ...get, ...(origin === undefined ? {} : { origin }) } as never)
  return body.text()
}

report(
  'a hundred requests over one connection each get one response',
  { onRequest: (socket, head) => socket.write(response(/ \/(\d+) /.exec(head)?.[1] ?? '')), ways: KEEPING },
  async (t, { ask, name, origin }) => {
    const paths = Array.from({ length: 100 }, (_, index) => String(index))
    const answers = await Promise.all(paths.map(async (path) => (await ask({ path: `/${path}` })).text))
    t.strictSame(answers, paths, name)
    t.equal(origin.connections, 1, name)
  },
)

report(
  'pipelined requests get their responses in order',
  {
    onRequest: (socket, head) => socket.write(response(/ \/(\d+) /.exec(head)?.[1] ?? '')),
    options: { pipelining: 10 },
    ways: KEEPING,
  },
  async (t, { ask, name }) => {
    const paths = Array.from({ length: 50 }, (_, index) => String(index))
    const answers = await Promise.all(paths.map(async (path) => (await ask({ path: `/${path}` })).text))
    t.strictSame(answers, paths, name)
  },
)

report(
  'stats are zero after all requests have failed',
  { onRequest: (socket) => socket.destroy(), dispatchers: ['Client', 'Pool', 'BalancedPool'] },
  async (t, { ask, name, dispatcher }) => {
    await Promise.all(Array.from({ length: 10 }, () => failureOf(ask({ method: 'POST', body: 'x' }))))
    await new Promise(setImmediate)
    const { running, pending, size } = (dispatcher as Pool).stats as unknown as Record<string, number>
    t.strictSame([running, pending, size], [0, 0, 0], name)
  },
)

report(
  'a request keeps the AsyncLocalStorage context of its caller',
  { onRequest: (socket) => socket.write(ok), ways: KEEPING },
  async (t, { ask, name }) => {
    const storage = new AsyncLocalStorage<number>()
    const seen = await Promise.all(
      [1, 2, 3, 4].map((id) =>
        storage.run(id, async () => {
          await ask()
          return storage.getStore()
        }),
      ),
    )
    t.strictSame(seen, [1, 2, 3, 4], name)
  },
)

t.test('BalancedPool distributes requests over all upstreams', async (t) => {
  const origins = await named(3)
  const pool = new BalancedPool(origins.map(({ url }) => url))
  const answers = []
  for (let round = 0; round < 9; round++) answers.push(await ask(pool))
  t.equal(new Set(answers).size, 3)
  await pool.close()
  for (const origin of origins) await origin.close()
})

t.test('a dead upstream gets fewer requests and does not affect others', async (t) => {
  const origins = await named(2)
  const [dying, staying] = origins as [(typeof origins)[0], (typeof origins)[0]]
  const pool = new BalancedPool([dying.url, staying.url])
  for (let round = 0; round < 4; round++) await ask(pool)
  await dying.close()
  const outcomes = []
  for (let round = 0; round < 20; round++) outcomes.push(await ask(pool).catch(({ code }) => code))
  t.ok(outcomes.filter((outcome) => outcome === 'origin 1').length > 10, outcomes.join())
  await pool.close()
  await staying.close()
})

t.test('origins of an Agent share no connections, and a refusing origin does not affect others', async (t) => {
  const origins = await named(2)
  const agent = new Agent()
  const [one, two] = origins.map(({ url }) => url) as [string, string]
  t.match(await failureOf(ask(agent, 'http://127.0.0.1:1')), { code: 'ECONNREFUSED' })
  t.strictSame(await Promise.all([ask(agent, one), ask(agent, two), ask(agent, one)]), [
    'origin 0',
    'origin 1',
    'origin 0',
  ])
  await agent.close()
  for (const origin of origins) await origin.close()
})

t.test('emits drain when the queue is empty', async (t) => {
  const [origin] = await named(1)
  for (const pool of [new Pool(origin?.url as string, { connections: 1 }), new Client(origin?.url as string)]) {
    let drained = 0
    ;(pool as Pool).on('drain', () => drained++)
    await Promise.all(Array.from({ length: 5 }, () => ask(pool)))
    await new Promise(setImmediate)
    t.ok(drained > 0)
    await pool.close()
  }
  await origin?.close()
})

t.test('idle connections do not keep the process alive', async (t) => {
  const [origin] = await named(1)
  const library = fileURLToPath(new URL('../../lib/index.js', import.meta.url))
  for (const make of ['Client(url)', 'Pool(url)', 'RoundRobinPool(url)', 'BalancedPool([url])', 'Agent()']) {
    const program = `
      const library = await import(${JSON.stringify(library)})
      const url = ${JSON.stringify(origin?.url)}
      const dispatcher = new library.${make}
      const { body } = await dispatcher.request({ origin: url, path: '/', method: 'GET' })
      console.log(await body.text())`
    const printed = await new Promise<string>((resolve) => {
      execFile(process.execPath, ['--input-type=module', '-e', program], { timeout: 20_000 }, (error, stdout) =>
        resolve(error === null ? stdout.trim() : String(error)),
      )
    })
    t.equal(printed, 'origin 0', make)
  }
  await origin?.close()
})

t.test('RoundRobinPool uses its connections in turn', async (t) => {
  const [origin] = await named(1)
  const pool = new RoundRobinPool(origin?.url as string, { connections: 4 })
  for (let round = 0; round < 8; round++) t.equal(await ask(pool), 'origin 0')
  t.equal(origin?.connections, 4)
  await pool.close()
  await origin?.close()
})
