import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Channel } from './channel.js'

/** Where a process runs. */
export type Place = 'origin' | 'contender'

/** Cores that this process may use, where the platform tells. */
function allowedCores(): number[] {
  if (process.platform !== 'linux') return []
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? ''
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, index) => first + index)
  })
}

/** Which core each process is bound to; null where that can not be done, with the reason. */
export interface Affinity {
  readonly cores: Record<Place, number> | null
  readonly note: string
}

export async function affinity(): Promise<Affinity> {
  const cores = allowedCores()
  const [first, last] = [cores[0], cores.at(-1)]
  if (first === undefined || last === undefined) {
    return {
      cores: null,
      note: `processes are not bound to cores: ${process.platform} has no way that this bench knows`,
    }
  }
  if (first === last) return { cores: null, note: 'one core: the origin runs on the core of the contender' }
  const works = await new Promise<boolean>((resolve) => {
    const probe = spawn('taskset', ['-c', String(first), process.execPath, '--version'], { stdio: 'ignore' })
    probe.on('error', () => resolve(false))
    probe.on('exit', (code) => resolve(code === 0))
  })
  if (!works) return { cores: null, note: 'processes are not bound to cores: there is no taskset' }
  return { cores: { contender: first, origin: last }, note: `contenders on core ${first}, the origin on core ${last}` }
}

/**
 * Environment without what a test runner adds: its loaders and coverage are for the Node that it runs on. Node hands
 * its coverage on to children whose environment does not name it.
 */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, NODE_CHANNEL_FD: _channel, ...rest } = process.env
  return { ...rest, NODE_V8_COVERAGE: '' }
}

/** A command line that runs another one without options of a test runner: tap gives its own to each child, asked or not. */
export function withoutOptions(command: readonly string[]): readonly string[] {
  return process.platform === 'win32' ? command : ['env', '-u', 'NODE_OPTIONS', ...command]
}

/** A command line that runs another one on its core. */
export function onCore(affinity: Affinity, place: Place, command: readonly string[]): readonly string[] {
  const core = affinity.cores?.[place]
  return core === undefined ? command : ['taskset', '-c', String(core), ...command]
}

export interface Started {
  channel: Channel
  close(): Promise<void>
}

/** Starts one of the bench's programs as a process of its own, on its core. */
export function start(given: {
  /** Within dist/bench. */
  program: string
  place: Place
  affinity: Affinity
  env?: Record<string, string>
  flags?: readonly string[]
}): Started {
  const script = fileURLToPath(new URL(`../${given.program}`, import.meta.url))
  const node = [process.execPath, '--expose-gc', ...(given.flags ?? []), script]
  const [command, ...args] = onCore(given.affinity, given.place, node)
  const child = spawn(command as string, args, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...plainEnvironment(), ...given.env },
  })
  const channel = new Channel(child, given.program)
  return { channel, close: () => channel.close() }
}
