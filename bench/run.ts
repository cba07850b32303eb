import { spawnSync } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { machine } from './harness/machine.js'
import { measure } from './harness/measure.js'
import { help, type Options, parse } from './harness/options.js'
import { install } from './harness/packages.js'
import { affinity } from './harness/processes.js'
import { failures, type Report, type Result } from './harness/results.js'
import { Runner } from './harness/runner.js'
import { save } from './report/files.js'
import { markdown } from './report/markdown.js'
import { lines, opening } from './report/text.js'
import { workloads } from './workloads/all.js'

const folder = fileURLToPath(new URL('../../bench/results', import.meta.url))

/** The path of a Node: given as it is, or installed by its major version. */
async function nodePath(wanted: string): Promise<string> {
  if (!/^\d+$/.test(wanted)) {
    if (!existsSync(wanted)) throw new Error(`--node: there is no ${wanted}`)
    return wanted
  }
  if (process.versions.node.startsWith(`${wanted}.`)) return process.execPath
  const installer = new URL('../../test/runtimes/install.mjs', import.meta.url)
  return (await import(installer.href)).install(`node@${wanted}`).path
}

/** All of it again on another Node: whoever measures is measured too. */
async function elsewhere(wanted: string, args: readonly string[]): Promise<number | null> {
  const path = await nodePath(wanted)
  if (realpathSync(path) === realpathSync(process.execPath)) return null
  const { status, error } = spawnSync(path, [fileURLToPath(import.meta.url), ...args], { stdio: 'inherit' })
  if (error !== undefined) throw error
  return status ?? 1
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help')) return say([help])
  const options = parse(args, folder)
  if (options.list) return say(workloads.map(({ name, title }) => `${name.padEnd(36)} ${title}`))
  const status = options.node === null ? null : await elsewhere(options.node, args)
  return status ?? run(options, ['node dist/bench/run.js', ...args.map(quoted)].join(' '))
}

async function run(options: Options, command: string): Promise<number> {
  const load = loadavg()[0] as number
  const packages = install()
  const bound = await affinity()
  const { mode, rounds, seconds } = options
  const start = { command, mode, rounds, seconds, machine: machine({ packages, affinity: bound, load }) }
  const runner = await Runner.start({ packages, affinity: bound, spoil: options.spoil })
  const results: Result[] = []
  try {
    if (options.output === 'text') say(opening(start))
    for (const workload of options.workloads) {
      const result = await measure(runner, workload, options)
      results.push(result)
      if (options.output === 'text') say(lines(result))
    }
  } finally {
    await runner.close()
  }
  const report: Report = { ...start, results }
  if (options.output === 'json') say([JSON.stringify(report, null, 2)])
  if (options.output === 'markdown') say(markdown(report))
  const written = options.results === null ? [] : await save(report, options.results, packages)
  if (options.output === 'text') say(['', ...written, `took ${Math.round(performance.now() / 1000)} s`])
  const wrong = failures(results)
  for (const line of wrong) console.error(`FAILED ${line}`)
  return wrong.length === 0 ? 0 : 1
}

const quoted = (arg: string): string => (/[\s'"]/.test(arg) ? `'${arg}'` : arg)

function say(text: readonly string[]): number {
  console.log(text.join('\n'))
  return 0
}

process.exitCode = await main(process.argv.slice(2)).catch((error: Error) => {
  console.error(error.message)
  return 1
})
