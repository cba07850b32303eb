import type { ScenarioName } from '../origin/scenarios.js'
import type { Packages } from './packages.js'

/** How a client reads the response. */
export type Api =
  /** Callbacks for headers and chunks: the lowest level. */
  | 'dispatch'
  /** A promise, then the parsed body. */
  | 'json'
  /** A promise, then the body as a string. */
  | 'text'
  /** A promise, then the whole body as bytes. */
  | 'bytes'
  /** A promise, then each chunk. */
  | 'chunks'
  /** Writes the body into a Writable. */
  | 'stream'

/** Configuration of a client session. */
export interface Setup {
  /** URL of the origin, or of each upstream of a balanced pool. */
  readonly urls: readonly string[]
  readonly scenario: ScenarioName
  readonly api: Api
  readonly connections: number
  /** Requests in flight on one connection. */
  readonly pipelining: number
}

/** Called once for each request: with null when status and body were correct. */
export type Done = (error: Error | null) => void

/** A client with open connections to an origin. */
export interface Session {
  /** Sends one request, reads the response and checks it. */
  send(done: Done): void
  close(): Promise<unknown>
}

/** An HTTP client that the bench can measure. */
export interface BenchClient {
  readonly name: string
  readonly role: 'sluice' | 'peer' | 'baseline'
  /** APIs that the client offers. */
  readonly apis: readonly Api[]
  /** Whether it sends requests before earlier ones on the connection are answered. */
  readonly pipelines: boolean
  /** Whether it keeps to {@link Setup.connections}. Otherwise it opens one for each request in flight. */
  readonly bounded: boolean
  open(setup: Setup, packages: Packages): Promise<Session>
}
