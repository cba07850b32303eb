import { type Channel, channel } from 'node:diagnostics_channel'
import type * as messages from './messages.js'

/**
 * Diagnostics channel with undici's name, so that subscribers of undici work with sluice. Publishers check
 * `hasSubscribers` before they create a message. Subscribers are called synchronously; Node reports their exceptions as
 * uncaught, and the request continues. Source: undici's `DiagnosticsChannel.md`.
 */
export class Topic<Message> {
  readonly #channel: Channel
  /** Log of this copy of the package. Not a subscriber, because that would receive messages of undici as well. */
  #log: ((message: Message, connection: number) => void) | null = null

  constructor(name: string) {
    this.#channel = channel(name)
  }

  get hasSubscribers(): boolean {
    return this.#channel.hasSubscribers || this.#log !== null
  }

  /** @param connection number of the connection, for {@link logTo} only: the messages are those of undici */
  publish(message: Message, connection = 0): void {
    this.#log?.(message, connection)
    if (this.#channel.hasSubscribers) this.#channel.publish(message)
  }

  /** Also passes each message of this copy of the package to `log`. */
  logTo(log: (message: Message, connection: number) => void): void {
    this.#log = log
  }
}

/** Channel `undici:request:create`. */
export const requestCreate = /* @__PURE__ */ new Topic<messages.RequestCreateMessage>('undici:request:create')

/** Channel `undici:request:bodyChunkSent`. */
export const requestBodyChunkSent = /* @__PURE__ */ new Topic<messages.RequestBodyChunkSentMessage>(
  'undici:request:bodyChunkSent',
)

/** Channel `undici:request:bodySent`. */
export const requestBodySent = /* @__PURE__ */ new Topic<messages.RequestBodySentMessage>('undici:request:bodySent')

/** Channel `undici:request:headers`. */
export const requestHeaders = /* @__PURE__ */ new Topic<messages.RequestHeadersMessage>('undici:request:headers')

/** Channel `undici:request:bodyChunkReceived`. */
export const requestBodyChunkReceived = /* @__PURE__ */ new Topic<messages.RequestBodyChunkReceivedMessage>(
  'undici:request:bodyChunkReceived',
)

/** Channel `undici:request:trailers`. */
export const requestTrailers = /* @__PURE__ */ new Topic<messages.RequestTrailersMessage>('undici:request:trailers')

/** Channel `undici:request:error`. */
export const requestError = /* @__PURE__ */ new Topic<messages.RequestErrorMessage>('undici:request:error')

/** Channel `undici:request:pending-requests`. */
export const pendingRequests = /* @__PURE__ */ new Topic<messages.PendingRequestsMessage>(
  'undici:request:pending-requests',
)

/** Channel `undici:client:sendHeaders`. */
export const clientSendHeaders = /* @__PURE__ */ new Topic<messages.ClientSendHeadersMessage>(
  'undici:client:sendHeaders',
)

/** Channel `undici:client:beforeConnect`. */
export const clientBeforeConnect = /* @__PURE__ */ new Topic<messages.ClientBeforeConnectMessage>(
  'undici:client:beforeConnect',
)

/** Channel `undici:client:connected`. */
export const clientConnected = /* @__PURE__ */ new Topic<messages.ClientConnectedMessage>('undici:client:connected')

/** Channel `undici:client:connectError`. */
export const clientConnectError = /* @__PURE__ */ new Topic<messages.ClientConnectErrorMessage>(
  'undici:client:connectError',
)

/** Channel `undici:proxy:connected`. */
export const proxyConnected = /* @__PURE__ */ new Topic<messages.ProxyConnectedMessage>('undici:proxy:connected')
