// `make demo`: runs every dispatcher against embedded origins. `--help` lists the options.
import { Client } from '../lib/index.js'
import { HELP, help } from './demo/options.js'
import { plainOrigin, secureOrigin, unixOrigin } from './demo/origins.js'
import { pools } from './demo/pools.js'
import { heading, type Row, report } from './demo/report.js'
import { chunked, echo, head, runScenario, upload } from './demo/scenario.js'
import { exitOnClosedPipe } from './harness/closed-pipe.js'

async function plain(rows: Row[], stats: Record<string, object>): Promise<void> {
  const origin = await plainOrigin('plain')
  const client = new Client(origin.url)
  heading(`Client on ${origin.url}`)
  const first = await echo(client, 'GET')(0)
  if (first) heading(`  first response ${Math.round(performance.now())} ms after the start of the process`)
  rows.push(await runScenario({ name: 'GET, pipelining 1', origin, total: 5000, width: 1 }, echo(client, 'GET')))
  const body = () => Buffer.alloc(1024, 'b')
  rows.push(await runScenario({ name: 'POST 1 KB', origin, total: 3000, width: 1 }, echo(client, 'POST', body, 1024)))
  const chunks = 160
  const big = echo(client, 'PUT', upload(chunks), chunks * 65536)
  rows.push(
    await runScenario({ name: 'stream upload 10 MB', origin, total: 5, width: 1, note: 'chunked, backpressure' }, big),
  )
  rows.push(await runScenario({ name: 'HEAD', origin, total: 2000, width: 1 }, head(client)))
  rows.push(await runScenario({ name: 'chunked response', origin, total: 2000, width: 1 }, chunked(client)))
  client.pipelining = 10
  rows.push(await runScenario({ name: 'GET, pipelining 10', origin, total: 20_000, width: 10 }, echo(client, 'GET')))
  stats.Client = { ...client.stats }
  await client.close()
  await origin.close()
}

async function secure(rows: Row[]): Promise<void> {
  const origin = await secureOrigin('tls')
  const client = new Client(origin.url, { connect: { ca: origin.cert } })
  heading(`Client on ${origin.url}`)
  rows.push(await runScenario({ name: 'TLS GET', origin, total: 3000, width: 1 }, echo(client, 'GET')))
  await client.close()
  await origin.close()
}

async function unix(rows: Row[]): Promise<void> {
  const origin = await unixOrigin('unix')
  const client = new Client(origin.url, { socketPath: origin.path })
  heading(`Client on ${origin.path}`)
  rows.push(await runScenario({ name: 'unix socket GET', origin, total: 3000, width: 1 }, echo(client, 'GET')))
  await client.close()
  await origin.close()
}

async function main(): Promise<number> {
  if (help) {
    console.log(HELP)
    return 0
  }
  const rows: Row[] = []
  const stats: Record<string, object> = {}
  await plain(rows, stats)
  await secure(rows)
  await unix(rows)
  await pools(rows, stats)
  return report(rows, stats)
}

exitOnClosedPipe()
process.exitCode = await main()
