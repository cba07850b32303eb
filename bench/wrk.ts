import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { affinity, onCore, plainEnvironment, type Started, start } from './harness/processes.js'
import type { LoadReport } from './load/generate.js'
import { percentiles, type WrkFigures, wrkFigures } from './load/wrk-output.js'
import type { Usage } from './origin/origin.js'
import type { SceneName } from './origin/scenes.js'
import { columns, number } from './report/text.js'

const SECONDS = Number(process.env.SECONDS ?? 5)
const CONNECTIONS = 50

const bound = await affinity()

/** Runs a command on the core of the contenders; what it prints. */
function run(command: readonly string[]): Promise<string> {
  const [file = '', ...args] = onCore(bound, 'contender', command)
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
  const asked = rate === null ? [] : ['--rate', String(rate)]
  const times = ['--duration', String(SECONDS), '--warm-up', '1', '--connections', String(CONNECTIONS)]
  const report: LoadReport = JSON.parse(await run([process.execPath, script, ...asked, ...times, '--json', url]))
  const { p50, p90, p99 } = report.latency
  return { requests: report.answered, rate: report.rate, latency: { '50': p50, '90': p90, '99': p99 } }
}

interface Compared {
  title: string
  scene: SceneName
  rate: number | null
  /** What theory says, where it says something. */
  theory: string
}

const comparisons: Compared[] = [
  { title: 'as many requests as go', scene: 'small', rate: null, theory: '' },
  {
    title: 'each answer delayed by 20 ms',
    scene: 'delayed',
    rate: null,
    theory: `theory: p50 20 ms and at most ${number(CONNECTIONS / 0.02)} requests/s`,
  },
  {
    title: 'no answers for 250 ms of each second: wrk as many as go, load 1 000/s at fixed times',
    scene: 'stalling',
    rate: 1000,
    theory: 'theory, for requests that arrive at any time: p90 150 ms, p99 240 ms',
  },
]

async function compare(origin: Started, compared: Compared): Promise<void> {
  const [port] = await origin.channel.ask<number[]>('listen', { scene: compared.scene })
  const url = `http://127.0.0.1:${port}/`
  const rows = [['', 'requests/s', ...percentiles.map((at) => `p${at} ms`), 'answers it counted', 'the origin sent']]
  const contenders: [string, () => Promise<Outcome>][] = [
    ['wrk', () => byWrk(url)],
    ['load', () => byLoad(url, compared.rate)],
  ]
  for (const [name, act] of contenders) {
    const before = await origin.channel.ask<Usage>('usage')
    const { requests, rate, latency } = await act()
    const after = await origin.channel.ask<Usage>('usage')
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
    console.error('wrk is not here; on Debian: apt-get update && apt-get install wrk')
    return 1
  }
  const origin = start({ program: 'origin/main.js', place: 'origin', affinity: bound })
  try {
    console.log(`node ${process.version}, ${CONNECTIONS} connections, ${SECONDS} s each; ${bound.note}`)
    for (const compared of comparisons) await compare(origin, compared)
  } finally {
    await origin.close()
  }
  return 0
}

process.exitCode = await main()
