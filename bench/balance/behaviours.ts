/** Behaviour of a backend as a function of time in ms. */
export interface Behaviour {
  name: string
  /** Returns the factor by which its service time is longer. */
  slowness(time: number): number
  /** Returns whether it accepts connections. */
  alive(time: number): boolean
  /** One in this many responses is cut off halfway. Default: none. */
  cutOffEvery?: number
}

const steady = { slowness: () => 1, alive: () => true }

/** Number of healthy backends, which are the first. */
export const HEALTHY = 6

export const mixedBackends: Behaviour[] = [
  ...new Array(HEALTHY).fill(0).map((_, index) => ({ ...steady, name: `healthy ${index + 1}` })),
  { ...steady, name: 'slow (20×)', slowness: () => 20 },
  { ...steady, name: 'flapping', alive: (time) => time % 4_000 < 2_000 },
  { ...steady, name: 'dead', alive: () => false },
  { ...steady, name: 'recovering', slowness: (time) => (time < 30_000 ? 50 : 1), alive: (time) => time > 10_000 },
]

/** Three backends, each with another fault. */
export const failures: Behaviour[] = [
  { ...steady, name: 'slow (100×)', slowness: () => 100 },
  { ...steady, name: 'refusing', alive: () => false },
  { ...steady, name: 'cutting off', cutOffEvery: 100 },
]

/** Backends that are measured over sockets. */
export interface Scenario {
  behaviours: Behaviour[]
  /** Factor by which the time of behaviours passes faster than the clock. */
  pace: number
  /** Service time in ms: a constant part, and the mean of an exponentially distributed part. */
  service: readonly [steady: number, mean: number]
  /** Timeout in ms of clients that have one. */
  timeout: number
}

export const scenarios = {
  mixed: { behaviours: mixedBackends, pace: 5, service: [1, 9], timeout: 100 },
  failures: { behaviours: failures, pace: 1, service: [5, 0], timeout: 50 },
} satisfies Record<string, Scenario>

export type ScenarioName = keyof typeof scenarios

/** Returns Park and Miller's random number generator. */
export function seeded(seed: number): () => number {
  let state = seed % 2147483647 || 1
  return () => {
    state = (state * 48271) % 2147483647
    return state / 2147483648
  }
}

/** Draws from the exponential distribution with this mean. */
export function exponential(random: () => number, mean: number): number {
  return -Math.log(1 - random()) * mean
}
