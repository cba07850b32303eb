/** Snapshot of the connection and requests of a Client. Source: undici's `ClientStats.md`. */
export class ClientStats {
  /** Whether a connection is established. */
  readonly connected: boolean
  /** Number of queued requests. */
  readonly pending: number
  /** Number of requests in flight. */
  readonly running: number
  /** Number of all requests: pending and running. */
  readonly size: number

  constructor(client: { connected: boolean; pending: number; running: number }) {
    this.connected = client.connected
    this.pending = client.pending
    this.running = client.running
    this.size = client.pending + client.running
  }
}

/** Snapshot of the connections and requests of a pool. Source: undici's `PoolStats.md`. */
export class PoolStats {
  /** Number of established connections. */
  readonly connected: number
  /** Number of established connections without a request. */
  readonly free: number
  /** Number of requests queued in clients. */
  readonly pending: number
  /** Number of requests queued in the pool. */
  readonly queued: number
  /** Number of requests in flight. */
  readonly running: number
  /** Number of all requests: running, pending and queued. */
  readonly size: number

  constructor(counts: { connected: number; free: number; pending: number; queued: number; running: number }) {
    this.connected = counts.connected
    this.free = counts.free
    this.pending = counts.pending
    this.queued = counts.queued
    this.running = counts.running
    this.size = counts.running + counts.pending + counts.queued
  }
}
