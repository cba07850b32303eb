import { BalancedPool, interceptors, OutlierDetection } from '../../lib/index.js'
import { duration } from './options.js'
import { plainOrigin } from './origins.js'
import { heading, type Row } from './report.js'
import { type CheckedRequest, echo, runScenario, sum } from './scenario.js'

/** Kills and restarts one of three upstreams. Every request must succeed, and the restarted upstream must get requests. */
export async function failover(rows: Row[], stats: Record<string, object>): Promise<void> {
  const origins = await Promise.all(['one', 'two', 'three'].map(plainOrigin))
  const [, , failing] = origins as [unknown, unknown, (typeof origins)[number]]
  const pool = new BalancedPool(
    origins.map(({ url }) => url),
    {
      connections: 4,
      outlierDetection: new OutlierDetection({ consecutiveFailures: 3, baseEjectionTime: duration(600), interval: 50 }),
      slowStart: duration(600),
    },
  )
  const retrying = pool.compose(interceptors.retry({ minTimeout: 0, maxRetries: 5 }))
  heading(`BalancedPool, retry, outlier detection: port ${new URL(failing.url).port} is killed and restarted`)

  const total = duration(6000)
  let servedBeforeRestart = Number.NaN
  const start = performance.now()
  const killTimer = setTimeout(() => failing.kill(), total / 4)
  const restartTimer = setTimeout(() => {
    servedBeforeRestart = failing.served
    failing.restart()
  }, total / 2)
  const sendEcho = echo(retrying, 'GET')
  const send: CheckedRequest = async (index) => {
    // The rate stays below what origins and this process can do, so that only the choice of upstreams shows.
    if (index % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 4))
    return sendEcho(index)
  }
  const until = start + total
  const row = await runScenario(
    { name: 'upstream fails', origin: sum(origins), until, width: 20, servers: origins, pool },
    send,
  )
  clearTimeout(killTimer)
  clearTimeout(restartTimer)
  const servedAfterRestart = failing.served - servedBeforeRestart
  if (!(servedAfterRestart > 0)) row.wrong++
  const served = origins.map(({ served }) => served).join(' / ')
  rows.push({ ...row, note: `served ${served}; the third ${servedAfterRestart} after its restart` })
  stats['BalancedPool, upstream fails'] = { ...pool.stats }
  await pool.close()
  await Promise.all(origins.map((origin) => origin.close()))
}
