import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { missing } from '../servers/program.js'

/** What spoils packets: the kernel's netem, or a relay of ours between two TUN devices where the kernel has none. */
export type Roughness = 'netem' | 'relay'

interface Ability {
  /** Why there can be no network, or false. */
  readonly lacking: string | false
  readonly roughness: Roughness
}

/** Whether a command of a probe worked; else what it said. */
function attempt(command: string, ...args: string[]): string | null {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  return status === 0 ? null : (stderr?.trim().split('\n')[0] ?? '') || String(error ?? `ended with ${status}`)
}

/** Tries out on a namespace of its own what the tests need, part by part. */
function probe(): { lacking: string | null; roughness: Roughness } {
  const name = `sluice-${process.pid}-probe`
  const lacking = (part: string, said: string) => ({ lacking: `${part} can not be made: ${said}`, roughness })
  let roughness: Roughness = 'netem'
  const space = attempt('ip', 'netns', 'add', name)
  if (space !== null) return lacking('network namespaces', space)
  try {
    const veth = attempt('ip', '-n', name, 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1')
    if (veth !== null) return lacking('veth pairs', veth)
    const netem = attempt('tc', '-n', name, 'qdisc', 'add', 'dev', 'v0', 'root', 'netem', 'delay', '1ms')
    if (netem === null) return { lacking: null, roughness }
    roughness = 'relay'
    const tun = attempt('ip', '-n', name, 'tuntap', 'add', 'dev', 't0', 'mode', 'tun')
    if (tun !== null) return lacking(`netem (${netem}) and TUN devices`, tun)
    const perl = attempt('perl', '-e', 'require Fcntl')
    return perl === null
      ? { lacking: null, roughness }
      : lacking(`netem (${netem}), and without perl TUN devices`, perl)
  } finally {
    attempt('ip', 'netns', 'delete', name)
  }
}

/** Whether networks can be made here; where skipping is forbidden (SLUICE_NO_SKIP) it must be so. */
export function ability(): Ability {
  const roughness: Roughness = 'netem'
  if (process.platform !== 'linux') return refused('network namespaces are of Linux')
  if (process.getuid?.() !== 0) return refused('network namespaces need root')
  const tools = missing('ip', ['iproute2']) || missing('tc', ['iproute2'])
  if (tools !== false) return { lacking: tools, roughness }
  const found = probe()
  return found.lacking === null ? { lacking: false, roughness: found.roughness } : refused(found.lacking)
}

function refused(reason: string): Ability {
  if (process.env.SLUICE_NO_SKIP !== undefined) throw new Error(reason)
  return { lacking: reason, roughness: 'netem' }
}

/** Whether somebody's namespace is still there. */
export const stands = (name: string): boolean => existsSync(`/run/netns/${name}`)
