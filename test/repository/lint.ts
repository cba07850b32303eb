import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { docstringProblems, missingExamples } from './docstrings.js'
import { type Prose, proseOfMarkdown, proseOfSource, wordProblems } from './words.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** Folders and files whose words and docstrings are checked. */
const CHECKED = ['CHANGELOG.md', 'README.md', 'bench/', 'lib/', 'test/', 'wasm/']

/** Files that quote the words which they rule out. */
const QUOTING = ['test/repository/words.ts', 'test/repository.test.ts']

/** Public symbols that need an `@example`, by file. */
const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  'lib/dispatcher/agent.ts': ['Agent'],
  'lib/dispatcher/balanced-pool.ts': ['BalancedPool'],
  'lib/dispatcher/client.ts': ['Client'],
  'lib/dispatcher/discover.ts': ['discover'],
  'lib/dispatcher/dispatcher.ts': ['compose', 'connect', 'dispatch', 'pipeline', 'request', 'stream', 'upgrade'],
  'lib/dispatcher/health-check.ts': ['HealthCheck'],
  'lib/dispatcher/pool.ts': ['Pool'],
  'lib/dispatcher/round-robin-pool.ts': ['RoundRobinPool'],
  'lib/dispatcher/strategies.ts': ['leastRequests', 'peakEwma'],
  'lib/proxy/env-http-proxy-agent.ts': ['EnvHttpProxyAgent'],
  'lib/proxy/proxy-agent.ts': ['ProxyAgent'],
  'lib/balance/outlier-detection.ts': ['OutlierDetection'],
  'lib/global/functions.ts': ['connect', 'pipeline', 'request', 'stream', 'upgrade'],
  'lib/global/global-dispatcher.ts': ['getGlobalDispatcher', 'setGlobalDispatcher'],
  'lib/global/install.ts': ['install'],
  'lib/interceptors/decompress.ts': ['decompress'],
  'lib/interceptors/dns.ts': ['dns'],
  'lib/interceptors/dns-upstreams.ts': ['dnsUpstreams'],
  'lib/interceptors/dump.ts': ['dump'],
  'lib/interceptors/hedge.ts': ['hedge'],
  'lib/interceptors/latency.ts': ['latency', 'LatencyRecorder'],
  'lib/interceptors/redirect.ts': ['redirect'],
  'lib/interceptors/response-error.ts': ['responseError'],
  'lib/interceptors/retry.ts': ['retry'],
  'lib/interceptors/retry-agent.ts': ['RetryAgent'],
  'lib/transport/connect.ts': ['buildConnector'],
}

/** Checks the words and docstrings of the files of the repository below `folders`; returns one line for each problem. */
export function lint(folders: readonly string[]): string[] {
  const files = execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).trim().split('\n')
  const chosen = files.filter(
    (path) => folders.some((folder) => path.startsWith(folder)) && !/\.generated\./.test(path),
  )
  return chosen.flatMap((path) => problemsOf(path, () => readFileSync(join(root, path), 'utf8')))
}

function problemsOf(path: string, read: () => string): string[] {
  if (path.endsWith('.md')) return inProse(path, proseOfMarkdown(read()))
  if (!/\.(ts|mjs|js)$/.test(path)) return []
  const text = read()
  const words = QUOTING.includes(path) ? [] : inProse(path, proseOfSource(path, text))
  if (!path.startsWith('lib/')) return words
  return [...words, ...docstringProblems(path, text), ...missingExamples(path, text, EXAMPLES)]
}

function inProse(path: string, prose: readonly Prose[]): string[] {
  return prose.flatMap(({ line, text }) => wordProblems(text).map((problem) => `${path}:${line}: ${problem}`))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folders = process.argv.slice(2)
  const problems = lint(folders.length > 0 ? folders : CHECKED)
  for (const problem of problems) console.log(problem)
  if (problems.length > 0) console.log(`${problems.length} problems of words or docstrings`)
  process.exitCode = problems.length > 0 ? 1 : 0
}
