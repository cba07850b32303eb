import { execFile } from 'node:child_process'
import t from 'tap'
import { Agent, BalancedPool, Client, interceptors, Pool, RoundRobinPool } from '../../lib/index.js'
import { event, onRequests, rawOrigin, response } from '../servers/origin.js'

const get = { path: '/', method: 'GET' } as const

/** Server that responds with the number of the connection, at once or when the test says so. */
async function numberedOrigin(patient = false) {
  const held: (() => void)[] = []
  const origin = await rawOrigin((socket, index) =>
    onRequests(socket, () => {
      const answer = () => void socket.write(response(String(index)))
      if (patient) held.push(answer)
      else answer()
    }),
  )
  return Object.assign(origin, { held, answer: () => held.splice(0).forEach((one) => void one()) })
}

/** Waits event-loop turns until a condition holds. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate)
}

const ask = async (pool: { request(options: typeof get): Promise<{ body: { text(): Promise<string> } }> }) =>
  (await pool.request(get)).body.text()

for (const Kind of [Pool, RoundRobinPool]) {
  t.test(`warm of a ${Kind.name} opens connections up to the limit without a request`, async (t) => {
    const origin = await numberedOrigin()
    const pool = new Kind(origin.url, { connections: 3 })
    t.equal(await pool.warm(2), 2)
    t.match(pool.stats, { connected: 2, free: 2, pending: 0, queued: 0, running: 0, size: 0 })
    t.equal(await pool.warm(1), 2, 'open connections are counted')
    t.equal(await pool.warm(10), 3, 'not above the connections option')
    await until(() => origin.connections === 3)
    await Promise.all([ask(pool), ask(pool), ask(pool)])
    t.equal(origin.connections, 3, 'requests use the open connections')
    await t.rejects(pool.warm(-1), { code: 'UND_ERR_INVALID_ARG', message: /count/ })
    await pool.close()
    await t.rejects(pool.warm(1), { code: 'UND_ERR_DESTROYED' })
    await origin.close()
  })
}

t.test('warm resolves with the number of connections if some fail, and rejects if all do', async (t) => {
  const origin = await numberedOrigin()
  let tries = 0
  const factory = (url: URL, options: object) => new Client(tries++ === 1 ? 'http://127.0.0.1:1' : url, options)
  const pool = new Pool(origin.url, { factory })
  t.equal(await pool.warm(3), 2)
  await pool.close()
  await origin.close()
  const refused = new Pool(origin.url)
  let errors = 0
  refused.on('connectionError', () => errors++)
  await t.rejects(refused.warm(2), { code: 'ECONNREFUSED' })
  t.equal(errors, 2)
  t.match(refused.stats, { connected: 0, free: 0, size: 0 })
  await refused.close()
})

t.test('warm reconnects existing members before it adds new ones', async (t) => {
  const origin = await numberedOrigin()
  const pool = new Pool(origin.url, { connections: 2, factory: (url, options) => new Client(url, options) })
  await pool.warm(2)
  await until(() => origin.sockets.size === 2)
  const [first] = origin.sockets
  first?.destroy()
  await event(pool, 'disconnect')
  t.equal(await pool.warm(2), 2)
  t.equal(origin.connections, 3)
  await pool.close()
  await origin.close()
})

t.test('minConnections are opened with the first request, and replaced when they close', async (t) => {
  const origin = await numberedOrigin()
  const pool = new Pool(origin.url, { connections: 5, minConnections: 3 })
  t.equal(pool.stats.connected, 0, 'no connection before the first request')
  await ask(pool)
  await until(() => pool.stats.connected === 3)
  await until(() => origin.sockets.size === 3)
  for (const socket of origin.sockets) socket.destroy()
  await until(() => pool.stats.connected === 0)
  const begun = performance.now()
  await event(pool, 'connect')
  t.ok(performance.now() - begun > 50, 'replaced after a delay')
  await until(() => pool.stats.connected === 3)
  await until(() => origin.connections === 6)
  await pool.close()
  await until(() => origin.sockets.size === 0)
  await new Promise((resolve) => setTimeout(resolve, 150))
  t.equal(origin.connections, 6, 'no new connection after close')
  await origin.close()
})

t.test('minConnections: opened by warm, and replaced after keepAliveTimeout', async (t) => {
  const origin = await numberedOrigin()
  const pool = new RoundRobinPool(origin.url, { minConnections: 2, keepAliveTimeout: 30, clientTtl: 5_000 })
  await pool.warm(1)
  await until(() => pool.stats.connected === 2)
  await until(() => pool.stats.connected === 0)
  await until(() => pool.stats.connected === 2)
  pool.closeIdle()
  t.equal(pool.stats.connected, 0)
  await until(() => pool.stats.connected === 2)
  await pool.destroy()
  await origin.close()
})

t.test('minConnections: delays grow when connections close soon', async (t) => {
  const times: number[] = []
  const origin = await rawOrigin((socket) => {
    times.push(performance.now())
    socket.destroy()
  })
  const pool = new Pool(origin.url, { minConnections: 1 })
  await pool.warm(1)
  await until(() => times.length === 4)
  const waits = times.slice(1).map((time, index) => time - (times[index] as number))
  // Lower bounds of 100, 200 and 400 ms, less rounding: a busy machine only makes waits longer.
  t.ok(
    waits.every((wait, index) => wait > 100 * 2 ** index * 0.95),
    `${waits}`,
  )
  await pool.close()
  await origin.close()
})

t.test('minConnections do not keep the process alive', async (t) => {
  const origin = await numberedOrigin()
  const library = new URL('../../lib/index.js', import.meta.url).href
  const program = `import { Pool } from '${library}'
    const pool = new Pool('${origin.url}', { minConnections: 4 })
    await (await pool.request({ path: '/', method: 'GET' })).body.text()
    console.log(await pool.warm(4))`
  const output = await new Promise((resolve, reject) =>
    execFile(process.execPath, ['--input-type=module', '-e', program], { timeout: 20_000 }, (error, stdout) =>
      error === null ? resolve(stdout) : reject(error),
    ),
  )
  t.equal(output, '4\n')
  await origin.close()
})

for (const pipelining of [1, 10]) {
  t.test(
    `maxIdleConnections closes the connections that were idle for longest, pipelining ${pipelining}`,
    async (t) => {
      const origin = await numberedOrigin(true)
      const pool = new Pool(origin.url, { connections: 4, maxIdleConnections: 2, pipelining })
      const count = 4 * pipelining
      const ended: string[] = []
      const all = Promise.all(Array.from({ length: count }, () => ask(pool).then((on) => ended.push(on))))
      const errors: Error[] = []
      pool.on('disconnect', (_origin, _targets, error) => errors.push(error))
      while (ended.length < count) {
        origin.held.shift()?.()
        await new Promise(setImmediate)
      }
      await all
      t.match(pool.stats, { connected: 2, free: 2, size: 0 })
      await until(() => errors.length === 2)
      t.match(errors[0], { name: 'InformationalError', message: /idle/ })
      await until(() => origin.sockets.size === 2)
      const next = [ask(pool), ask(pool)]
      await until(() => origin.held.length === 2)
      origin.answer()
      const last = [...new Set(ended.reverse())].slice(0, 2)
      for (const on of await Promise.all(next)) t.ok(last.includes(on), 'the most recently used connections stay open')
      await pool.close()
      await origin.close()
    },
  )
}

t.test('maxIdleConnections: 0 keeps no connection, also below interceptors and after warm', async (t) => {
  const origin = await numberedOrigin()
  const factory = (url: URL, options: object) => new Client(url, options).compose(interceptors.dump())
  const pool = new Pool(origin.url, { maxIdleConnections: 0, factory })
  await pool.request(get)
  await until(() => pool.stats.connected === 0)
  const disconnected = event(pool, 'disconnect')
  await pool.warm(1)
  await disconnected
  t.match(pool.stats, { connected: 0, free: 0, size: 0 })
  await pool.close()
  await origin.close()
})

t.test('closeIdle of pools and agents closes idle connections only', async (t) => {
  const origin = await numberedOrigin(true)
  const pool = new Pool(origin.url)
  const round = new RoundRobinPool(origin.url, { connections: 2 })
  const balanced = new BalancedPool(origin.url)
  const composed = new Agent({ factory: (url, options) => new Pool(url, options).compose(interceptors.dump()) })
  const agents = [new Agent(), new Agent({ connections: 1 }), composed]
  const at = agents.map((agent) => ({ request: () => agent.request({ ...get, origin: origin.url }) }))
  const all = [pool, round, balanced, ...at]
  const twice = all.flatMap((one) => [ask(one), ask(one)])
  await until(() => origin.held.length === 11)
  for (const one of [pool, round, balanced, ...agents]) one.closeIdle()
  const answering = setInterval(origin.answer, 1)
  await Promise.all(twice)
  clearInterval(answering)
  const busy = all.map(ask)
  await until(() => origin.held.length === 6)
  for (const one of [pool, round, balanced, ...agents]) one.closeIdle()
  await until(() => origin.sockets.size === 6)
  t.equal(pool.stats.connected, 1)
  origin.answer()
  await Promise.all(busy)
  for (const one of [pool, round, balanced, ...agents]) one.closeIdle()
  await until(() => origin.sockets.size === 0)
  t.match([pool.stats, round.stats, balanced.stats], new Array(3).fill({ connected: 0, free: 0, size: 0 }))
  await Promise.all([pool, round, balanced, ...agents].map((one) => one.close()))
  await origin.close()
})

t.test('closeIdle in the last callback of a handler leaves no request waiting', async (t) => {
  const origin = await numberedOrigin()
  const pool = new Pool(origin.url, { connections: 1 })
  const first = new Promise((resolve) =>
    pool.dispatch(get, {
      onResponseError: (_controller, error) => t.error(error),
      onResponseEnd: () => {
        pool.closeIdle()
        resolve(pool.stats.connected)
      },
    }),
  )
  const second = ask(pool)
  t.equal(await first, 0)
  t.equal(await second, '1')
  await pool.close()
  await origin.close()
})

t.test('reuse selects the most or least recently used connection', async (t) => {
  for (const [reuse, expected] of [
    [undefined, 'same'],
    ['lifo', 'same'],
    ['fifo', 'turns'],
  ] as const) {
    const origin = await numberedOrigin()
    const pool = new Pool(origin.url, { connections: 3, ...(reuse === undefined ? {} : { reuse }) })
    await pool.warm(3)
    const seen: string[] = []
    for (let i = 0; i < 6; i++) seen.push(await ask(pool))
    t.equal(new Set(seen).size, expected === 'same' ? 1 : 3, `${reuse}: ${seen}`)
    if (expected === 'turns') t.strictSame(seen.slice(0, 3), seen.slice(3))
    await pool.close()
    await origin.close()
  }
})

t.test('rejects invalid options', (t) => {
  const bad: [object, RegExp][] = [
    [{ minConnections: -1 }, /minConnections/],
    [{ minConnections: 3, connections: 2 }, /minConnections/],
    [{ minConnections: 3, maxIdleConnections: 2 }, /minConnections/],
    [{ maxIdleConnections: 0.5 }, /maxIdleConnections/],
    [{ reuse: 'random' }, /reuse/],
    [{ maxConnectionAge: 0 }, /maxConnectionAge/],
  ]
  for (const [options, message] of bad) {
    for (const make of [
      () => new Pool('http://localhost', options),
      () => new RoundRobinPool('http://localhost', options),
      () => new BalancedPool('http://localhost', options),
      () => new Agent(options),
    ]) {
      t.throws(make, { code: 'UND_ERR_INVALID_ARG', message })
    }
  }
  t.doesNotThrow(() => new Pool('http://localhost', { minConnections: null, maxIdleConnections: null, reuse: null }))
  t.end()
})
