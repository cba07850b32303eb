import { channel } from 'node:diagnostics_channel'
import type * as messages from './messages.js'

/**
 * Channels under undici's names, so that what observes undici observes this library. Whoever publishes asks
 * `hasSubscribers` first and makes the message only then. Subscribers run at once; what one throws Node raises later
 * as an uncaught exception, and the request goes on. Source: undici's `DiagnosticsChannel.md`.
 */
export interface Topic<Message> {
  readonly hasSubscribers: boolean
  publish(message: Message): void
}

export const requestCreate: Topic<messages.RequestCreateMessage> = /* @__PURE__ */ channel('undici:request:create')

export const requestBodyChunkSent: Topic<messages.RequestBodyChunkSentMessage> =
  /* @__PURE__ */ channel('undici:request:bodyChunkSent')

export const requestBodySent: Topic<messages.RequestBodySentMessage> =
  /* @__PURE__ */ channel('undici:request:bodySent')

export const requestHeaders: Topic<messages.RequestHeadersMessage> = /* @__PURE__ */ channel('undici:request:headers')

export const requestBodyChunkReceived: Topic<messages.RequestBodyChunkReceivedMessage> = /* @__PURE__ */ channel(
  'undici:request:bodyChunkReceived',
)

export const requestTrailers: Topic<messages.RequestTrailersMessage> =
  /* @__PURE__ */ channel('undici:request:trailers')

export const requestError: Topic<messages.RequestErrorMessage> = /* @__PURE__ */ channel('undici:request:error')

export const pendingRequests: Topic<messages.PendingRequestsMessage> = /* @__PURE__ */ channel(
  'undici:request:pending-requests',
)

export const clientSendHeaders: Topic<messages.ClientSendHeadersMessage> =
  /* @__PURE__ */ channel('undici:client:sendHeaders')

export const clientBeforeConnect: Topic<messages.ClientBeforeConnectMessage> =
  /* @__PURE__ */ channel('undici:client:beforeConnect')

export const clientConnected: Topic<messages.ClientConnectedMessage> =
  /* @__PURE__ */ channel('undici:client:connected')

export const clientConnectError: Topic<messages.ClientConnectErrorMessage> =
  /* @__PURE__ */ channel('undici:client:connectError')

export const proxyConnected: Topic<messages.ProxyConnectedMessage> = /* @__PURE__ */ channel('undici:proxy:connected')
