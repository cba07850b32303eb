import type { SceneName } from '../origin/scenes.js'
import type { Packages } from './packages.js'

/** How the response is taken. */
export type Api =
  /** The lowest level: callbacks for head and chunks. */
  | 'dispatch'
  /** A promise, then the body parsed. */
  | 'json'
  /** A promise, then the body as a string. */
  | 'text'
  /** A promise, then the body as one piece. */
  | 'bytes'
  /** A promise, then each chunk as it comes. */
  | 'chunks'
  /** Into a Writable. */
  | 'stream'

/** What a contender is to do. */
export interface Setup {
  /** Where the origin of the scene listens: one, or each upstream of a balanced pool. */
  readonly urls: readonly string[]
  readonly scene: SceneName
  readonly api: Api
  readonly connections: number
  /** Requests under way on one connection. */
  readonly pipelining: number
}

/** Told once for each request: null when status and body were right. */
export type Done = (error: Error | null) => void

/** A contender at work on one origin. */
export interface Session {
  /** Sends one request, takes the response in, and checks it. */
  send(done: Done): void
  close(): Promise<unknown>
}

export interface Contender {
  readonly name: string
  readonly role: 'sluice' | 'peer' | 'floor'
  /** What it can do. */
  readonly apis: readonly Api[]
  /** It sends a request before the last one is answered. */
  readonly pipelines: boolean
  /** Opens no more than so many connections; otherwise one for each request under way. */
  readonly bounded: boolean
  open(setup: Setup, packages: Packages): Promise<Session>
}
