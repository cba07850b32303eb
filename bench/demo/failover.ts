import { BalancedPool, interceptors, OutlierDetection } from '../../lib/index.js'
import { plainOrigin } from './origins.js'
import { type Ask, drive, echo, sum } from './parts.js'
import { heading, type Row } from './report.js'
import { lasting } from './settings.js'

/** Three backends, one of which dies and comes back; whoever asks is to notice nothing. */
export async function failover(rows: Row[], stats: Record<string, unknown>): Promise<void> {
  const origins = await Promise.all(['one', 'two', 'three'].map(plainOrigin))
  const [, , doomed] = origins as [unknown, unknown, (typeof origins)[number]]
  const pool = new BalancedPool(
    origins.map(({ url }) => url),
    {
      connections: 4,
      outlierDetection: new OutlierDetection({ consecutiveFailures: 3, baseEjectionTime: lasting(600), interval: 50 }),
      slowStart: lasting(600),
    },
  )
  const sending = pool.compose(interceptors.retry({ minTimeout: 0, maxRetries: 5 }))
  heading(`BalancedPool, retry and outlier detection over three; ${doomed.url} is killed, and comes back`)

  const whole = lasting(6000)
  let back = Number.NaN
  const started = performance.now()
  const killing = setTimeout(() => doomed.kill(), whole / 4)
  const reviving = setTimeout(() => {
    back = doomed.served
    doomed.revive()
  }, whole / 2)
  const right = echo(sending, 'GET')
  const ask: Ask = async (index) => {
    // Neither the origins nor this process are to be at their limits: one watches who serves.
    if (index % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 4))
    return right(index)
  }
  const until = started + whole
  const row = await drive(
    { what: 'a backend dies', origin: sum(origins), until, width: 20, servers: origins, pool },
    ask,
  )
  clearTimeout(killing)
  clearTimeout(reviving)
  const recovered = doomed.served - back
  if (!(recovered > 0)) row.wrong++
  const shares = origins.map(({ served }) => served).join(' / ')
  rows.push({ ...row, note: `served ${shares}; the third ${recovered} of them since it came back` })
  stats['BalancedPool, a backend dies'] = { ...pool.stats }
  await pool.close()
  await Promise.all(origins.map((origin) => origin.close()))
}
