/** Where the servers are that the program talks to; none of them runs in the runtime under test. */
export interface World {
  /** `http://127.0.0.1:…` of the origin of {@link startOrigin}. */
  readonly http: string
  /** A second one like it. */
  readonly other: string
  /** `https://localhost:…` of the same. */
  readonly https: string
  /** The authority that signed its certificate, in PEM; null where the runtime was told of it otherwise. */
  readonly ca: string | null
  /** `https://localhost:…` whose certificate nobody trusts. */
  readonly untrusted: string
  /** An authority that signed nothing here. */
  readonly stranger: string
  /** `https://origin.example:…`, a name known to {@link proxy} alone. */
  readonly named: string
  /** A proxy that forwards and opens tunnels. */
  readonly proxy: string
  /** Nothing listens here. */
  readonly refused: string
  readonly socketPath: string
}

/** Throws when the runtime falls short. */
export type Case = (world: World) => Promise<void>

/** What one case came to: null when all was as it must be. */
export interface Outcome {
  readonly capability: string
  readonly name: string
  readonly error: string | null
}

/** The certificate authority, as `connect` takes it. */
export function trusting(world: World): { ca: string } | Record<never, never> {
  return world.ca === null ? {} : { ca: world.ca }
}
