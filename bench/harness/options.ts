import { parseArgs } from 'node:util'
import { contenders } from '../contenders/all.js'
import { workloads } from '../workloads/all.js'
import type { Workload } from '../workloads/workload.js'
import type { Contender } from './session.js'

export interface Options {
  mode: 'quick' | 'full'
  /** Names of contenders; null for all. */
  only: readonly string[] | null
  workloads: readonly Workload[]
  rounds: number
  /** Seconds of each measured stretch. */
  seconds: number
  /** Seconds before the first of them. */
  warm: number
  output: 'text' | 'json' | 'markdown'
  node: string | null
  /** Where files are written; null for nowhere. */
  results: string | null
  list: boolean
  /** The origin answers what it should not. */
  spoil: boolean
}

const modes = {
  quick: { rounds: 3, seconds: 0.1, warm: 0.3 },
  full: { rounds: 5, seconds: 0.75, warm: 1.5 },
}

export const help = `node dist/bench/run.js [options]
  --mode quick|full     quick: under a minute; full: all workloads, longer (default: quick)
  --only NAMES          contenders, by commas: ${contenders.map(({ name }) => name.replace(',', '')).join(', ')}
  --workload WORDS      workloads by name, or all that have one of these words in it, by commas
  --rounds N            measured stretches of each contender, in turns
  --seconds N           length of each
  --node PATH|MAJOR     the Node to measure on: a path, or 22, 24, 26 to have one installed
  --json, --markdown    what is printed, instead of tables for a terminal
  --results FOLDER      where JSON and pictures go (default: bench/results); - for nowhere
  --spoil               let the origin answer wrong, to see that the bench finds out
  --list                names of workloads`

/** @throws {Error} an option makes no sense: it says which */
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
  if (mode !== 'quick' && mode !== 'full') throw new Error(`--mode: quick or full, not ${mode}`)
  return {
    mode,
    only: values.only === undefined ? null : known(values.only.split(',')),
    workloads: chosen(mode, values.workload?.split(',') ?? null),
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

function positive(name: string, given: string | undefined, otherwise: number): number {
  if (given === undefined) return otherwise
  const number = Number(given)
  if (!(number > 0)) throw new Error(`--${name}: a number above 0, not ${given}`)
  return number
}

/** Names have a comma in them at times: it may be left out, and so is the rest of it. */
const plain = (name: string): string => name.replace(',', '').trim()

function known(names: readonly string[]): readonly string[] {
  const found = contenders.filter((contender) => names.some((name) => plain(name) === plain(contender.name)))
  if (found.length < names.length) throw new Error(`--only: there are ${contenders.map(({ name }) => plain(name))}`)
  return found.map(({ name }) => name)
}

function chosen(mode: 'quick' | 'full', words: readonly string[] | null): readonly Workload[] {
  if (words === null) return workloads.filter(({ quick }) => mode === 'full' || quick !== null)
  const found = words.flatMap((word) => {
    const exact = workloads.filter(({ name }) => name === word.trim())
    return exact.length > 0 ? exact : workloads.filter(({ name }) => name.includes(word.trim()))
  })
  if (found.length === 0) throw new Error(`--workload: none is called ${words}; --list tells their names`)
  return [...new Set(found)]
}

const main = ['sluice', 'undici', 'undici, blocking: false', 'floor']
const quickly = { all: contenders.map(({ name }) => name), main, 'main and node:http': [...main, 'node:http'] }

/** Who takes part in a workload. */
export function fieldOf(workload: Workload, options: Pick<Options, 'mode' | 'only'>): readonly Contender[] {
  const { mode, only } = options
  return contenders.filter((contender) => {
    const { name, apis, bounded } = contender
    if (only !== null && !only.includes(name)) return false
    if (mode === 'quick' && !quickly[workload.quick ?? 'all'].includes(name)) return false
    if (workload.kind === 'curve') return workload.contenders.includes(name)
    // One request at a time: it does the same as without it.
    if (name === 'undici, blocking: false' && workload.pipelining === 1) return false
    // It would open ten times the connections.
    if (!bounded && workload.pipelining > 1) return false
    return apis.includes(workload.api)
  })
}
