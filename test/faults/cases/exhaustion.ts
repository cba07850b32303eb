import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { Pool } from '../../../lib/index.js'
import { ask, describe, FarServers, noSocketsLeft, setSysctl } from '../network-control.js'

const HOST = '10.77.1.2'

await t.test('requests fail and recover when no local port is free', async (t) => {
  const far = await FarServers.start(t)
  setSysctl('near', 'ipv4/ip_local_port_range', '50000 50007')
  const pool = new Pool(far.url(HOST), { connections: 20 })
  const requests = Array.from({ length: 20 }, () => ask(pool, { path: '/hold' }))
  while ((await far.command({ do: 'counts' }))['GET /hold'] !== 8) await new Promise(setImmediate)
  while (pool.stats.size > 8) await new Promise(setImmediate)
  await far.command({ do: 'release' })
  const outcomes = await Promise.all(requests)
  const failed = outcomes.filter(({ error }) => error !== null)
  t.equal(outcomes.length - failed.length, 8, 'as many requests complete as there are ports')
  t.strictSame([...new Set(failed.map(({ error }) => `${error?.code} ${error?.phase}`))], ['EADDRNOTAVAIL connect'])
  t.match(pool.stats, { running: 0, pending: 0, queued: 0, size: 0 })
  for (let i = 0; i < 3; i++)
    t.equal(describe(await ask(pool, { path: '/bytes/10' })), 'answered', 'the open connections are reused')
  setSysctl('near', 'ipv4/ip_local_port_range', '50000 60999')
  const later = Array.from({ length: 20 }, () => ask(pool, { path: '/bytes/10' }))
  t.strictSame([...new Set((await Promise.all(later)).map(describe))], ['answered'])
  await pool.close()
})

await t.test('requests fail and recover when no file descriptor is free', async (t) => {
  const far = await FarServers.start(t)
  const program = fileURLToPath(new URL('descriptors.js', import.meta.url))
  const { stdout, status, stderr } = spawnSync(process.execPath, [program, far.url(HOST)], { encoding: 'utf8' })
  t.equal(status, 0, stderr)
  const report = JSON.parse(stdout || '{}')
  t.strictSame(report.failures, ['EMFILE connect'])
  t.ok(report.answered > 0 && report.failed > 0, stdout)
  t.strictSame(report.later, ['answered'])
  t.strictSame(report.stats, { connected: 0, free: 0, pending: 0, queued: 0, running: 0, size: 0 })
})

await t.test('leaves no socket behind', noSocketsLeft)
