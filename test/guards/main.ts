/** Takes each guard away, one at a time, and runs the test that must fail then: `--only wire/parser`, `--jobs 1`. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { type Guard, traps } from './guards.js'
import { Mirror } from './mirror.js'

const { values } = parseArgs({
  options: {
    /** Those alone whose file, test or text has this in it. */
    only: { type: 'string', default: '' },
    /** Take nothing away, to see that this is found out. */
    spoil: { type: 'boolean', default: false },
    jobs: { type: 'string', default: String(Math.min(4, availableParallelism())) },
  },
})

/** ms for one test: a guard may be what keeps it from hanging. */
const PATIENCE = 120_000

/** Bytes that one test may hold: a guard may be what bounds them. Measured where the system has `/proc`. */
const MOST_MEMORY = 3 * 2 ** 30
const PAGE = 4096

type Outcome = 'passed' | 'failed' | 'hung'

/** Process groups of the tests that run: a test has processes of its own. */
const groups = new Set<number>()
const mirrors = new Set<Mirror>()

/** Without this, a run that is ended leaves behind a test that nothing bounds any more. */
function endWithTests(signal: NodeJS.Signals): void {
  for (const group of groups) process.kill(-group, 'SIGKILL')
  for (const mirror of mirrors) mirror.remove()
  process.exit(signal === 'SIGINT' ? 130 : 143)
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, endWithTests)

function memoryOf(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]) * PAGE
  } catch {
    return 0
  }
}

function run(file: string): Promise<Outcome> {
  const child = spawn(process.execPath, [file], { stdio: 'ignore', detached: true })
  const group = child.pid as number
  groups.add(group)
  let hung = false
  const end = () => {
    hung = true
    process.kill(-group, 'SIGKILL')
  }
  const alarm = setTimeout(end, PATIENCE)
  const watch = setInterval(() => {
    if (memoryOf(group) > MOST_MEMORY) end()
  }, 500)
  return new Promise((resolve) => {
    child.once('close', (code) => {
      clearTimeout(alarm)
      clearInterval(watch)
      groups.delete(group)
      resolve(hung ? 'hung' : code === 0 ? 'passed' : 'failed')
    })
  })
}

/** Hands the tasks out to as many workers, each with a mirror of its own. */
async function each<Task>(tasks: readonly Task[], work: (task: Task, mirror: Mirror) => Promise<void>): Promise<void> {
  const waiting = [...tasks]
  const workers = Array.from({ length: Number(values.jobs) }, async () => {
    const mirror = new Mirror()
    mirrors.add(mirror)
    for (const guard of chosen) mirror.giveBack(guard)
    try {
      for (let task = waiting.shift(); task !== undefined; task = waiting.shift()) await work(task, mirror)
    } finally {
      mirrors.delete(mirror)
      mirror.remove()
    }
  })
  await Promise.all(workers)
}

const chosen = traps.flatMap(({ guards }) => guards).filter((guard) => JSON.stringify(guard).includes(values.only))
const missed: string[] = []
let noticed = 0

async function takeAway(guard: Guard, mirror: Mirror): Promise<void> {
  mirror.take(values.spoil ? { ...guard, to: guard.from } : guard)
  const outcome = await run(mirror.test(guard.test))
  mirror.giveBack(guard)
  const told = `lib/${guard.file}: ${guard.keeps}; without it test/${guard.test} ${outcome}`
  console.log(outcome === 'passed' ? `MISSED ${told}` : told)
  if (outcome === 'passed') missed.push(told)
  else noticed++
}

const begin = performance.now()
// A test that fails anyway notices nothing.
await each([...new Set(chosen.map((guard) => guard.test))], async (test, mirror) => {
  const outcome = await run(mirror.test(test))
  if (outcome !== 'passed') missed.push(`test/${test} ${outcome} with all guards in place`)
})
if (missed.length === 0) await each(chosen, takeAway)
const seconds = ((performance.now() - begin) / 1000).toFixed(0)
for (const told of missed) console.log(`not good: ${told}`)
console.log(`${noticed} of ${chosen.length} guards: their test fails without them; ${seconds} s`)
process.exitCode = missed.length === 0 && chosen.length > 0 ? 0 : 1
