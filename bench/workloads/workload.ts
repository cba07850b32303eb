import type { Api } from '../harness/client-session.js'
import type { ScenarioName } from '../origin/scenarios.js'
import type { ProbeName } from './probes.js'

/** Clients in quick mode: all, those that every table needs, or those and `node:http`. */
export type ParticipantSet = 'all' | 'main' | 'main and node:http'

interface Common {
  /** Name that `--workload` matches. */
  readonly name: string
  readonly title: string
  /** Clients in quick mode, or null for a workload of full mode only. */
  readonly quick: ParticipantSet | null
  readonly scenario: ScenarioName
  readonly api: Api
  readonly connections: number
  readonly pipelining: number
  readonly secure: boolean
}

/** As many requests as possible. */
export interface Throughput extends Common {
  readonly kind: 'throughput'
}

/** Requests at fixed times, at half of undici's maximum rate. */
export interface FixedRate extends Common {
  readonly kind: 'rate'
}

/** One quantity as a function of a size. */
export interface Curve extends Common {
  readonly kind: 'curve'
  readonly probe: ProbeName
  readonly sizes: readonly number[]
  readonly quickSizes: readonly number[]
  readonly unit: string
  /** Title of the sizes. */
  readonly axis: string
  readonly benchClients: readonly string[]
}

export type Workload = Throughput | FixedRate | Curve
