// `make demo`: every kind of request against embedded origins. `--json`, `--quick`, `--spoil`: see demo/settings.ts.
import { Client } from '../lib/index.js'
import { plainOrigin, secureOrigin, unixOrigin } from './demo/origins.js'
import { chunked, drive, echo, head, upload } from './demo/parts.js'
import { pools } from './demo/pools.js'
import { heading, type Row, report } from './demo/report.js'

async function plain(rows: Row[], stats: Record<string, unknown>): Promise<void> {
  const origin = await plainOrigin('plain')
  const client = new Client(origin.url)
  heading(`Client on ${origin.url}`)
  const first = await echo(client, 'GET')(0)
  if (first) heading(`  the first response came ${Math.round(performance.now())} ms after this process began`)
  rows.push(await drive({ what: 'GET, pipelining 1', origin, total: 5000, width: 1 }, echo(client, 'GET')))
  const body = () => Buffer.alloc(1024, 'b')
  rows.push(await drive({ what: 'POST 1 KB', origin, total: 3000, width: 1 }, echo(client, 'POST', body, 1024)))
  const pieces = 160
  const big = echo(client, 'PUT', upload(pieces), pieces * 65536)
  rows.push(
    await drive({ what: 'stream upload 10 MB', origin, total: 5, width: 1, note: 'chunked, backpressure' }, big),
  )
  rows.push(await drive({ what: 'HEAD', origin, total: 2000, width: 1 }, head(client)))
  rows.push(await drive({ what: 'chunked response', origin, total: 2000, width: 1 }, chunked(client)))
  client.pipelining = 10
  rows.push(await drive({ what: 'GET, pipelining 10', origin, total: 20_000, width: 10 }, echo(client, 'GET')))
  stats.Client = { ...client.stats }
  await client.close()
  await origin.close()
}

async function secure(rows: Row[]): Promise<void> {
  const origin = await secureOrigin('tls')
  const client = new Client(origin.url, { connect: { ca: origin.cert } })
  heading(`Client on ${origin.url}`)
  rows.push(await drive({ what: 'TLS GET', origin, total: 3000, width: 1 }, echo(client, 'GET')))
  await client.close()
  await origin.close()
}

async function unix(rows: Row[]): Promise<void> {
  const origin = await unixOrigin('unix')
  const client = new Client(origin.url, { socketPath: origin.path })
  heading(`Client on ${origin.path}`)
  rows.push(await drive({ what: 'unix socket GET', origin, total: 3000, width: 1 }, echo(client, 'GET')))
  await client.close()
  await origin.close()
}

async function main(): Promise<number> {
  const rows: Row[] = []
  const stats: Record<string, unknown> = {}
  await plain(rows, stats)
  await secure(rows)
  await unix(rows)
  await pools(rows, stats)
  return report(rows, stats)
}

process.exitCode = await main()
