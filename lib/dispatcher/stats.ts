/** A snapshot of one client. Source: undici's `ClientStats.md`. */
export class ClientStats {
  /** The client has an open connection. */
  readonly connected: boolean
  /** Requests that wait to be written. */
  readonly pending: number
  /** Requests written and not yet answered. */
  readonly running: number
  /** Both together. */
  readonly size: number

  constructor(client: { connected: boolean; pending: number; running: number }) {
    this.connected = client.connected
    this.pending = client.pending
    this.running = client.running
    this.size = client.pending + client.running
  }
}

/** A snapshot of a pool. Source: undici's `PoolStats.md`. */
export class PoolStats {
  /** Open connections. */
  readonly connected: number
  /** Open connections without a request. */
  readonly free: number
  /** Requests that a client has and has not written yet. */
  readonly pending: number
  /** Requests that wait in the pool for a client. */
  readonly queued: number
  /** Requests written and not yet answered. */
  readonly running: number
  /** All requests: running, pending and queued. */
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
