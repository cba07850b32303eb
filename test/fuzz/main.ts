import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { cachedRuntime } from '../runtimes/runtimes.js'
import { isTarget, type Report, type Shared, TARGETS, type Target } from './targets.js'

const USAGE = `make fuzz ARGS='--target ${Object.keys(TARGETS).join('|')} --runs 100000 --seed 1'; all by default`

/** Seconds without a finished input after which the target counts as hanging. */
const HANGS = 120

function share(): Shared {
  return { runs: new SharedArrayBuffer(4), length: new SharedArrayBuffer(4), input: new SharedArrayBuffer(1 << 20) }
}

function inputOf({ length, input }: Shared): string {
  const bytes = Buffer.from(new Uint8Array(input, 0, Atomics.load(new Int32Array(length), 0)))
  return bytes.toString()
}

/** Runs a target in a worker thread, so that a hanging one is detected. */
function run(target: Target, given: { runs: number; seed: number }): Promise<Report> {
  const shared = share()
  const worker = new Worker(new URL('./worker.js', import.meta.url), {
    workerData: { target, ...given, shared },
    resourceLimits: { maxOldGenerationSizeMb: 512 },
  })
  const counter = new Int32Array(shared.runs)
  let last = -1
  let still = 0
  return new Promise((resolve, reject) => {
    const watch = setInterval(() => {
      const now = Atomics.load(counter, 0)
      still = now === last ? still + 10 : 0
      last = now
      if (still >= HANGS) worker.emit('error', new Error(`no run ended in ${HANGS} s`))
    }, 10_000)
    worker.once('message', (report: Report) => {
      clearInterval(watch)
      resolve(report)
    })
    worker.once('error', (error) => {
      clearInterval(watch)
      void worker.terminate()
      reject(new Error(`run ${Atomics.load(counter, 0)}: ${error.stack}\ninput: ${inputOf(shared)}`))
    })
  })
}

const { values } = parseArgs({
  options: {
    target: { type: 'string', default: 'all' },
    runs: { type: 'string', default: '100000' },
    seed: { type: 'string' },
    /** Major versions of other Nodes that run the targets, with their own `fetch`. */
    nodes: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
const target = values.target
if (values.help || (target !== 'all' && !isTarget(target))) {
  console.log(USAGE)
  process.exit(values.help ? 0 : 1)
}
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed)

async function runAll(): Promise<void> {
  const chosen = isTarget(target) ? [target] : (Object.keys(TARGETS) as Target[])
  for (const name of chosen) {
    try {
      const report = await run(name, { runs: Number(values.runs), seed })
      const { runs, seconds, summary } = report
      console.log(`${name}: ${runs} executions, seed ${seed}, ${Math.round(seconds)} s; ${summary}; no finding`)
    } catch (error) {
      console.log(`${name}: seed ${seed}: ${(error as Error).message}`)
      console.log(`again: make fuzz ARGS='--target ${name} --runs ${values.runs} --seed ${seed}'`)
      process.exitCode = 1
    }
  }
}

/** Runs the targets in each installed Node, one after another. */
async function runInOthers(majors: readonly string[]): Promise<void> {
  const args = ['--target', target, '--runs', values.runs, '--seed', String(seed)]
  for (const major of majors) {
    const node = await cachedRuntime(`node@${major}`)
    if (node === null) {
      console.log(`Node ${major} is skipped: node test/runtimes/install.mjs node@${major} installs it`)
      continue
    }
    console.log(`Node ${node.version}`)
    const { status } = spawnSync(node.path, [fileURLToPath(import.meta.url), ...args], { stdio: 'inherit' })
    if (status !== 0) process.exitCode = 1
  }
}

if (values.nodes === undefined) await runAll()
else await runInOthers(values.nodes.split(','))
