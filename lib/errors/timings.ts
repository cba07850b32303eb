/**
 * Times of a request in ms since its dispatch; null for events that have not occurred. After a retry, those of the last
 * attempt. `dns`, `tcp` and `tls` are set if the connection was opened while the request was queued.
 */
export interface Timings {
  /** Time of the assignment to a connection: the time spent in the queue, connecting included. */
  queued: number | null
  /** Time when the DNS lookup completed. */
  dns: number | null
  /** Time when TCP was connected. */
  tcp: number | null
  /** Time when the TLS handshake completed. */
  tls: number | null
  /** Time when the whole request was written to the socket. */
  sent: number | null
  /** Time of the first byte of the response. */
  firstByte: number | null
  /** Time when the response was complete or the request failed. */
  end: number | null
  /** Whether the connection had sent another request before. */
  reused: boolean | null
  /** Number of the connection, unique within the process. */
  connection: number | null
  /** Number of attempts: replays on a new connection, retries of `interceptors.retry` and redirects count. */
  tries: number
}
