import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import type { LoadReport } from '../../bench/load/generate.js'
import { parse } from '../../bench/load/options.js'
import { wrkFigures } from '../../bench/load/wrk-output.js'
import { Origin } from '../../bench/origin/origin.js'
import type { ScenarioName } from '../../bench/origin/scenarios.js'
import { run } from '../runtimes/runtimes.js'
import { missing } from './packages.js'

const script = fileURLToPath(new URL('../../bench/load.js', import.meta.url))
const load = (...args: string[]) => run(process.execPath, [script, ...args])

async function listen(t: Test, scenario: ScenarioName): Promise<{ origin: Origin; url: string }> {
  const origin = new Origin()
  const url = `http://127.0.0.1:${await origin.listen(scenario)}/`
  t.teardown(() => origin.close())
  return { origin, url }
}

t.test(
  'sends the requested number of requests per second and writes the latency distribution',
  { skip: missing() },
  async (t) => {
    const { origin, url } = await listen(t, 'small')
    const file = join(mkdtempSync(join(tmpdir(), 'sluice-load-')), 'latency.hgrm')
    const given = ['--rate', '500', '--duration', '0.4', '--warm-up', '0.1', '--connections', '5']
    const { code, stdout } = await load(...given, '--json', '--hgrm', file, url)
    t.equal(code, 0)
    const report: LoadReport = JSON.parse(stdout)
    t.equal(report.requests, 200)
    t.equal(report.sent, 250)
    t.equal(origin.responses, 250)
    t.strictSame(report.outcomes, { 200: 250 })
    t.equal(report.latency.samples, 200)
    t.match(readFileSync(file, 'utf8'), /^ +Value +Percentile +TotalCount[\s\S]+ 200 +[\s\S]+#\[Max/m)
  },
)

t.test('without --rate, sends as many requests as possible', { skip: missing() }, async (t) => {
  const { origin, url } = await listen(t, 'small')
  const { code, stdout } = await load('--duration', '0.2', '--warm-up', '0.1', '--connections', '3', url)
  t.equal(code, 0)
  t.match(stdout, /^responses +[\d ]+ in [\d.]+ s: [\d .]+\/s$/m)
  t.match(
    stdout,
    new RegExp(`200: ${origin.responses}$`.replace(/\B(?=(\d{3})+\$)/g, ' '), 'm'),
    'counts the responses that the origin sent',
  )
  for (const percentile of ['50', '99.9', '99.999']) t.match(stdout, new RegExp(`^ +${percentile} % +[\\d .]+$`, 'm'))
})

t.test(
  'exits with code 1 after an error status, a refused connection or a missing response',
  { skip: missing() },
  async (t) => {
    const { url } = await listen(t, 'post')
    const given = ['--rate', '100', '--duration', '0.1', '--warm-up', '0']
    const badStatus = await load(...given, '--json', url)
    t.equal(badStatus.code, 1)
    t.strictSame(JSON.parse(badStatus.stdout).outcomes, { 400: 10 })
    const noServer = await load(
      '--duration',
      '0.1',
      '--warm-up',
      '0',
      '--connections',
      '2',
      '--json',
      'http://127.0.0.1:1/',
    )
    t.equal(noServer.code, 1)
    t.strictSame(Object.keys(JSON.parse(noServer.stdout).outcomes), ['ECONNREFUSED'])
    const stalling = await listen(t, 'delayed')
    const timedOut = await load(...given, '--timeout', '0.001', '--json', stalling.url)
    t.equal(timedOut.code, 1)
  },
)

t.test('parses options, and rejects invalid ones with a message that names the option', async (t) => {
  const url = 'http://localhost:3000/a?b=c'
  t.match(parse([url]), { rate: null, duration: 10, connections: 50, pipelining: 1, method: 'GET', body: null })
  const given = ['--body', 'hello', '--header', 'x-a: b:c', '--rate', '10.5', '--status', '201', '--timeout', '1']
  t.match(parse([...given, url]), { method: 'POST', headers: { 'x-a': 'b:c' }, rate: 10.5, status: 201, timeout: 1 })
  const wrong: [string[], RegExp][] = [
    [[], /one URL/],
    [['http://example.com/'], /not this machine/],
    [['http://127.0.0.1.example.com/'], /not this machine/],
    [['ftp://localhost/'], /http: or https:/],
    [[url, '--rate', '0'], /--rate/],
    [[url, '--rate', 'much'], /--rate/],
    [[url, '--connections', '1.5'], /--connections/],
    [[url, '--header', 'x'], /--header/],
    [[url, '--speed', '1'], /--speed/],
  ]
  for (const [args, message] of wrong) t.throws(() => parse(args), { message }, args.join(' '))
})

t.test('parses the output of wrk', async (t) => {
  const output = `Running 3s test @ http://127.0.0.1:41001/
  1 threads and 50 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.67ms    3.05ms  73.28ms   97.38%
    Req/Sec    39.79k     9.18k   52.66k    74.19%
  Latency Distribution
     50%  980.00us
     75%    1.71ms
     90%    2.65ms
     99%    1.05s 
  122683 requests in 3.10s, 22.12MB read
Requests/sec:  39569.16
Transfer/sec:      7.13MB
`
  t.strictSame(wrkFigures(output), {
    requests: 122683,
    rate: 39569.16,
    latency: { 50: 980, 75: 1710, 90: 2650, 99: 1_050_000 },
  })
  t.throws(() => wrkFigures('unable to connect'), { message: /unable to connect/ })
})
