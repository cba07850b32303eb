/** Options of a fuzz target. */
export interface Run {
  readonly runs: number
  readonly seed: number
  /** Called before each input, with the text that repeats it. */
  note(input: string): void
}

/** Runs the inputs and returns a summary. Throws a Finding. */
export type Fuzz = (run: Run) => Promise<string>

interface Entry {
  /** Whether it is guided by coverage of lib/wire. */
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

/** Memory shared by both threads. */
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
  readonly summary: string
}
