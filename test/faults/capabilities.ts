import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { missing } from '../servers/program.js'

/** How packets are damaged: by the kernel's netem, or by a relay between two TUN devices where the kernel lacks it. */
export type DamageMethod = 'netem' | 'relay'

interface Ability {
  /** Why no network can be created, or false. */
  readonly lacking: string | false
  readonly damageMethod: DamageMethod
}

/** Runs a command. Returns null if it succeeded, otherwise its error output. */
function tryCommand(command: string, ...args: string[]): string | null {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  return status === 0 ? null : (stderr?.trim().split('\n')[0] ?? '') || String(error ?? `ended with ${status}`)
}

/** Checks in a temporary namespace that everything the tests need can be created. */
function probe(): { lacking: string | null; damageMethod: DamageMethod } {
  const name = `sluice-${process.pid}-probe`
  const lacking = (part: string, output: string) => ({ lacking: `can not create ${part}: ${output}`, damageMethod })
  let damageMethod: DamageMethod = 'netem'
  const space = tryCommand('ip', 'netns', 'add', name)
  if (space !== null) return lacking('network namespaces', space)
  try {
    const veth = tryCommand('ip', '-n', name, 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1')
    if (veth !== null) return lacking('veth pairs', veth)
    const netem = tryCommand('tc', '-n', name, 'qdisc', 'add', 'dev', 'v0', 'root', 'netem', 'delay', '1ms')
    if (netem === null) return { lacking: null, damageMethod }
    damageMethod = 'relay'
    const tun = tryCommand('ip', '-n', name, 'tuntap', 'add', 'dev', 't0', 'mode', 'tun')
    if (tun !== null) return lacking(`netem (${netem}) and TUN devices`, tun)
    const perl = tryCommand('perl', '-e', 'require Fcntl')
    return perl === null
      ? { lacking: null, damageMethod }
      : lacking(`netem (${netem}), and without perl TUN devices`, perl)
  } finally {
    tryCommand('ip', 'netns', 'delete', name)
  }
}

/**
 * Checks whether networks can be created.
 * @throws If not, and SLUICE_NO_SKIP is set.
 */
export function ability(): Ability {
  const damageMethod: DamageMethod = 'netem'
  if (process.platform !== 'linux') return refused('network namespaces are of Linux')
  if (process.getuid?.() !== 0) return refused('network namespaces need root')
  const tools = missing('ip', ['iproute2']) || missing('tc', ['iproute2'])
  if (tools !== false) return { lacking: tools, damageMethod }
  const found = probe()
  return found.lacking === null ? { lacking: false, damageMethod: found.damageMethod } : refused(found.lacking)
}

function refused(reason: string): Ability {
  if (process.env.SLUICE_NO_SKIP !== undefined) throw new Error(reason)
  return { lacking: reason, damageMethod: 'netem' }
}

/** Returns whether a namespace exists. */
export const namespaceExists = (name: string): boolean => existsSync(`/run/netns/${name}`)
