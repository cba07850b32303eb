/** Plays seeds: `--seeds 1000` from `--from 1`, or one: `SEED=123 TRACE=1`. */
import './immediate.js'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { loadScriptEngine } from '../../lib/connection/engines.js'
import { type Figures, World } from './world.js'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    steps: { type: 'string' },
  },
})
const { SEED, TRACE } = process.env
// Most errors of a run are part of it: their stacks take longer than all the rest.
if (TRACE !== '1') Error.stackTraceLimit = 0
// Turns of the loop are the simulation's: nobody else would end it when its reader has gone.
process.stdout.on('error', () => process.exit(1))
const steps = values.steps === undefined ? {} : { steps: Number(values.steps) }

/** Its own process, because a seed that fails leaves things behind. */
function shrink(seed: number): number | undefined {
  for (let most = 1; most < 40; most++) {
    const { status } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), '--steps', String(most)], {
      env: { ...process.env, SEED: String(seed), TRACE: '' },
    })
    if (status === 1) return most
  }
  return undefined
}

async function play(seed: number): Promise<Figures> {
  const onTrace = TRACE === '1' ? { onTrace: (line: string) => console.log(line) } : {}
  return new World({ seed, ...steps, ...onTrace }).play()
}

function told(seed: number, most: number | undefined): string {
  return `SEED=${seed} TRACE=1 make sim${most === undefined ? '' : ` ARGS="--steps ${most}"`}`
}

async function all(): Promise<void> {
  const sum: Record<string, number> = {}
  const from = Number(values.from)
  const count = Number(values.seeds)
  const begin = performance.now()
  for (let seed = from; seed < from + count; seed++) {
    try {
      for (const [name, value] of Object.entries(await play(seed))) sum[name] = (sum[name] ?? 0) + value
    } catch (error) {
      console.log(`seed ${seed}: ${(error as Error).message}`)
      if (process.env.KEEP !== undefined) process.exit(1)
      console.log(told(seed, shrink(seed)))
      process.exit(1)
    }
    if ((seed - from + 1) % 10_000 === 0) console.log(`${seed - from + 1} seeds`)
  }
  const seconds = ((performance.now() - begin) / 1000).toFixed(1)
  const told_ = Object.entries(sum).map(([name, value]) => `${value} ${name}`)
  console.log(`${count} seeds held in ${seconds} s: ${told_.join(', ')}`)
}

// The default listener prints: warnings are heard by each run.
process.removeAllListeners('warning')
await loadScriptEngine()
if (SEED === undefined) await all()
else {
  try {
    console.log(JSON.stringify(await play(Number(SEED))))
  } catch (error) {
    console.log((error as Error).stack)
    process.exit(1)
  }
}
