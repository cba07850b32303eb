import { spawnSync } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { exitOnClosedPipe } from './harness/closed-pipe.js'
import { machine } from './harness/machine.js'
import { measure } from './harness/measure.js'
import { help, type Options, parse } from './harness/options.js'
import { install } from './harness/packages.js'
import { affinity } from './harness/processes.js'
import { failures, type Report, type Result } from './harness/results.js'
import { Runner } from './harness/runner.js'
import { save } from './report/files.js'
import { markdown } from './report/markdown.js'
import { legend, lines, preamble } from './report/text.js'
import { workloads } from './workloads/all.js'

const folder = fileURLToPath(new URL('../../bench/results', import.meta.url))

/** Resolves `--node` to a path. Installs that Node when a major version is given. */
async function nodePath(version: string): Promise<string> {
  if (!/^\d+$/.test(version)) {
    if (!existsSync(version))
      throw new Error(`--node: ${version} does not exist; give a path or a major version such as 24`)
    return version
  }
  if (process.versions.node.startsWith(`${version}.`)) return process.execPath
  const installer = new URL('../../test/runtimes/install.mjs', import.meta.url)
  return (await import(installer.href)).install(`node@${version}`).path
}

/**
 * Runs this program on another Node, the measuring process included, and returns its exit code.
 * Returns null if it is the Node that already runs.
 */
async function runOnOtherNode(version: string, args: readonly string[]): Promise<number | null> {
  const path = await nodePath(version)
  if (realpathSync(path) === realpathSync(process.execPath)) return null
  const { status, error } = spawnSync(path, [fileURLToPath(import.meta.url), ...args], { stdio: 'inherit' })
  if (error !== undefined) throw error
  return status ?? 1
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help')) return print([help])
  const options = parse(args, folder)
  if (options.list) return print(workloads.map(({ name, title }) => `${name.padEnd(36)} ${title}`))
  const status = options.node === null ? null : await runOnOtherNode(options.node, args)
  return status ?? run(options, ['node dist/bench/run.js', ...args.map(quoted)].join(' '))
}

async function run(options: Options, command: string): Promise<number> {
  const load = loadavg()[0] as number
  const packages = install()
  const cores = await affinity()
  const { mode, rounds, seconds } = options
  const start = { command, mode, rounds, seconds, machine: machine({ packages, affinity: cores, load }) }
  const runner = await Runner.start({ packages, affinity: cores, spoil: options.spoil })
  const results: Result[] = []
  try {
    if (options.output === 'text') print([...preamble(start), '', ...legend])
    for (const workload of options.workloads) {
      const result = await measure(runner, workload, options)
      results.push(result)
      if (options.output === 'text') print(lines(result))
    }
  } finally {
    await runner.close()
  }
  const report: Report = { ...start, results }
  if (options.output === 'json') print([JSON.stringify(report, null, 2)])
  if (options.output === 'markdown') print(markdown(report))
  const written = options.results === null ? [] : await save(report, options.results, packages)
  if (options.output === 'text') print(['', ...written, `took ${Math.round(performance.now() / 1000)} s`])
  const failed = failures(results)
  for (const line of failed) console.error(`FAILED ${line}`)
  return failed.length === 0 ? 0 : 1
}

const quoted = (arg: string): string => (/[\s'"]/.test(arg) ? `'${arg}'` : arg)

function print(text: readonly string[]): number {
  console.log(text.join('\n'))
  return 0
}

exitOnClosedPipe()
process.exitCode = await main(process.argv.slice(2)).catch((error: Error) => {
  console.error(error.message)
  return 1
})
