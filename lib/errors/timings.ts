/**
 * When what happened to a request, in ms since its dispatch; null where it did not happen (yet). After it was sent again,
 * of the last try. Its connection's `dns`, `tcp` and `tls` are there when that was opened while the request waited.
 */
export interface Timings {
  /** It was handed to a connection: so long it waited, the opening of one included. */
  queued: number | null
  /** The name of the host was looked up. */
  dns: number | null
  /** TCP was connected. */
  tcp: number | null
  /** The TLS handshake was done. */
  tls: number | null
  /** All of the request was handed to the socket. */
  sent: number | null
  /** The first byte of the response came. */
  firstByte: number | null
  /** The response, or the request by an error, ended. */
  end: number | null
  /** The connection had carried another request before. */
  reused: boolean | null
  /** Number of the connection, unique in the process. */
  connection: number | null
  /** How often it was sent, or tried to be: by itself, by `interceptors.retry`, to where it was redirected. */
  tries: number
}
