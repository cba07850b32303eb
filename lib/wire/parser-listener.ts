import type { ResponseHead } from './response-head.js'

/**
 * Kind of the request that a response belongs to, on which response framing depends (RFC 9112 §6.3). `none`: no request is
 * pending. Kinds from `upgrade` on accept `101 Switching Protocols`.
 */
export const REQUEST_KIND = { none: 0, request: 1, head: 2, connect: 3, upgrade: 4, headUpgrade: 5 } as const
/** Value of {@link REQUEST_KIND}. */
export type RequestKind = (typeof REQUEST_KIND)[keyof typeof REQUEST_KIND]

/** Receives the responses of a Parser. Each method may pause the parser. What it throws is thrown by `Parser.feed`. */
export interface ParserListener {
  /** Called at the first byte of a response. Returns the kind of the request it belongs to. */
  onMessageBegin(): RequestKind
  /** Called with the headers of a 1xx response other than 101. */
  onInformational(head: ResponseHead): void
  /** Called with the headers of the final response. */
  onHead(head: ResponseHead): void
  /** Called with body bytes. `view`: they are in the input buffer and valid until this returns. */
  onBody(chunk: Buffer, view: boolean): void
  /** Called when the response is complete. `reusable`: whether the connection may carry another request. */
  onMessageEnd(trailers: string[], reusable: boolean): void
  /** Called for 101, and for 2xx to CONNECT. The bytes that follow are not HTTP. */
  onTunnel(head: ResponseHead): void
}
