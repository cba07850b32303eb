import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { benchClients } from '../../bench/clients/all.js'
import { measure } from '../../bench/harness/measure.js'
import { parse, participantsOf } from '../../bench/harness/options.js'
import { affinity } from '../../bench/harness/processes.js'
import { failures, type Report } from '../../bench/harness/results.js'
import { Runner } from '../../bench/harness/runner.js'
import { workloads } from '../../bench/workloads/all.js'
import type { Workload } from '../../bench/workloads/workload.js'
import { run } from '../runtimes/runtimes.js'
import { missing, packages } from './packages.js'

const script = fileURLToPath(new URL('../../bench/run.js', import.meta.url))
const tiny = ['--rounds', '2', '--seconds', '0.02', '--warm', '0.02']
const bench = (...args: string[]) => run(process.execPath, [script, ...args])
const options = { mode: 'full', only: null, rounds: 1, seconds: 0.02, warm: 0.02 } as const
const skip = missing()

t.setTimeout(200_000)

t.test('measures every client, and writes JSON and pictures', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-test-'))
  const { code, stdout, stderr } = await bench(...tiny, '--workload', 'json 50x1', '--json', '--results', folder)
  t.equal(code, 0, stderr)
  const report: Report = JSON.parse(stdout)
  const [table] = report.results
  if (table?.kind !== 'throughput') throw new Error('no table')
  const clients = benchClients.filter(({ name }) => name !== 'undici, blocking: false')
  t.strictSame(
    table.rows.map(({ client }) => client),
    clients.map(({ name }) => name),
  )
  for (const row of table.rows) {
    t.equal(row.rounds.length, 2, row.client)
    t.ok(row.rate.low > 0 && row.rate.low <= row.rate.median && row.rate.median <= row.rate.high)
    t.ok(Number(row.cpu) > 0 && Number(row.latency?.p50) <= Number(row.latency?.p999) && Number(row.peak) > 1e7)
  }
  const best = Math.max(...table.rows.filter(({ role }) => role === 'peer').map(({ rate }) => rate.median))
  const find = (name: string) => table.rows.find(({ client }) => client === name)
  const [sluice, baseline] = [find('sluice'), find('baseline')]
  t.equal(sluice?.toPeer, Number(sluice?.rate.median) / best)
  t.equal(sluice?.toBaseline, Number(sluice?.rate.median) / Number(baseline?.rate.median))
  t.match(report.machine, { node: process.version, packages: { undici: /^\d/ } })
  const [figures = '', picture = ''] = readdirSync(folder)
  t.strictSame(JSON.parse(readFileSync(join(folder, figures), 'utf8')), report)
  t.match(readFileSync(join(folder, picture), 'utf8'), /^<svg[\s\S]+node-fetch[\s\S]+<\/svg>\s*$/)
})

t.test('a wrong body fails every client and exits with code 1', { skip }, async (t) => {
  const { code, stdout, stderr } = await bench(...tiny, '--workload', 'json 1x1', '--spoil', '--json', '--results', '-')
  t.equal(code, 1)
  const [table] = (JSON.parse(stdout) as Report).results
  if (table?.kind !== 'throughput') throw new Error('no table')
  t.ok(table.rows.length >= 8)
  for (const { client, failure } of table.rows) {
    t.match(failure, /wrong response/, client)
    t.match(stderr, `FAILED json 1x1, ${client}: `)
  }
})

