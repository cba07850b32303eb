import type { Socket } from 'node:net'

// What is published, by channel. Source: undici's `DiagnosticsChannel.md`.

/** One request: the same object in all messages about it, so that it can be a key. */
export interface Request {
  readonly origin: string
  readonly method: string
  /** With its query. */
  readonly path: string
  /** Name, value, name, value, … as the caller gave them; a field given several values is there several times. */
  headers: string[]
  /** A stream, an iterable or bytes; null without. Not documented, but Node's inspector looks whether there is one. */
  readonly body: unknown
  /** The response has ended well. */
  readonly completed: boolean
  /** The caller gave it up. */
  readonly aborted: boolean
  /**
   * Adds a field, or several of one name. Without effect once the request is sent.
   * @throws {InvalidArgumentError} what can not be sent; the request stays as it was
   */
  addHeader(name: string, value: string | readonly string[]): this
}

/** The head of a response. */
export interface Response {
  statusCode: number
  statusText: string
  /** Name, value, name, value, … as sent. */
  headers: Buffer[]
}

/** Where a connection leads. */
export interface ConnectParams {
  /** With the port, if the origin has one. */
  host: string
  hostname: string
  /** `http:` or `https:` */
  protocol: string
  /** Empty for the protocol's own. */
  port: string
  /** Protocol of an open connection: `h1`. */
  version: 'h1' | undefined
  /** Of TLS; null without. */
  servername: string | null
  localAddress: string | null
}

/** What opens connections. */
export type Connector = (...parameters: never[]) => unknown

/** `undici:request:create`: a request was made; fields may be added. */
export interface RequestCreateMessage {
  request: Request
}

/** `undici:request:bodyChunkSent`: a piece of its body was sent. */
export interface RequestBodyChunkSentMessage {
  request: Request
  chunk: Uint8Array | string
}

/** `undici:request:bodySent`: all of it was sent. */
export interface RequestBodySentMessage {
  request: Request
}

/** `undici:request:headers`: also of 1xx responses. */
export interface RequestHeadersMessage {
  request: Request
  response: Response
}

/** `undici:request:bodyChunkReceived`: a piece of the response body came. */
export interface RequestBodyChunkReceivedMessage {
  request: Request
  chunk: Buffer
}

/** `undici:request:trailers`: the response has ended well. */
export interface RequestTrailersMessage {
  request: Request
  /** Name, value, name, value, … as sent. */
  trailers: Buffer[]
}

/** `undici:request:error`: the request failed. */
export interface RequestErrorMessage {
  request: Request
  error: Error
}

/** `undici:client:sendHeaders`: again when a request is sent again. */
export interface ClientSendHeadersMessage {
  request: Request
  /** The request line and the fields as they are sent, each ended by CRLF. */
  headers: string
  socket: Socket
}

/** `undici:client:beforeConnect`: a connection is about to be opened. */
export interface ClientBeforeConnectMessage {
  connectParams: ConnectParams
  connector: Connector
}

/** `undici:client:connected`: it is open. */
export interface ClientConnectedMessage {
  socket: Socket
  connectParams: ConnectParams
  connector: Connector
}

/** `undici:client:connectError`: it could not be opened. */
export interface ClientConnectErrorMessage {
  error: Error
  /** Left out when the connector returned none. */
  socket?: Socket
  connectParams: ConnectParams
  connector: Connector
}

/** `undici:proxy:connected`: a tunnel through a proxy is open. */
export interface ProxyConnectedMessage {
  socket: Socket
  connectParams: {
    /** Of the proxy. */
    origin: string | URL
    port: string
    /** Where the tunnel leads, such as `example.com:443`. */
    path: string
    signal: AbortSignal | undefined
    /** Of the CONNECT request. */
    headers: Record<string, string>
    /** Of TLS to the proxy; undefined without. */
    servername: string | undefined
  }
}

/** `undici:request:pending-requests`: of the interceptor that sends equal requests once. */
export interface PendingRequestsMessage {
  type: 'added' | 'removed'
  /** After the change. */
  size: number
  key: string
}
