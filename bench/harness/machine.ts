import { cpus, release, totalmem } from 'node:os'
import type { Packages } from './packages.js'
import type { Affinity } from './processes.js'

/** Description of the machine that a report was measured on. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  /** Memory in bytes. */
  readonly memory: number
  readonly system: string
  readonly node: string
  readonly packages: Record<string, string>
  readonly affinity: string
  /** Load average of the minute before the start. A busy machine measures badly. */
  readonly load: number
}

export function machine(given: { packages: Packages; affinity: Affinity; load: number }): Machine {
  const list = cpus()
  return {
    cpu: list[0]?.model.trim() ?? 'unknown',
    cores: list.length,
    memory: totalmem(),
    system: `${process.platform} ${release()} ${process.arch}`,
    node: process.version,
    packages: { ...given.packages.versions, 'undici in Node (fetch)': process.versions.undici ?? 'none' },
    affinity: given.affinity.note,
    load: given.load,
  }
}