t.test('--markdown prints one row for each workload', { skip }, async (t) => {
  const given = ['--only', 'sluice,undici,baseline', '--workload', 'dispatch 1x1', '--markdown', '--results', '-']
  const { code, stdout } = await bench(...tiny, ...given)
  t.equal(code, 0)
  t.match(stdout, /^`node dist\/bench\/run\.js .*--markdown/)
  const cells = stdout.split('\n').filter((line) => line.startsWith('|'))
  t.equal(cells.length, 3)
  t.match(cells[2], /^\| dispatch, 1 connection, pipelining 1 \(requests\/s\) \| [\d ]+ \|.*\| \d+\.\d\d× \|$/)
})

t.test('prints a legend of the columns, and the percentiles at a fixed rate', { skip }, async (t) => {
  const given = ['--only', 'sluice,baseline', '--workload', 'rate', '--results', '-']
  const { code, stdout, stderr } = await bench(...tiny, ...given)
  t.equal(code, 0, stderr)
  for (const entry of ['baseline ', 'CPU µs ', 'p50 … p99.9 ', 'peak ', 'origin ']) t.match(stdout, `\n${entry}`)
  t.match(stdout, / CPU µs +p50 µs +p99 +p99\.9 +peak +origin\n/)
  t.match(stdout, /\n {2}sluice .*×.*( {2,}\d[\d .]*){3} +\d+ MB/)
})

t.test('measures every curve', { skip }, async (t) => {
  const runner = await Runner.start({ packages: packages(), affinity: await affinity() })
  t.teardown(() => runner.close())
  for (const workload of workloads) {
    if (workload.kind !== 'curve') continue
    const result = await measure(runner, { ...workload, sizes: [20] }, { ...options, only: ['sluice', 'undici'] })
    if (result.kind !== 'curve') throw new Error('no curve')
    t.strictSame(failures([result]), [], workload.name)
    for (const { client, values } of result.series) {
      const measured = values.filter((value) => value !== null && (value.median > 0 || workload.name === 'idle'))
      t.equal(measured.length, 1, `${workload.name}, ${client}`)
    }
  }
})

t.test('measures at a fixed rate, and over TLS', { skip }, async (t) => {
  const runner = await Runner.start({ packages: packages(), affinity: await affinity() })
  t.teardown(() => runner.close())
  const named = (name: string) => workloads.find((workload) => workload.name === name) as Workload
  const rated = await measure(runner, named('rate'), { ...options, only: ['sluice', 'node:http'] })
  t.strictSame(failures([rated]), [])
  t.ok(rated.kind === 'rate' && Number(rated.fixedRate) > 0 && rated.rows.length === 2)
  const secure = await measure(runner, { ...named('json TLS 50x1'), connections: 2 }, options)
  t.strictSame(failures([secure]), [])
  t.ok(secure.kind === 'throughput' && secure.rows.length === benchClients.length - 1)
})

t.test('selects clients by workload and mode', async (t) => {
  const named = (name: string, mode: 'quick' | 'full') => {
    const workload = workloads.find((workload) => workload.name === name) as Workload
    return participantsOf(workload, { mode, only: null }).map(({ name }) => name)
  }
  t.strictSame(named('dispatch 50x1', 'full'), ['sluice', 'undici', 'node:http', 'baseline'])
  t.strictSame(named('json 50x10', 'quick'), ['sluice', 'undici', 'undici, blocking: false', 'baseline'])
  t.ok(named('json 50x1', 'quick').includes('fetch'))
  t.notOk(named('json 50x10', 'full').includes('fetch'), 'it would open 500 connections')
})

t.test('parses options, and rejects invalid ones with a message that names the option', async (t) => {
  const {
    workloads: selected,
    rounds,
    only,
  } = parse(['--workload', 'json 50x1,TLS', '--only', 'undici blocking: false'], '')
  t.strictSame(
    selected.map(({ name }) => name),
    ['json 50x1', 'dispatch TLS 50x1', 'json TLS 50x1'],
  )
  t.strictSame(only, ['undici, blocking: false'])
  t.equal(rounds, 3)
  const wrong: [string[], RegExp][] = [
    [['--mode', 'slow'], /--mode/],
    [['--only', 'curl'], /--only: unknown client; the clients are sluice,undici/],
    [['--workload', 'nothing'], /--list/],
    [['--rounds', '0'], /--rounds/],
    [['--faster'], /--faster/],
  ]
  for (const [args, message] of wrong) t.throws(() => parse(args, ''), { message }, args.join(' '))
})
