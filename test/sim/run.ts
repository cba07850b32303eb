import type { Feature } from './features.js'

/** What one run is of. */
export interface Run {
  seed: number
  /** Most things to do, for a shorter story of the same failure. */
  steps?: number
  features?: readonly Feature[]
  onTrace?: (line: string) => void
}

/** What happened in it. */
export interface Figures {
  calls: number
  ended: number
  failed: number
  upgraded: number
  sockets: number
  steps: number
}
