import { type Channel, channel } from 'node:diagnostics_channel'
import type * as messages from './messages.js'

/**
 * A channel under undici's name, so that what observes undici observes this library. A publisher reads `hasSubscribers`
 * first and creates the message only then. Subscribers run at once; what one throws Node raises later as an uncaught
 * exception, and the request goes on. Source: undici's `DiagnosticsChannel.md`.
 */
export class Topic<Message> {
  readonly #channel: Channel
  /** The log of this copy of the package, which must not receive what other users of the channel publish. */
  #log: ((message: Message) => void) | null = null

  constructor(name: string) {
    this.#channel = channel(name)
  }

  get hasSubscribers(): boolean {
    return this.#channel.hasSubscribers || this.#log !== null
  }

  publish(message: Message): void {
    this.#log?.(message)
    if (this.#channel.hasSubscribers) this.#channel.publish(message)
  }

  /** Passes the messages of this copy of the package to `log`. */
  logTo(log: (message: Message) => void): void {
    this.#log = log
  }
}

export const requestCreate = /* @__PURE__ */ new Topic<messages.RequestCreateMessage>('undici:request:create')

export const requestBodyChunkSent = /* @__PURE__ */ new Topic<messages.RequestBodyChunkSentMessage>(
  'undici:request:bodyChunkSent',
)

export const requestBodySent = /* @__PURE__ */ new Topic<messages.RequestBodySentMessage>('undici:request:bodySent')

export const requestHeaders = /* @__PURE__ */ new Topic<messages.RequestHeadersMessage>('undici:request:headers')

export const requestBodyChunkReceived = /* @__PURE__ */ new Topic<messages.RequestBodyChunkReceivedMessage>(
  'undici:request:bodyChunkReceived',
)

export const requestTrailers = /* @__PURE__ */ new Topic<messages.RequestTrailersMessage>('undici:request:trailers')

export const requestError = /* @__PURE__ */ new Topic<messages.RequestErrorMessage>('undici:request:error')

export const pendingRequests = /* @__PURE__ */ new Topic<messages.PendingRequestsMessage>(
  'undici:request:pending-requests',
)

export const clientSendHeaders = /* @__PURE__ */ new Topic<messages.ClientSendHeadersMessage>(
  'undici:client:sendHeaders',
)

export const clientBeforeConnect = /* @__PURE__ */ new Topic<messages.ClientBeforeConnectMessage>(
  'undici:client:beforeConnect',
)

export const clientConnected = /* @__PURE__ */ new Topic<messages.ClientConnectedMessage>('undici:client:connected')

export const clientConnectError = /* @__PURE__ */ new Topic<messages.ClientConnectErrorMessage>(
  'undici:client:connectError',
)

export const proxyConnected = /* @__PURE__ */ new Topic<messages.ProxyConnectedMessage>('undici:proxy:connected')
