import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { ownCopy } from '../base/own-memory.js'
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
import type { Exchange } from './exchange.js'
import { toBuffers } from './legacy-handler.js'

/** What subscribers see of an exchange; made when the first of them listens. */
export class Trace implements Request {
  readonly origin: string
  readonly method: string
  readonly path: string
  headers: string[]
  completed = false
  aborted = false
  readonly #exchange: Exchange

  constructor(exchange: Exchange) {
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

  /** Some agents put fields straight into {@link headers}: those are sent too, but not unchecked. */
  adopt(): void {
    const { request } = this.#exchange
    try {
      const { headers } = this
      // The property is writable: what is no list of headers changes none.
      if (!Array.isArray(headers) || isSame(headers, request.headers)) return
      this.#exchange.request = request.withHeaders(headers)
    } catch (error) {
      process.emitWarning(`A subscriber of undici:request:create changed request.headers, in vain: ${messageOf(error)}`)
    }
    this.note({ headers: [...this.#exchange.request.headers] })
  }

  /** A subscriber may have frozen the object, or put accessors into it: that is no concern of the request. */
  note(facts: { headers: string[] } | { completed: boolean } | { aborted: boolean }): void {
    try {
      Object.assign(this, facts)
    } catch {}
  }
}

function isSame(headers: readonly string[], known: readonly string[]): boolean {
  return headers.length === known.length && known.every((text, index) => text === headers[index])
}

function traceOf(exchange: Exchange): Trace {
  exchange.trace ??= new Trace(exchange)
  return exchange.trace
}

export function traceCreate(exchange: Exchange): void {
  if (!requestCreate.hasSubscribers) return
  const trace = traceOf(exchange)
  requestCreate.publish({ request: trace })
  trace.adopt()
}

/** `close`: the request says that it is the last one. */
export function traceSend(exchange: Exchange, close: boolean, socket: Duplex): void {
  if (!clientSendHeaders.hasSubscribers) return
  const { request } = exchange
  // Without the empty line: that is no field.
  const headers = request.headText(close).slice(0, -2)
  clientSendHeaders.publish({ request: traceOf(exchange), headers, socket: socket as Socket })
}

export function traceBodyChunkSent(exchange: Exchange, piece: Uint8Array): void {
  if (!requestBodyChunkSent.hasSubscribers || piece.length === 0 || exchange.done) return
  const chunk = Buffer.from(piece.buffer, piece.byteOffset, piece.length)
  requestBodyChunkSent.publish({ request: traceOf(exchange), chunk })
}

export function traceBodySent(exchange: Exchange): void {
  if (!requestBodySent.hasSubscribers || exchange.done) return
  requestBodySent.publish({ request: traceOf(exchange) })
}

export function traceHead(exchange: Exchange, head: ResponseHead): void {
  if (!requestHeaders.hasSubscribers) return
  const { statusCode, statusText } = head
  const response = { statusCode, headers: toBuffers(head.rawHeaders), statusText }
  requestHeaders.publish({ request: traceOf(exchange), response })
}

export function traceBodyChunkReceived(exchange: Exchange, chunk: Buffer): void {
  if (!requestBodyChunkReceived.hasSubscribers || exchange.done) return
  // The handler's chunk is the handler's: a subscriber may keep or transfer its own.
  requestBodyChunkReceived.publish({ request: traceOf(exchange), chunk: ownCopy(chunk, 0, chunk.length) })
}

export function traceEnd(exchange: Exchange, trailers: string[]): void {
  if (exchange.trace === null && !requestTrailers.hasSubscribers) return
  const trace = traceOf(exchange)
  trace.note({ completed: true })
  if (requestTrailers.hasSubscribers) requestTrailers.publish({ request: trace, trailers: toBuffers(trailers) })
}

export function traceError(exchange: Exchange, error: Error): void {
  if (exchange.trace === null && !requestError.hasSubscribers) return
  const trace = traceOf(exchange)
  trace.note({ aborted: exchange.aborted })
  if (requestError.hasSubscribers) requestError.publish({ request: trace, error })
}
