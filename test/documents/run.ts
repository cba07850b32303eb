import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import type { Block } from './blocks.js'
import type { Scene } from './example-servers.js'
import type { Plan } from './plan.js'

/** Result of an example. */
export interface Outcome {
  /** Exit code, or null if it was killed. */
  code: number | null
  /** Lines of its output, without parts that differ between runs. */
  output: string[]
  /** Lines of its error output. */
  errorOutput: string[]
}

const LONGEST = 30_000
const preload = new URL('./preload.js', import.meta.url).href
let files = 0

/** The module to import instead of undici, and the Node to run it on. */
export interface Stage {
  library: URL
  node: string
  scene: Scene
}

/** Runs an example in a new process. */
export function run(block: Block, plan: Plan, { library, node, scene }: Stage): Promise<Outcome> {
  const extension = block.language === 'cjs' ? 'cjs' : 'mjs'
  const file = join(scene.folder, `${block.document}-${block.line}-${++files}.${extension}`)
  writeFileSync(file, program(block, plan, { library, scene }))
  const flags = ['--import', preload, '--disable-warning=ExperimentalWarning']
  const env = {
    PATH: process.env.PATH,
    // Otherwise Node passes on its own value, to other Node versions too.
    NODE_V8_COVERAGE: '',
    EXAMPLE_ADDRESSES: JSON.stringify(scene.addresses),
    ...(plan.trusts ? { NODE_EXTRA_CA_CERTS: scene.authorityFile } : {}),
  }
  return new Promise((resolve) => {
    const options = { cwd: scene.folder, env, timeout: LONGEST, killSignal: 'SIGKILL' as const }
    execFile(node, [...flags, file], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null
      resolve({ code, output: steady(stdout), errorOutput: steady(stderr) })
    })
  })
}

/** Returns the source to run: the example with other imports, and the additions of its plan. */
export function program(block: Block, plan: Plan, { library, scene }: Omit<Stage, 'node'>): string {
  const parts = [plan.before, block.text, plan.behind].filter((part) => part !== undefined)
  let text = parts.join('\n')
  if (plan.placeholder !== undefined) text = text.replaceAll(plan.placeholder, scene.fingerprint)
  if (plan.runtimeFetch) text = text.replace(/^(import \{.*?),? fetch( \} from 'undici')$/m, '$1$2')
  const target = block.language === 'cjs' ? fileURLToPath(library) : library.href
  text = text.replace(/(\bfrom |\bimport\(|\brequire\()'undici'/g, `$1${JSON.stringify(target)}`)
  if (block.language !== 'ts') return text
  return ts.transpile(text, { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext })
}

/** Removes ports and dates, which differ between runs. */
function steady(text: string): string[] {
  const same = text
    .replace(/(localhost|127\.0\.0\.1|\[::1\]):\d{4,5}\b/g, (whole, host: string) =>
      /:(300[0-2]|8000)$/.test(whole) ? whole : `${host}:PORT`,
    )
    .replace(/\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT/g, 'DATE')
  return same.split('\n').filter((line) => line !== '')
}
