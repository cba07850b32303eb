/** Mutation testing: applies each mutation in turn and runs the test that must fail: `--only wire/parser`, `--jobs 1`. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { type Mutation, mutationGroups } from './list.js'
import { ProjectCopy } from './project-copy.js'

const { values } = parseArgs({
  options: {
    /** Runs only mutations whose rule, file, code or test contains this text. */
    only: { type: 'string', default: '' },
    /** Replaces code by itself, so that every mutation must be reported as survived. */
    spoil: { type: 'boolean', default: false },
    jobs: { type: 'string', default: String(Math.min(4, availableParallelism())) },
    help: { type: 'boolean', default: false },
  },
})

const HELP = `make mutations ARGS='[options]'

Changes one line of the library at a time and runs the test that must fail then.

  --only TEXT   only mutations whose rule, file, code or test contains TEXT
  --jobs N      tests run at the same time (default: one per core, at most 4)
  --spoil       changes nothing: every mutation must be reported as survived`

if (values.help) {
  console.log(HELP)
  process.exit()
}

/** Time limit of one test in ms. A mutation may make it hang. */
const TEST_TIMEOUT = 120_000

/** Memory limit of one test in bytes, measured on systems that have `/proc`. A mutation may remove what bounds memory. */
const MEMORY_LIMIT = 3 * 2 ** 30
const PAGE_SIZE = 4096

type Outcome = 'passed' | 'failed' | 'hung'

/** Process groups of running tests. Tests start processes of their own. */
const processGroups = new Set<number>()
const copies = new Set<ProjectCopy>()

/** Kills running tests when this process is interrupted: they are detached and would go on without a limit. */
function endWithTests(signal: NodeJS.Signals): void {
  for (const group of processGroups) process.kill(-group, 'SIGKILL')
  for (const copy of copies) copy.remove()
  process.exit(signal === 'SIGINT' ? 130 : 143)
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, endWithTests)

function memoryOf(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]) * PAGE_SIZE
  } catch {
    return 0
  }
}

function runTest(file: string): Promise<Outcome> {
  // The limit of tap is shorter than a simulation on a busy machine takes.
  const env = { ...process.env, TAP_TIMEOUT: String(TEST_TIMEOUT / 1000) }
  const child = spawn(process.execPath, [file], { stdio: 'ignore', detached: true, env })
  const group = child.pid as number
  processGroups.add(group)
  let hung = false
  const kill = () => {
    hung = true
    process.kill(-group, 'SIGKILL')
  }
  const timeout = setTimeout(kill, TEST_TIMEOUT)
  const memoryCheck = setInterval(() => {
    if (memoryOf(group) > MEMORY_LIMIT) kill()
  }, 500)
  return new Promise((resolve) => {
    child.once('close', (code) => {
      clearTimeout(timeout)
      clearInterval(memoryCheck)
      processGroups.delete(group)
      resolve(hung ? 'hung' : code === 0 ? 'passed' : 'failed')
    })
  })
}

/** Distributes the tasks over `--jobs` workers. Each worker has its own copy of the project. */
async function distribute<Task>(
  tasks: readonly Task[],
  work: (task: Task, copy: ProjectCopy) => Promise<void>,
): Promise<void> {
  const queued = [...tasks]
  const workers = Array.from({ length: Number(values.jobs) }, async () => {
    const copy = new ProjectCopy()
    copies.add(copy)
    for (const mutation of selected) copy.restore(mutation)
    try {
      for (let task = queued.shift(); task !== undefined; task = queued.shift()) await work(task, copy)
    } finally {
      copies.delete(copy)
      copy.remove()
    }
  })
  await Promise.all(workers)
}

const selected = mutationGroups
  .flatMap(({ mutations }) => mutations)
  .filter((mutation) => JSON.stringify(mutation).includes(values.only))
const problems: string[] = []
let killed = 0

async function testMutation(mutation: Mutation, copy: ProjectCopy): Promise<void> {
  copy.apply(values.spoil ? { ...mutation, to: mutation.from } : mutation)
  const outcome = await runTest(copy.testFile(mutation.test))
  copy.restore(mutation)
  const description = `lib/${mutation.file}: ${mutation.rule}; mutated, test/${mutation.test} ${outcome}`
  console.log(outcome === 'passed' ? `SURVIVED ${description}` : `killed ${description}`)
  if (outcome === 'passed') problems.push(`survived: ${description}`)
  else killed++
}

const start = performance.now()
// A test that fails without any mutation proves nothing.
await distribute([...new Set(selected.map((mutation) => mutation.test))], async (test, copy) => {
  const outcome = await runTest(copy.testFile(test))
  if (outcome !== 'passed') problems.push(`test/${test} ${outcome} without any mutation`)
})
if (problems.length === 0) await distribute(selected, testMutation)
const seconds = ((performance.now() - start) / 1000).toFixed(0)
for (const problem of problems) console.log(`ERROR ${problem}`)
console.log(`${killed} of ${selected.length} mutations killed; ${seconds} s`)
process.exitCode = problems.length === 0 && selected.length > 0 ? 0 : 1
