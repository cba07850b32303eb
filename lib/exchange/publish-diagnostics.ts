import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { unpooledCopy } from '../base/unpooled-memory.js'
import {
  clientSendHeaders,
  requestBodyChunkReceived,
  requestBodyChunkSent,
  requestBodySent,
  requestCreate,
  requestError,
  requestHeaders,
  requestTrailers,
} from '../diagnostics/channels.js'
import type { Request } from '../diagnostics/messages.js'
import { messageOf } from '../errors/safe-read.js'
import { flattenHeaders } from '../wire/headers.js'
import type { ResponseHead } from '../wire/response-head.js'
import { toBuffers } from './legacy-handler.js'
import type { Request as EncodedRequest } from './request.js'

/** Members of an exchange that the diagnostics channels show. */
interface PublishedExchange {
  request: EncodedRequest
  readonly sent: boolean
  readonly done: boolean
  readonly aborted: boolean
  diagnostics: DiagnosticsRequest | null
  /** Connection that sends the request, or its queue. */
  readonly owner: { readonly id?: number } | null
}

/** The request as subscribers of diagnostics channels see it. Created when the first channel has a subscriber. */
export class DiagnosticsRequest implements Request {
  readonly origin: string
  readonly method: string
  readonly path: string
  headers: string[]
  completed = false
  aborted = false
  readonly #exchange: PublishedExchange

  constructor(exchange: PublishedExchange) {
    const { origin, method, path, headers } = exchange.request
    this.origin = origin
    this.method = method
    this.path = path
    this.headers = [...headers]
    this.#exchange = exchange
  }

  get body(): unknown {
    const { body } = this.#exchange.request
    if (body === null) return null
    if (body.kind === 'bytes') return body.bytes
    return body.kind === 'stream' ? body.stream : body.iterable
  }

  addHeader(name: string, value: string | readonly string[]): this {
    const { request, sent, done } = this.#exchange
    if (sent || done) return this
    const added = flattenHeaders([[name, value]])
    this.#exchange.request = request.withHeaders([...request.headers, ...added])
    if (Array.isArray(this.headers)) this.headers.push(...added)
    return this
  }

  /**
   * Applies changes of {@link headers}: some monitoring agents append to the array directly. The headers are validated.
   */
  applyHeaderChanges(): void {
    const { request } = this.#exchange
    try {
      const { headers } = this
      // The property is writable: a value that is not an array changes nothing.
      if (!Array.isArray(headers) || sameHeaders(headers, request.headers)) return
      this.#exchange.request = request.withHeaders(headers)
    } catch (error) {
      process.emitWarning(
        `Ignored invalid request.headers set by a subscriber of undici:request:create: ${messageOf(error)}`,
      )
    }
    this.update({ headers: [...this.#exchange.request.headers] })
  }

  /**
   * Updates properties. A subscriber may have frozen the object or added accessors that throw: that must not fail the
   * request.
   */
  update(facts: { headers: string[] } | { completed: boolean } | { aborted: boolean }): void {
    try {
      Object.assign(this, facts)
    } catch {}
  }
}

function sameHeaders(headers: readonly string[], known: readonly string[]): boolean {
  return headers.length === known.length && known.every((text, index) => text === headers[index])
}

function diagnosticsOf(exchange: PublishedExchange): DiagnosticsRequest {
  exchange.diagnostics ??= new DiagnosticsRequest(exchange)
  return exchange.diagnostics
}

/** Publishes `undici:request:create`. */
export function publishCreate(exchange: PublishedExchange): void {
  if (!requestCreate.hasSubscribers) return
  const request = diagnosticsOf(exchange)
  requestCreate.publish({ request })
  request.applyHeaderChanges()
}

/** Publishes `undici:client:sendHeaders`. `close`: the request is sent with `connection: close`. */
export function publishSendHeaders(exchange: PublishedExchange, close: boolean, socket: Duplex): void {
  if (!clientSendHeaders.hasSubscribers) return
  const { request } = exchange
  // Without the empty line, which is not a header.
  const headers = request.headText(close).slice(0, -2)
  clientSendHeaders.publish({ request: diagnosticsOf(exchange), headers, socket: socket as Socket }, exchange.owner?.id)
}

/** Publishes `undici:request:bodyChunkSent`. */
export function publishBodyChunkSent(exchange: PublishedExchange, bytes: Uint8Array): void {
  if (!requestBodyChunkSent.hasSubscribers || bytes.length === 0 || exchange.done) return
  const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  requestBodyChunkSent.publish({ request: diagnosticsOf(exchange), chunk })
}

/** Publishes `undici:request:bodySent`. */
export function publishBodySent(exchange: PublishedExchange): void {
  if (!requestBodySent.hasSubscribers || exchange.done) return
  requestBodySent.publish({ request: diagnosticsOf(exchange) })
}

/** Publishes `undici:request:headers`. */
export function publishHeaders(exchange: PublishedExchange, head: ResponseHead): void {
  if (!requestHeaders.hasSubscribers) return
  const { statusCode, statusText } = head
  const response = { statusCode, headers: toBuffers(head.rawHeaders), statusText }
  requestHeaders.publish({ request: diagnosticsOf(exchange), response })
}

/** Publishes `undici:request:bodyChunkReceived`. */
export function publishBodyChunkReceived(exchange: PublishedExchange, chunk: Buffer): void {
  if (!requestBodyChunkReceived.hasSubscribers || exchange.done) return
  // A copy, because the handler owns the chunk and a subscriber may keep or transfer it.
  requestBodyChunkReceived.publish({ request: diagnosticsOf(exchange), chunk: unpooledCopy(chunk, 0, chunk.length) })
}

/** Publishes `undici:request:trailers`. */
export function publishTrailers(exchange: PublishedExchange, trailers: string[]): void {
  if (exchange.diagnostics === null && !requestTrailers.hasSubscribers) return
  const request = diagnosticsOf(exchange)
  request.update({ completed: true })
  if (requestTrailers.hasSubscribers) requestTrailers.publish({ request, trailers: toBuffers(trailers) })
}

/** Publishes `undici:request:error`. */
export function publishError(exchange: PublishedExchange, error: Error): void {
  if (exchange.diagnostics === null && !requestError.hasSubscribers) return
  const request = diagnosticsOf(exchange)
  request.update({ aborted: exchange.aborted })
  if (requestError.hasSubscribers) requestError.publish({ request, error })
}
