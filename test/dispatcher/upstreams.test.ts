import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import t from 'tap'
import type { Candidate, UpstreamWatcher } from '../../lib/balance/strategy.js'
import { BalancedPool, HealthCheck, OutlierDetection } from '../../lib/index.js'
import { httpOrigin, type Origin } from '../servers/origin.js'

const get = { path: '/', method: 'GET' }

interface Backend extends Origin {
  well: boolean
  served: number
  checked: number
}

async function backends(t: { teardown(end: () => unknown): void }, count: number): Promise<Backend[]> {
  const all: Backend[] = []
  for (let i = 0; i < count; i++) {
    const state = { well: true, served: 0, checked: 0 }
    const origin = await httpOrigin((request, reply) => {
      if (request.url === '/health') backend.checked++
      else backend.served++
      reply.writeHead(backend.well ? 200 : 503).end(String(i))
    })
    const { url, port, close } = origin
    const backend: Backend = Object.assign(state, { url, port, close, sockets: origin.sockets, connections: 0 })
    all.push(backend)
  }
  t.teardown(() => Promise.all(all.map(({ close }) => close())))
  return all
}

async function ask(pool: BalancedPool): Promise<string> {
  return (await pool.request(get)).body.text()
}

const urls = (all: readonly Backend[]) => all.map(({ url }) => url)
const served = (all: readonly Backend[]) => all.map((one) => one.served)

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate)
}

t.test('outlier detection: a failing upstream is ejected and recovers', async (t) => {
  const all = await backends(t, 3)
  const [bad] = all as [Backend]
  bad.well = false
  const outlierDetection = new OutlierDetection({ consecutiveFailures: 3, interval: 20, baseEjectionTime: 100 })
  const pool = new BalancedPool(urls(all), { outlierDetection })
  for (let i = 0; i < 9; i++) await ask(pool)
  t.strictSame(served(all), [3, 3, 3])
  bad.well = true
  bad.served = 0
  let requestCount = 0
  for (; bad.served === 0; requestCount++) await ask(pool)
  t.ok(requestCount > 1, `${requestCount} requests until the recovered upstream is used`)
  await pool.close()
})

t.test('outlier detection: all upstreams are used in panic mode', async (t) => {
  const all = await backends(t, 2)
  for (const one of all) one.well = false
  const outlierDetection = new OutlierDetection({ consecutiveFailures: 1, maxEjectionPercent: 100, panicThreshold: 60 })
  const pool = new BalancedPool(urls(all), { outlierDetection })
  for (let i = 0; i < 20; i++) t.match(await ask(pool), /^[01]$/)
  t.strictSame(served(all), [10, 10])
  await pool.close()
})

t.test('health check: excludes an upstream until it responds; checks end with the pool', async (t) => {
  const all = await backends(t, 3)
  const [sick] = all as [Backend]
  const healthCheck = new HealthCheck({ path: '/health', interval: 1, unhealthyThreshold: 2, healthyThreshold: 3 })
  const pool = new BalancedPool(urls(all), { healthCheck })
  await until(() => sick.checked > 3)
  sick.well = false
  const { checked } = sick
  await until(() => sick.checked > checked + 4)
  for (let i = 0; i < 10; i++) await ask(pool)
  t.strictSame(served(all), [0, 5, 5])
  sick.well = true
  while (sick.served === 0) await ask(pool)
  pool.removeUpstream(sick.url)
  await pool.close()
  const after = sick.checked
  const extra = new BalancedPool(urls(all), { healthCheck })
  await until(() => (all[1] as Backend).checked > 0 && sick.checked > after)
  await extra.destroy()
  await until(() => all.every(({ sockets }) => sockets.size === 0))
  const last = all.map((one) => one.checked)
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.strictSame(
    all.map((one) => one.checked),
    last,
    'no check after the end',
  )
})

t.test('health check: excludes upstreams that refuse connections or hang', async (t) => {
  const [dead, well] = (await backends(t, 2)) as [Backend, Backend]
  const hanging = await httpOrigin((_request, _reply) => {})
  t.teardown(() => hanging.close())
  await dead.close()
  // In this time the good one answers however busy the machine is.
  const healthCheck = new HealthCheck({ interval: 1, timeout: 1000, unhealthyThreshold: 1, panicThreshold: 1 })
  const pool = new BalancedPool([dead.url, well.url, hanging.url], { healthCheck })
  const inTime = { ...get, timeouts: { total: 50 } }
  for (let inRow = 0; inRow < 3; ) {
    const answer = await pool
      .request(inTime)
      .then(({ body }) => body.text())
      .catch(() => 'none')
    inRow = answer === '1' ? inRow + 1 : 0
  }
  for (let i = 0; i < 20; i++) t.equal(await ask(pool), '1')
  await pool.destroy()
})

