import type { Feature } from './features.js'

/** Configuration of one run. */
export interface Run {
  seed: number
  /** Maximum number of actions, to shorten the trace of a failure. */
  steps?: number
  features?: readonly Feature[]
  onTrace?: (line: string) => void
}

/** Result of one run. */
export interface Figures {
  calls: number
  ended: number
  failed: number
  upgraded: number
  sockets: number
  steps: number
}
