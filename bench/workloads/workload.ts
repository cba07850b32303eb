import type { Api } from '../harness/session.js'
import type { SceneName } from '../origin/scenes.js'
import type { ProbeName } from './probes.js'

/** Who takes part in the quick mode: all that can; those that every table needs; those and `node:http`. */
export type Field = 'all' | 'main' | 'main and node:http'

interface Common {
  /** What `--workload` looks for. */
  readonly name: string
  readonly title: string
  /** null: in the full mode only. */
  readonly quick: Field | null
  readonly scene: SceneName
  readonly api: Api
  readonly connections: number
  readonly pipelining: number
  readonly secure: boolean
}

/** As many requests as go. */
export interface Throughput extends Common {
  readonly kind: 'throughput'
}

/** Half of what undici can do at most, at fixed times. */
export interface FixedRate extends Common {
  readonly kind: 'rate'
}

/** One quantity against a size. */
export interface Curve extends Common {
  readonly kind: 'curve'
  readonly probe: ProbeName
  readonly sizes: readonly number[]
  readonly quickSizes: readonly number[]
  readonly unit: string
  /** What the sizes are. */
  readonly axis: string
  readonly contenders: readonly string[]
}

export type Workload = Throughput | FixedRate | Curve