t.test('slow start: a new upstream gets few requests at first', async (t) => {
  const all = await backends(t, 3)
  const pool = new BalancedPool(urls(all).slice(0, 2), { slowStart: 60_000 })
  pool.addUpstream((all[2] as Backend).url)
  for (let i = 0; i < 42; i++) await ask(pool)
  t.match(served(all), [20, 20, 2])
  await pool.close()
  const brief = new BalancedPool(urls(all).slice(0, 2), { slowStart: 1 })
  brief.addUpstream((all[2] as Backend).url)
  await new Promise((resolve) => setTimeout(resolve, 5))
  for (const one of all) one.served = 0
  for (let i = 0; i < 60; i++) await ask(brief)
  t.ok((all[2] as Backend).served >= 13, `${served(all)} requests after slow start`)
  await brief.close()
})

t.test('slow start: after it, turns follow the full weight', async (t) => {
  const all = await backends(t, 3)
  const pool = new BalancedPool(urls(all).slice(0, 2), { slowStart: 40 })
  pool.addUpstream((all[2] as Backend).url, { weight: 0.01 })
  const started = performance.now()
  // At a tenth of its weight its first turn comes after 2000 of the others.
  while (performance.now() - started < 50) await ask(pool)
  for (const one of all) one.served = 0
  for (let i = 0; i < 210; i++) await ask(pool)
  t.ok((all[2] as Backend).served >= 1, `${served(all)}`)
  await pool.close()
})

t.test('an upstream that recovers has its reduced weight restored', async (t) => {
  const all = await backends(t, 3)
  const upstreams: Candidate[] = []
  let leaveOut = (_upstream: Candidate, _out: boolean) => {}
  const outlierDetection: UpstreamWatcher = {
    panicThreshold: 0,
    watch(callback) {
      leaveOut = callback
      return { joined: (upstream) => void upstreams.push(upstream), left() {}, stop() {} }
    },
  }
  const pool = new BalancedPool(urls(all), { outlierDetection })
  const [dead] = upstreams as [Candidate]
  await all[0]?.close()
  const failuresOf = async (count: number) => {
    const ends = await Promise.allSettled(Array.from({ length: count }, () => ask(pool)))
    return ends.filter(({ status }) => status === 'rejected').length
  }
  t.equal(await failuresOf(30), 10)
  t.equal(dead.weight, 1)
  leaveOut(dead, true)
  t.equal(await failuresOf(6), 0)
  leaveOut(dead, false)
  t.equal(dead.weight, 100)
  t.equal(await failuresOf(3), 1)
  await pool.close()
})

t.test('rejects invalid options', async (t) => {
  t.throws(() => new HealthCheck({ path: 'x' }), /path must be/)
  t.throws(() => new HealthCheck({ interval: -1 }), /interval must be/)
  t.throws(() => new BalancedPool([], { healthCheck: {} as never }), /healthCheck must be a HealthCheck/)
  t.throws(() => new BalancedPool([], { outlierDetection: 1 as never }), /outlierDetection must be/)
  t.throws(() => new BalancedPool([], { slowStart: -1 }), /slowStart must be/)
  const healthCheck = new HealthCheck({ interval: 1 })
  t.throws(() => new BalancedPool(['http://localhost', 'x'], { healthCheck }), /upstream must be/)
})

t.test('runs the example of lib/dispatcher/README.md', async (t) => {
  const all = await backends(t, 2)
  const text = await readFile('lib/dispatcher/README.md', 'utf8')
  const code = /## Balancers.*?```js\n(.*?)```/s.exec(text)?.[1] as string
  const [one, two] = urls(all) as [string, string]
  const here = code
    .replace("'sluice'", JSON.stringify(new URL('../../lib/index.js', import.meta.url).href))
    .replace('http://localhost:3001', one)
    .replace('http://localhost:3002', two)
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', here])
  t.match(stdout, /^[01]\n$/)
  t.ok(all.some(({ checked }) => checked > 0))
})
