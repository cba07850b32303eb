// Simulates seeds: `--seeds 1000 --from 1`, or one seed: `SEED=123 TRACE=1`.

import './immediate.js'
import { spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { loadScriptEngine } from '../../lib/connection/engines.js'
import { cachedRuntime } from '../runtimes/runtimes.js'
import { parseFeatures } from './features.js'
import type { Figures } from './run.js'
import { World } from './world.js'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    steps: { type: 'string' },
    /** Names of features, `all` or `none`. Default: the features enabled by default. */
    features: { type: 'string' },
    /** Major versions of other Nodes that run the same seeds with their own `fetch`. */
    nodes: { type: 'string' },
    /** Number of processes that share the seeds. */
    jobs: { type: 'string', default: '1' },
  },
})
const { SEED, TRACE } = process.env
const file = fileURLToPath(import.meta.url)
const flag = values.features === undefined ? [] : ['--features', values.features]
// Most errors of a run are expected, and their stacks would take most of the time.
if (TRACE !== '1') Error.stackTraceLimit = 0
// Event-loop turns are simulated, so a closed output pipe must end the process here.
process.stdout.on('error', () => process.exit(1))
const options = {
  ...(values.steps === undefined ? {} : { steps: Number(values.steps) }),
  ...(values.features === undefined ? {} : { features: parseFeatures(values.features) }),
}

/** Runs a seed in a new process, because a failed seed leaves state behind. */
function shrink(seed: number): number | undefined {
  for (let most = 1; most < 40; most++) {
    const { status } = spawnSync(process.execPath, [file, '--steps', String(most), ...flag], {
      env: { ...process.env, SEED: String(seed), TRACE: '' },
    })
    if (status === 1) return most
  }
  return undefined
}

async function play(seed: number): Promise<Figures> {
  const onTrace = TRACE === '1' ? { onTrace: (line: string) => console.log(line) } : {}
  return new World({ seed, ...options, ...onTrace }).play()
}

function command(seed: number, most: number | undefined): string {
  const args = [...(most === undefined ? [] : ['--steps', String(most)]), ...flag].join(' ')
  return `SEED=${seed} TRACE=1 make sim${args === '' ? '' : ` ARGS="${args}"`}`
}

async function playAll(from: number, count: number): Promise<void> {
  const sum: Record<string, number> = {}
  const begin = performance.now()
  for (let seed = from; seed < from + count; seed++) {
    try {
      for (const [name, value] of Object.entries(await play(seed))) sum[name] = (sum[name] ?? 0) + value
    } catch (error) {
      console.log(`seed ${seed}: ${(error as Error).message}`)
      if (process.env.KEEP !== undefined) process.exit(1)
      console.log(command(seed, shrink(seed)))
      process.exit(1)
    }
    if ((seed - from + 1) % 10_000 === 0) console.log(`${seed - from + 1} seeds`)
  }
  const seconds = ((performance.now() - begin) / 1000).toFixed(1)
  const figures = Object.entries(sum).map(([name, value]) => `${value} ${name}`)
  console.log(`${count} seeds passed in ${seconds} s: ${figures.join(', ')}`)
}

/** Starts processes, each with a part of the seeds. */
async function share(jobs: number): Promise<void> {
  const [from, count] = [Number(values.from), Number(values.seeds)]
  const part = Math.ceil(count / jobs)
  const ends = Array.from({ length: jobs }, (_, job) => {
    const own = Math.min(part, count - job * part)
    const args = ['--from', String(from + job * part), '--seeds', String(own), ...flag]
    const child = spawn(process.execPath, [file, ...args], { stdio: 'inherit' })
    return new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 1)))
  })
  process.exitCode = Math.max(...(await Promise.all(ends)))
}

/** Runs the seeds in each installed Node, one after another. */
async function playInOthers(majors: readonly string[]): Promise<void> {
  for (const major of majors) {
    const node = await cachedRuntime(`node@${major}`)
    if (node === null) {
      console.log(`Node ${major} is skipped: node test/runtimes/install.mjs node@${major} installs it`)
      continue
    }
    console.log(`Node ${node.version}`)
    const args = ['--from', values.from, '--seeds', values.seeds, ...flag]
    const { status } = spawnSync(node.path, [file, ...args], { stdio: 'inherit' })
    if (status !== 0) process.exitCode = 1
  }
}

// The default listener prints warnings; each run has its own listener.
process.removeAllListeners('warning')
await loadScriptEngine()
if (SEED !== undefined) {
  try {
    console.log(JSON.stringify(await play(Number(SEED))))
  } catch (error) {
    console.log((error as Error).stack)
    process.exit(1)
  }
} else if (values.nodes !== undefined) await playInOthers(values.nodes.split(','))
else if (Number(values.jobs) > 1) await share(Number(values.jobs))
else await playAll(Number(values.from), Number(values.seeds))
