import type { ResponseHead } from './response-head.js'

/** What kind of request a response answers: framing depends on it (RFC 9112 §6.3). */
export const REQUEST_KIND = { none: 0, request: 1, head: 2, connect: 3, upgrade: 4, headUpgrade: 5 } as const
export type RequestKind = (typeof REQUEST_KIND)[keyof typeof REQUEST_KIND]

/** Whom the parser tells of responses. Any of the methods may stop the parser; what they throw leaves `Parser.feed`. */
export interface ParserListener {
  /** The first byte of a response came. Returns what it answers. */
  onMessageBegin(): RequestKind
  /** A 1xx head other than 101. */
  onInformational(head: ResponseHead): void
  onHead(head: ResponseHead): void
  /** A chunk of the body. `view`: a part of the input buffer, valid until this returns; otherwise it is the receiver's. */
  onBody(chunk: Buffer, view: boolean): void
  /** The message is complete; `reusable` tells whether the connection may carry another request. */
  onMessageEnd(trailers: string[], reusable: boolean): void
  /** 101, or 2xx to CONNECT: all bytes that follow are not HTTP. */
  onTunnel(head: ResponseHead): void
}
