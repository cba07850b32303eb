import http from 'node:http'
import t from 'tap'
import { BalancedPool, type Dispatcher, Pool, RoundRobinPool } from '../../lib/index.js'
import { haproxy } from '../servers/haproxy.js'
import { nginx } from '../servers/nginx.js'
import { listen, type Origin } from '../servers/origin.js'
import { freePort, missing, type Program } from '../servers/program.js'

const REQUESTS = 1000
const BACKENDS = 5
const get = { path: '/', method: 'GET' }

interface Backend extends Origin {
  served: number
  perConnection: Map<object, number>
}

async function backend(name: string): Promise<Backend> {
  const perConnection = new Map<object, number>()
  let served = 0
  const server = http.createServer({ keepAliveTimeout: 60_000 }, (request, reply) => {
    served++
    perConnection.set(request.socket, (perConnection.get(request.socket) ?? 0) + 1)
    reply.end(name)
  })
  const origin = await listen(server)
  return Object.assign(
    Object.create(origin, { served: { get: () => served }, perConnection: { value: perConnection } }),
  )
}

async function many(pool: Dispatcher, count: number, parallel: boolean): Promise<number> {
  let right = 0
  const one = async () => {
    const { statusCode, body } = await pool.request(get)
    await body.text()
    if (statusCode === 200) right++
  }
  if (parallel) await Promise.all(Array.from({ length: count }, one))
  else for (let i = 0; i < count; i++) await one()
  return right
}

/** Balancers under test. Each distributes connections in turn. */
const balancers: Record<string, { skip: string | false; start(port: number, ports: number[]): Promise<Program> }> = {
  HAProxy: {
    skip: missing('haproxy'),
    start: (port, backends) => haproxy({ port, backends, balance: 'roundrobin' }),
  },
  'nginx stream': {
    skip: missing('nginx', ['nginx', 'libnginx-mod-stream']),
    start: (port, backends) =>
      nginx({
        ports: [port],
        http: '',
        stream: `upstream all { ${backends.map((one) => `server 127.0.0.1:${one};`).join(' ')} }
          server { listen 127.0.0.1:${port}; proxy_pass all; }`,
      }),
  },
}

for (const [name, { skip, start }] of Object.entries(balancers)) {
  t.test(`RoundRobinPool behind ${name}`, { skip }, async (t) => {
    for (const parallel of [false, true]) {
      const backends = await Promise.all(Array.from({ length: BACKENDS }, (_, index) => backend(`b${index}`)))
      const port = await freePort()
      // The readiness probe is a connection too. Ten more are still distributed evenly.
      const program = await start(
        port,
        backends.map((one) => one.port),
      )
      const pool = new RoundRobinPool(`http://127.0.0.1:${port}`, { connections: 10 })
      t.equal(await many(pool, REQUESTS, parallel), REQUESTS)
      const connections = backends.flatMap(({ perConnection }) => [...perConnection.values()])
      t.equal(connections.length, 10)
      for (const count of connections) t.ok(Math.abs(count - 100) <= 1, `${count} over one connection`)
      for (const { served } of backends) t.ok(Math.abs(served - 200) <= 4, `${served} at one backend`)
      const contrast = new Pool(`http://127.0.0.1:${port}`, { connections: 10 })
      await many(contrast, 100, false)
      t.equal(Math.max(...backends.map(({ served }) => served)) - 200 >= 100, true, 'a Pool stays on one connection')
      await Promise.all([pool.close(), contrast.close()])
      await program.stop()
      await Promise.all(backends.map((one) => one.close()))
    }
  })
}

t.test('with source affinity, BalancedPool reaches all backends', { skip: missing('haproxy') }, async (t) => {
  const backends = await Promise.all(Array.from({ length: BACKENDS }, (_, index) => backend(`b${index}`)))
  const port = await freePort()
  const program = await haproxy({ port, backends: backends.map((one) => one.port), balance: 'source' })
  const sticky = new RoundRobinPool(`http://127.0.0.1:${port}`, { connections: 10 })
  await many(sticky, 100, true)
  t.equal(backends.filter(({ served }) => served > 0).length, 1, 'all connections end at one backend')
  await sticky.close()
  const before = backends.map(({ served }) => served)
  const direct = new BalancedPool(
    backends.map(({ url }) => url),
    { connections: 2 },
  )
  t.equal(await many(direct, REQUESTS, true), REQUESTS)
  t.strictSame(
    backends.map(({ served }, index) => served - (before[index] as number)),
    new Array(BACKENDS).fill(200),
  )
  await direct.close()
  await program.stop()
  await Promise.all(backends.map((one) => one.close()))
})

t.test('a rolling deployment loses no request', { skip: missing('haproxy') }, async (t) => {
  const backends = await Promise.all(Array.from({ length: 3 }, (_, index) => backend(`b${index}`)))
  const port = await freePort()
  const program = await haproxy({ port, backends: backends.map((one) => one.port), balance: 'roundrobin' })
  const behind = new RoundRobinPool(`http://127.0.0.1:${port}`, { connections: 6, maxRequestsPerClient: 20 })
  const direct = new BalancedPool(
    backends.map(({ url }) => url),
    { connections: 2 },
  )
  let running = true
  let requestCount = 0
  let right = 0
  const load = async (pool: Dispatcher) => {
    while (running) {
      requestCount++
      const answered = await many(pool, 1, false)
      right += answered
    }
  }
  const workers = [1, 2, 3, 4].flatMap(() => [load(behind), load(direct)])
  for (const [index, one] of backends.entries()) {
    const mark = right
    await program.command(`set server backends/b${index} state drain`)
    direct.removeUpstream(one.url)
    while (right < mark + 400) await new Promise(setImmediate)
    await program.command(`set server backends/b${index} state ready`)
    direct.addUpstream(one.url)
  }
  running = false
  await Promise.all(workers)
  t.equal(right, requestCount, `${requestCount} requests, all answered`)
  t.ok(requestCount >= 1200)
  await Promise.all([behind.close(), direct.close()])
  t.equal(direct.stats.size + behind.stats.size, 0)
  await program.stop()
  await Promise.all(backends.map((one) => one.close()))
})
