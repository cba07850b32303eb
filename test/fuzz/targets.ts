/** What a target is run with. */
export interface Run {
  readonly runs: number
  readonly seed: number
  /** Told of every input before it is tried, in the words that would repeat it. */
  note(input: string): void
}

/** Tries so many inputs; tells in words what they were. Throws at a finding. */
export type Fuzz = (run: Run) => Promise<string>

interface Entry {
  /** By the blocks of lib/wire that run. */
  readonly guided: boolean
  load(): Promise<{ fuzz: Fuzz }>
}

export const TARGETS = {
  response: { guided: true, load: () => import('./response-target.js') },
  request: { guided: false, load: () => import('./request-target.js') },
  events: { guided: false, load: () => import('./events-target.js') },
} as const satisfies Record<string, Entry>

export type Target = keyof typeof TARGETS

export function isTarget(name: string | undefined): name is Target {
  return name !== undefined && Object.hasOwn(TARGETS, name)
}

/** Memory of both threads. */
export interface Shared {
  readonly runs: SharedArrayBuffer
  readonly length: SharedArrayBuffer
  readonly input: SharedArrayBuffer
}

export interface Given {
  readonly target: Target
  readonly runs: number
  readonly seed: number
  readonly shared: Shared
}

export interface Report {
  readonly runs: number
  readonly seconds: number
  readonly told: string
}
