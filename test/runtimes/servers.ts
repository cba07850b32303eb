/** Addresses of the servers for the program. None runs in the runtime under test. */
export interface World {
  /** `http://127.0.0.1:…` of the origin of {@link startOrigin}. */
  readonly http: string
  /** A second origin. */
  readonly other: string
  /** `https://localhost:…` of the same. */
  readonly https: string
  /** CA that signed its certificate, as PEM; null if the runtime already trusts it. */
  readonly ca: string | null
  /** `https://localhost:…` with an untrusted certificate. */
  readonly untrusted: string
  /** CA that signed none of the certificates. */
  readonly stranger: string
  /** `https://origin.example:…`, a name known to {@link proxy} alone. */
  readonly named: string
  /** A proxy that forwards and opens tunnels. */
  readonly proxy: string
  /** Address on which no server listens. */
  readonly refused: string
  readonly socketPath: string
}

/** Checks one capability. Throws if the runtime fails it. */
export type Case = (world: World) => Promise<void>

/** Outcome of one case: null if it passed, otherwise the error. */
export interface Outcome {
  readonly capability: string
  readonly name: string
  readonly error: string | null
}

/** Returns the CA as an option of `connect`. */
export function trusting(world: World): { ca: string } | Record<never, never> {
  return world.ca === null ? {} : { ca: world.ca }
}
