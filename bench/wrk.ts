import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { affinity, type BenchProcess, onCore, plainEnvironment, start } from './harness/processes.js'
import type { LoadReport } from './load/generate.js'
import { percentiles, type WrkFigures, wrkFigures } from './load/wrk-output.js'
import type { Usage } from './origin/origin.js'
import type { ScenarioName } from './origin/scenarios.js'
import { columns, number } from './report/text.js'

const SECONDS = Number(process.env.SECONDS ?? 5)
const CONNECTIONS = 50

const cores = await affinity()

/** Runs a command on the core of the clients and returns its output. */
function run(command: readonly string[]): Promise<string> {
  const [file = '', ...args] = onCore(cores, 'client', command)
  return new Promise((resolve, reject) => {
    execFile(file, args, { env: plainEnvironment() }, (error, stdout) =>
      error === null ? resolve(stdout) : reject(error),
    )
  })
}

interface Outcome {
  requests: number
  rate: number
  /** µs */
  latency: Record<string, number>
}

async function byWrk(url: string): Promise<Outcome> {
  const output = await run(['wrk', '-t1', `-c${CONNECTIONS}`, `-d${SECONDS}s`, '--latency', url])
  const { requests, rate, latency }: WrkFigures = wrkFigures(output)
  return { requests, rate, latency }
}

async function byLoad(url: string, rate: number | null): Promise<Outcome> {
  const script = fileURLToPath(new URL('load.js', import.meta.url))
  const rateOption = rate === null ? [] : ['--rate', String(rate)]
  const times = ['--duration', String(SECONDS), '--warm-up', '1', '--connections', String(CONNECTIONS)]
  const report: LoadReport = JSON.parse(await run([process.execPath, script, ...rateOption, ...times, '--json', url]))
  const { p50, p90, p99 } = report.latency
  return { requests: report.answered, rate: report.rate, latency: { '50': p50, '90': p90, '99': p99 } }
}

interface Compared {
  title: string
  scenario: ScenarioName
  rate: number | null
  /** Values that theory predicts, or an empty string. */
  theory: string
}

const comparisons: Compared[] = [
  { title: 'as many requests as possible', scenario: 'small', rate: null, theory: '' },
  {
    title: 'each response delayed by 20 ms',
    scenario: 'delayed',
    rate: null,
    theory: `theory: p50 20 ms and at most ${number(CONNECTIONS / 0.02)} requests/s`,
  },
  {
    title: 'no responses for 250 ms of each second: wrk sends as many as possible, load 1 000/s at fixed times',
    scenario: 'stalling',
    rate: 1000,
    theory: 'theory, for requests that arrive at any time: p90 150 ms, p99 240 ms',
  },
]

async function compare(origin: BenchProcess, compared: Compared): Promise<void> {
  const [port] = await origin.channel.call<number[]>('listen', { scenario: compared.scenario })
  const url = `http://127.0.0.1:${port}/`
  const rows = [['', 'requests/s', ...percentiles.map((at) => `p${at} ms`), 'responses counted', 'sent by the origin']]
  const generators: [string, () => Promise<Outcome>][] = [
    ['wrk', () => byWrk(url)],
    ['load', () => byLoad(url, compared.rate)],
  ]
  for (const [name, act] of generators) {
    const before = await origin.channel.call<Usage>('usage')
    const { requests, rate, latency } = await act()
    const after = await origin.channel.call<Usage>('usage')
    const sent = after.responses - before.responses
    const ms = percentiles.map((at) => number((latency[at] ?? Number.NaN) / 1000))
    rows.push([name, number(rate), ...ms, number(requests), number(sent)])
  }
  console.log(['', compared.title, ...columns(rows).map((line) => `  ${line}`)].join('\n'))
  if (compared.theory !== '') console.log(`  ${compared.theory}`)
}

async function main(): Promise<number> {
  const version = await run(['wrk', '--version']).catch(
    (error: Error & { stdout?: string; code?: unknown }) => error.code,
  )
  if (version === 'ENOENT' || version === 127) {
    console.error('wrk is not installed; on Debian: apt-get update && apt-get install wrk')
    return 1
  }
  const origin = start({ program: 'origin/main.js', role: 'origin', affinity: cores })
  try {
    console.log(`node ${process.version}, ${CONNECTIONS} connections, ${SECONDS} s each; ${cores.note}`)
    for (const compared of comparisons) await compare(origin, compared)
  } finally {
    await origin.close()
  }
  return 0
}

process.exitCode = await main()
