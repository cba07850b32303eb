/** An upstream, as those see it who choose among several. */
export interface Candidate {
  readonly origin: string
  /** Above 0: its share beside the others. It changes: after failures, and while an upstream starts slowly. */
  readonly weight: number
}

/** What became of a request. */
export interface Outcome {
  /** ms from dispatch to the head of the response, or to the failure. */
  readonly latency: number
  /** The upstream failed: no connection, one that broke, a timeout, or a status of 500 and above. */
  readonly failed: boolean
  /** It was given up on this side before its end: that says nothing of the upstream, but that it took so long. */
  readonly aborted: boolean
}

/** Chooses which upstream of a BalancedPool takes the next request. An instance is for one pool. */
export interface UpstreamPicker<T extends Candidate = Candidate> {
  /** A new one, or one that is back. */
  add(upstream: T): void
  /** It is not to be chosen any more; requests that it has still end. */
  remove(upstream: T): void
  /** Who is next; null when there is nobody. `exclude`: origins that failed this request already. */
  pick(exclude?: readonly string[]): T | null
  /** Its weight is another now. */
  reweighed?(upstream: T): void
  /** It has got a request, which {@link ended} follows. With neither, requests are not watched. */
  started?(upstream: T): void
  /** One of its requests has ended. */
  ended?(upstream: T, outcome: Outcome): void
}

/** What stands over the upstreams of one pool, and leaves out those that do no good. */
export interface UpstreamWatch<T extends Candidate = Candidate> {
  joined(upstream: T): void
  left(upstream: T): void
  ended?(upstream: T, outcome: Outcome): void
  /** The pool closes. A promise that is returned is waited for: nothing is left then. */
  stop(): void | Promise<void>
}

/** Makes an {@link UpstreamWatch} for each pool that is given it. */
export interface UpstreamWatcher<T extends Candidate = Candidate> {
  /** In percent: when fewer of the upstreams are good all are used, since most of what is seen is the watcher's error. */
  readonly panicThreshold: number
  watch(leaveOut: (upstream: T, out: boolean) => void): UpstreamWatch<T>
}
