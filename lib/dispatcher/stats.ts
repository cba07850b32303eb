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
