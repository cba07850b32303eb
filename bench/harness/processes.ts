import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Channel } from './channel.js'

/** What a process does. Each role has its own core. */
export type Role = 'origin' | 'client'

/** Returns the cores that this process may use, or none where the platform does not report them. */
function allowedCores(): number[] {
  if (process.platform !== 'linux') return []
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? ''
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, index) => first + index)
  })
}

/** The core of each role, or null with the reason where processes can not be bound to cores. */
export interface Affinity {
  readonly cores: Record<Role, number> | null
  readonly note: string
}

export async function affinity(): Promise<Affinity> {
  const cores = allowedCores()
  const [first, last] = [cores[0], cores.at(-1)]
  if (first === undefined || last === undefined) {
    return {
      cores: null,
      note: `processes are not bound to cores: not supported on ${process.platform}`,
    }
  }
  if (first === last) return { cores: null, note: 'one core: origin and client share it' }
  const works = await new Promise<boolean>((resolve) => {
    const probe = spawn('taskset', ['-c', String(first), process.execPath, '--version'], { stdio: 'ignore' })
    probe.on('error', () => resolve(false))
    probe.on('exit', (code) => resolve(code === 0))
  })
  if (!works) return { cores: null, note: 'processes are not bound to cores: taskset is not installed' }
  return { cores: { client: first, origin: last }, note: `clients on core ${first}, origin on core ${last}` }
}

/**
 * Returns the environment without the settings of a test runner: its loaders and coverage only fit the Node that it runs
 * on. NODE_V8_COVERAGE is set to an empty string, because Node passes it on to children whose environment lacks it.
 */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, NODE_CHANNEL_FD: _channel, ...rest } = process.env
  return { ...rest, NODE_V8_COVERAGE: '' }
}

/** Returns a command line without NODE_OPTIONS: tap adds its own options to every child process. */
export function withoutOptions(command: readonly string[]): readonly string[] {
  return process.platform === 'win32' ? command : ['env', '-u', 'NODE_OPTIONS', ...command]
}

/** Returns a command line that runs `command` on the core of its role. */
export function onCore(affinity: Affinity, role: Role, command: readonly string[]): readonly string[] {
  const core = affinity.cores?.[role]
  return core === undefined ? command : ['taskset', '-c', String(core), ...command]
}

export interface BenchProcess {
  channel: Channel
  close(): Promise<void>
}

/** Starts a program of the bench as a child process, on the core of its role. */
export function start(given: {
  /** Path below dist/bench. */
  program: string
  role: Role
  affinity: Affinity
  env?: Record<string, string>
  flags?: readonly string[]
}): BenchProcess {
  const script = fileURLToPath(new URL(`../${given.program}`, import.meta.url))
  const node = [process.execPath, '--expose-gc', ...(given.flags ?? []), script]
  const [command, ...args] = onCore(given.affinity, given.role, node)
  const child = spawn(command as string, args, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...plainEnvironment(), ...given.env },
  })
  const channel = new Channel(child, given.program)
  return { channel, close: () => channel.close() }
}
