import type { Socket } from 'node:net'

// Messages by channel. Source: undici's `DiagnosticsChannel.md`.

/** Request in messages. All messages about a request have the same object, so that it can be used as a key. */
export interface Request {
  /** Origin of the request. */
  readonly origin: string
  /** Method of the request. */
  readonly method: string
  /** Path of the request, with its query. */
  readonly path: string
  /** Request headers as a flat array: name, value, name, value, … A header with several values is repeated. */
  headers: string[]
  /** Request body: a stream, an iterable or bytes; null without one. Undocumented, but read by Node's inspector. */
  readonly body: unknown
  /** Whether the response is complete. */
  readonly completed: boolean
  /** Whether the caller aborted the request. */
  readonly aborted: boolean
  /**
   * Adds a header with one or more values. Has no effect after the request was sent.
   * @throws {InvalidArgumentError} name or value is invalid; the request is unchanged
   */
  addHeader(name: string, value: string | readonly string[]): this
}

/** Response headers with status. */
export interface Response {
  /** Status code. */
  statusCode: number
  /** Reason phrase. */
  statusText: string
  /** Headers as received: name, value, name, value, … */
  headers: Buffer[]
}

/** Target and options of a connection. */
export interface ConnectParams {
  /** Host name, with the port if the origin has one. */
  host: string
  /** Host name without the port. */
  hostname: string
  /** Protocol: `http:` or `https:`. */
  protocol: string
  /** Port; empty for the default port of the protocol. */
  port: string
  /** HTTP version of an established connection: `h1`. */
  version: 'h1' | undefined
  /** TLS server name; null without TLS. */
  servername: string | null
  /** Local address that the connection uses; null for the default. */
  localAddress: string | null
}

/** Function that opens connections. */
type MessageConnector = (...parameters: never[]) => unknown

export type { MessageConnector as Connector }

/** `undici:request:create`: a request was created; headers can be added. */
export interface RequestCreateMessage {
  request: Request
}

/** `undici:request:bodyChunkSent`: a chunk of the request body was sent. */
export interface RequestBodyChunkSentMessage {
  request: Request
  chunk: Uint8Array | string
}

/** `undici:request:bodySent`: the whole request body was sent. */
export interface RequestBodySentMessage {
  request: Request
}

/** `undici:request:headers`: response headers were received, also of 1xx responses. */
export interface RequestHeadersMessage {
  request: Request
  response: Response
}

/** `undici:request:bodyChunkReceived`: a chunk of the response body was received. */
export interface RequestBodyChunkReceivedMessage {
  request: Request
  chunk: Buffer
}

/** `undici:request:trailers`: the response is complete. */
export interface RequestTrailersMessage {
  request: Request
  /** Trailers as received: name, value, name, value, … */
  trailers: Buffer[]
}

/** `undici:request:error`: the request failed. */
export interface RequestErrorMessage {
  request: Request
  error: Error
}

/** `undici:client:sendHeaders`: request headers were sent; again for each attempt. */
export interface ClientSendHeadersMessage {
  request: Request
  /** Request line and headers as sent, each line with CRLF. */
  headers: string
  socket: Socket
}

/** `undici:client:beforeConnect`: a connection is about to be established. */
export interface ClientBeforeConnectMessage {
  connectParams: ConnectParams
  connector: MessageConnector
}

/** `undici:client:connected`: a connection was established. */
export interface ClientConnectedMessage {
  socket: Socket
  connectParams: ConnectParams
  connector: MessageConnector
}

/** `undici:client:connectError`: a connection could not be established. */
export interface ClientConnectErrorMessage {
  error: Error
  /** Socket of the attempt; omitted if the connector returned none. */
  socket?: Socket
  connectParams: ConnectParams
  connector: MessageConnector
}

/** `undici:proxy:connected`: a tunnel through a proxy was established. */
export interface ProxyConnectedMessage {
  socket: Socket
  connectParams: {
    /** Origin of the proxy. */
    origin: string | URL
    port: string
    /** Target of the tunnel, such as `example.com:443`. */
    path: string
    signal: AbortSignal | undefined
    /** Headers of the CONNECT request. */
    headers: Record<string, string>
    /** TLS server name of the proxy; undefined without TLS. */
    servername: string | undefined
  }
}

/** `undici:request:pending-requests`: a request was added to or removed from those that the deduplicate interceptor shares. */
export interface PendingRequestsMessage {
  /** Kind of change. */
  type: 'added' | 'removed'
  /** Number of pending requests after the change. */
  size: number
  /** Key of the request. */
  key: string
}
