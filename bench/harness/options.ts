import { parseArgs } from 'node:util'
import { benchClients } from '../clients/all.js'
import { workloads } from '../workloads/all.js'
import type { Workload } from '../workloads/workload.js'
import type { BenchClient } from './client-session.js'

export interface Options {
  mode: 'quick' | 'full'
  /** Names of clients, or null for all. */
  only: readonly string[] | null
  workloads: readonly Workload[]
  rounds: number
  /** Length of each measured period in seconds. */
  seconds: number
  /** Warm-up in seconds. */
  warm: number
  output: 'text' | 'json' | 'markdown'
  node: string | null
  /** Folder for JSON and pictures, or null to write none. */
  results: string | null
  list: boolean
  /** Makes the origin answer wrongly, to show that it is noticed. */
  spoil: boolean
}

const modes = {
  quick: { rounds: 3, seconds: 0.1, warm: 0.3 },
  full: { rounds: 5, seconds: 0.75, warm: 1.5 },
}

export const help = `node dist/bench/run.js [options]
  --mode quick|full     quick: under a minute; full: all workloads, longer (default: quick)
  --only NAMES          clients, comma-separated: ${benchClients.map(({ name }) => name.replace(',', '')).join(', ')}
  --workload WORDS      workloads by name, or all whose name contains one of the words, comma-separated
  --rounds N            measured periods of each client, in alternating order
  --seconds N           length of each period
  --warm N              warm-up of each client in seconds
  --node PATH|MAJOR     the Node to measure on: a path, or 22, 24, 26 to install one
  --json, --markdown    output format, instead of tables for a terminal
  --results FOLDER      folder for JSON and pictures (default: bench/results); - for none
  --spoil               make the origin answer wrongly, to show that it is noticed
  --list                print the workloads`

/**
 * Parses the command line.
 * @throws {Error} If an option is invalid. The message names it.
 */
export function parse(args: readonly string[], results: string): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      mode: { type: 'string', default: 'quick' },
      only: { type: 'string' },
      workload: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      warm: { type: 'string' },
      node: { type: 'string' },
      results: { type: 'string', default: results },
      json: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      spoil: { type: 'boolean', default: false },
    },
  })
  const { mode } = values
  if (mode !== 'quick' && mode !== 'full') throw new Error(`--mode must be quick or full, received ${mode}`)
  return {
    mode,
    only: values.only === undefined ? null : knownClients(values.only.split(',')),
    workloads: selectWorkloads(mode, values.workload?.split(',') ?? null),
    rounds: positive('rounds', values.rounds, modes[mode].rounds),
    seconds: positive('seconds', values.seconds, modes[mode].seconds),
    warm: positive('warm', values.warm, modes[mode].warm),
    output: values.json ? 'json' : values.markdown ? 'markdown' : 'text',
    node: values.node ?? null,
    results: values.results === '-' ? null : values.results,
    list: values.list,
    spoil: values.spoil,
  }
}

function positive(name: string, given: string | undefined, fallback: number): number {
  if (given === undefined) return fallback
  const number = Number(given)
  if (!(number > 0)) throw new Error(`--${name} must be a number above 0, received ${given}`)
  return number
}

/** Removes the comma of a name: `--only` takes names without it. */
const withoutComma = (name: string): string => name.replace(',', '').trim()

function knownClients(names: readonly string[]): readonly string[] {
  const found = benchClients.filter((client) => names.some((name) => withoutComma(name) === withoutComma(client.name)))
  if (found.length < names.length)
    throw new Error(`--only: unknown client; the clients are ${benchClients.map(({ name }) => withoutComma(name))}`)
  return found.map(({ name }) => name)
}

function selectWorkloads(mode: 'quick' | 'full', words: readonly string[] | null): readonly Workload[] {
  if (words === null) return workloads.filter(({ quick }) => mode === 'full' || quick !== null)
  const found = words.flatMap((word) => {
    const exact = workloads.filter(({ name }) => name === word.trim())
    return exact.length > 0 ? exact : workloads.filter(({ name }) => name.includes(word.trim()))
  })
  if (found.length === 0) throw new Error(`--workload: no name contains ${words}; --list prints the names`)
  return [...new Set(found)]
}

const main = ['sluice', 'undici', 'undici, blocking: false', 'baseline']
const quickClients = { all: benchClients.map(({ name }) => name), main, 'main and node:http': [...main, 'node:http'] }

/** Returns the clients that take part in a workload. */
export function participantsOf(workload: Workload, options: Pick<Options, 'mode' | 'only'>): readonly BenchClient[] {
  const { mode, only } = options
  return benchClients.filter((client) => {
    const { name, apis, bounded } = client
    if (only !== null && !only.includes(name)) return false
    if (mode === 'quick' && !quickClients[workload.quick ?? 'all'].includes(name)) return false
    if (workload.kind === 'curve') return workload.benchClients.includes(name)
    // With one request at a time, `blocking: false` changes nothing.
    if (name === 'undici, blocking: false' && workload.pipelining === 1) return false
    // It would open a connection for each request in flight: ten times as many as the others.
    if (!bounded && workload.pipelining > 1) return false
    return apis.includes(workload.api)
  })
}
