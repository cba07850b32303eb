/** Upstream that a load balancing strategy can choose. */
export interface Candidate {
  readonly origin: string
  /**
   * Number above 0; requests are distributed in proportion to it. It changes after connection failures, and during a
   * slow start.
   */
  readonly weight: number
}

/** Result of a request, for load balancing. */
export interface Outcome {
  /** Time in ms from dispatch to the response headers, or to the failure. */
  readonly latency: number
  /** Whether the upstream failed: a connection error, a timeout, or a status of 500 or above. */
  readonly failed: boolean
  /**
   * Whether the request was aborted on the client side. Only `latency`, as a lower bound, says something of the
   * upstream.
   */
  readonly aborted: boolean
}

/** Load balancing strategy: chooses the upstream of a BalancedPool for each request. Each instance serves one pool. */
export interface UpstreamPicker<T extends Candidate = Candidate> {
  /** Adds an upstream: a new one, or one that has recovered. */
  add(upstream: T): void
  /** Removes an upstream: it must not be picked any more. Its requests in flight continue. */
  remove(upstream: T): void
  /**
   * Returns the upstream for the next request, or null if there is none.
   * @param exclude origins of earlier attempts of the same request
   */
  pick(exclude?: readonly string[]): T | null
  /** Called when the weight of an upstream has changed. */
  reweighed?(upstream: T): void
  /** Called when an upstream is assigned a request. `ended` follows. */
  started?(upstream: T): void
  /** Called once when a request has completed, failed or was aborted. */
  ended?(upstream: T, outcome: Outcome): void
}

/** Watches the upstreams of one pool, and ejects unhealthy ones. */
export interface UpstreamWatch<T extends Candidate = Candidate> {
  /** Called when an upstream is added. */
  joined(upstream: T): void
  /** Called when an upstream is removed. */
  left(upstream: T): void
  /** Called when a request has completed, failed or was aborted. */
  ended?(upstream: T, outcome: Outcome): void
  /** Describes the failures of an upstream for `inspect`, such as `failing: 2 in a row`. Null without failures. */
  describe?(upstream: T): string | null
  /** Called when the pool is closed or destroyed, which waits for a returned promise. */
  stop(): void | Promise<void>
}

/** Creates an {@link UpstreamWatch} for each pool. */
export interface UpstreamWatcher<T extends Candidate = Candidate> {
  /** Percentage of healthy upstreams below which all are used: most ejections are then likely to be wrong. */
  readonly panicThreshold: number
  /** @param setEjected ejects an upstream of the pool, or readmits it */
  watch(setEjected: (upstream: T, ejected: boolean) => void): UpstreamWatch<T>
}
