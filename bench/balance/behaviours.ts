/** How a backend is at a time, in ms. */
export interface Behaviour {
  name: string
  /** By what its service time is longer. */
  slowness(time: number): number
  /** It takes connections. */
  alive(time: number): boolean
  /** Of so many responses it breaks one off in the midst. Default: none. */
  dying?: number
}

const steady = { slowness: () => 1, alive: () => true }

/** Those that are well come first. */
export const WELL = 6

export const field: Behaviour[] = [
  ...new Array(WELL).fill(0).map((_, index) => ({ ...steady, name: `healthy ${index + 1}` })),
  { ...steady, name: 'slow (20×)', slowness: () => 20 },
  { ...steady, name: 'flapping', alive: (time) => time % 4_000 < 2_000 },
  { ...steady, name: 'dead', alive: () => false },
  { ...steady, name: 'recovering', slowness: (time) => (time < 30_000 ? 50 : 1), alive: (time) => time > 10_000 },
]

/** Nobody is well. */
export const failures: Behaviour[] = [
  { ...steady, name: 'slow (100×)', slowness: () => 100 },
  { ...steady, name: 'refusing', alive: () => false },
  { ...steady, name: 'dying', dying: 100 },
]

/** What is measured over sockets. */
export interface Scenario {
  behaviours: Behaviour[]
  /** Time of the behaviours passes so much faster than that of the clock. */
  pace: number
  /** ms that a response takes: a part that is the same for all, and the mean of an exponential one. */
  service: readonly [steady: number, mean: number]
  /** ms after which contenders with a timeout give up. */
  patience: number
}

export const scenarios = {
  field: { behaviours: field, pace: 5, service: [1, 9], patience: 100 },
  failures: { behaviours: failures, pace: 1, service: [5, 0], patience: 50 },
} satisfies Record<string, Scenario>

export type ScenarioName = keyof typeof scenarios

/** Park and Miller's generator. */
export function seeded(seed: number): () => number {
  let state = seed % 2147483647 || 1
  return () => {
    state = (state * 48271) % 2147483647
    return state / 2147483648
  }
}

/** A number of an exponential distribution with this mean. */
export function exponential(random: () => number, mean: number): number {
  return -Math.log(1 - random()) * mean
}
