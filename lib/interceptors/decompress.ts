import type { Duplex } from 'node:stream'
import { callUserCode, reportUncaught } from '../base/user-code.js'
import type { DispatchInterceptor } from '../dispatcher/dispatcher.js'
import type { Timings } from '../errors/timings.js'
import { InformationalError, invalidOption, markSluiceOwned, NotSupportedError, nonNullError } from '../errors.js'
import { abortReasonOf } from '../exchange/abort-errors.js'
import type { SharedTimeouts } from '../exchange/deadlines.js'
import { DecoratorHandler } from '../exchange/decorator-handler.js'
import type {
  DispatchController,
  DispatchHandler,
  IncomingHeaders,
  LegacyDispatchHandler,
} from '../exchange/handler.js'
import type { DispatchOptions } from '../exchange/request.js'
import { BodyDiscarder } from './body-discarder.js'
import { ContentDecoder, canDecode, type DecoderListener } from './content-decoder.js'
import { mergeOptions, omitNull, readOptionsOnce } from './option-layers.js'
import { locateRequest } from './wait.js'

/** Options of `interceptors.decompress`. Source: undici's `Interceptors.md`. */
export interface DecompressOptions {
  /** Leave bodies of responses with a status from 400 on as they are. Default: true. */
  skipErrorResponses?: boolean | null | undefined
  /** Leave bodies of responses with these statuses as they are. Default: 204 and 304. */
  skipStatusCodes?: readonly number[] | null | undefined
  /**
   * Bytes that may come out of each coding of a body; more fails the request with a ResponseExceededMaxSizeError. 0
   * for no limit: then a few bytes of a server can become as many as the caller is willing to read. Default: 0.
   */
  maxSize?: number | null | undefined
}

/** Each coding costs memory of ours and next to nothing of the server's. */
const MAX_CODINGS = 5

/**
 * Undoes `gzip`, `x-gzip`, `deflate`, `br` and, where the runtime can, `zstd`, one or several of them; what it does not
 * know stays as it is. `content-encoding` and `content-length` are taken out of the fields of what it undid.
 * Source: undici's `Interceptors.md`.
 * @throws {InvalidArgumentError} an option is not what is documented
 */
export function decompress(options: DecompressOptions = {}): DispatchInterceptor {
  const given = mergeOptions(options)
  // As undici takes them: null decodes error responses too, and is the default of the others.
  const skipErrorResponses = given.skipErrorResponses === null ? false : (given.skipErrorResponses ?? true)
  const { skipStatusCodes = [204, 304], maxSize = 0 } = omitNull(given)
  if (typeof skipErrorResponses !== 'boolean')
    throw invalidOption('skipErrorResponses', 'a boolean', skipErrorResponses)
  if (!Array.isArray(skipStatusCodes) || !skipStatusCodes.every(Number.isInteger)) {
    throw invalidOption('skipStatusCodes', 'an array of status codes', skipStatusCodes)
  }
  if (!Number.isInteger(maxSize) || maxSize < 0) {
    throw invalidOption('maxSize', 'a whole number of bytes, 0 or more', maxSize)
  }
  const skipped = new Set([204, 304, ...skipStatusCodes])
  const skips = (status: number) => skipped.has(status) || (skipErrorResponses && status >= 400)
  return (dispatch) => (given, handler) => {
    const request = readOptionsOnce(given)
    // RFC 9110 §9.3.2: the fields speak of a body that is not there.
    if (request.method === 'HEAD') return dispatch(request, handler)
    return dispatch(request, new DecompressHandler(handler, { skips, maxSize, request }))
  }
}

interface DecompressSettings {
  skips(statusCode: number): boolean
  maxSize: number
  request: DispatchOptions
}

/** Stands between the connection, whose body is encoded, and the handler, which has a controller of the decoded one. */
class DecompressHandler extends DecoratorHandler implements DecoderListener, DecodingListener {
  readonly #settings: DecompressSettings
  readonly #controller = new DecodingController(this)
  #decoder: ContentDecoder | null = null
  #trailers: IncomingHeaders = {}
  #decoded = false
  /** Reads what follows the encoded data. */
  #trailingDiscarder: BodyDiscarder | null = null
  #completed = false

  constructor(handler: DispatchHandler | LegacyDispatchHandler, settings: DecompressSettings) {
    super(handler)
    this.#settings = settings
  }

  override onRequestQueued(controller: DispatchController): void {
    if (this.#controller.attach(controller)) super.onRequestQueued(this.#controller)
  }

  override onRequestStart(controller: DispatchController, context: unknown): void {
    if (this.#controller.attach(controller)) super.onRequestStart(this.#controller, context)
  }

  override onRequestUpgrade(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHeaders,
    socket: Duplex,
  ): void {
    this.#controller.attach(controller)
    this.#controller.ended = true
    super.onRequestUpgrade(this.#controller, statusCode, headers, socket)
  }

  override onResponseStart(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHeaders,
    statusMessage?: string,
  ): void {
    this.#controller.attach(controller)
    if (this.#completed) return
    const codings = statusCode < 200 || this.#settings.skips(statusCode) ? [] : decodableCodingsOf(headers)
    if (codings.length > MAX_CODINGS) {
      const message = `${codings.length} content codings are more than the ${MAX_CODINGS} that are undone`
      return controller.abort(markSluiceOwned(new NotSupportedError(message)))
    }
    if (codings.length === 0) return super.onResponseStart(this.#controller, statusCode, headers, statusMessage)
    const { 'content-encoding': _coding, 'content-length': _length, ...rest } = headers
    this.#decoder = new ContentDecoder(codings, this.#settings.maxSize, this)
    this.#controller.decode(this.#decoder)
    super.onResponseStart(this.#controller, statusCode, rest, statusMessage)
  }

  override onResponseData(_controller: DispatchController, chunk: Buffer): void {
    if (this.#decoder === null) super.onResponseData(this.#controller, chunk)
    else if (this.#decoded) this.#trailingDiscarder?.onData(chunk)
    else if (!this.#decoder.write(chunk)) this.#controller.pauseForDecoder()
  }

  override onResponseEnd(_controller: DispatchController, trailers: IncomingHeaders): void {
    if (this.#decoder === null) {
      this.#controller.ended = true
      return super.onResponseEnd(this.#controller, trailers)
    }
    this.#trailers = trailers
    this.#controller.sourceEnded = true
    if (this.#decoded) this.#finish()
    else this.#decoder.end()
  }

  override onResponseError(_controller: DispatchController, error: Error): void {
    this.#fail(error)
  }

  // What the decoder tells: outside of any callback of the connection, which would see to what a handler throws

  onDecoded(chunk: Buffer): void {
    try {
      super.onResponseData(this.#controller, chunk)
    } catch (error) {
      if (this.#controller.aborted) reportUncaught(error)
      else this.#controller.abort(error as Error)
    }
  }

  onDrain(): void {
    this.#controller.resumeForDecoder()
  }

  /** What follows the encoded data is read, but not to an end that may never come. */
  onDecodedEnd(): void {
    this.#decoded = true
    if (this.#controller.sourceEnded) return this.#finish()
    const abort = () => {
      this.#finish()
      this.#controller.abortSource()
    }
    this.#trailingDiscarder = new BodyDiscarder({ abort })
  }

  #finish(): void {
    if (this.#completed) return
    this.#completed = true
    this.#controller.ended = true
    this.#trailingDiscarder?.onEnd()
    try {
      super.onResponseEnd(this.#controller, this.#trailers)
    } catch (error) {
      this.#notifyError(error as Error)
    }
  }

  onDecodeError(error: Error): void {
    this.#fail(locateRequest(error, this.#settings.request, { phase: 'body' }))
    this.#controller.abort(error)
  }

  // What its controller calls when the request has ended but for its decoding

  abortErrorOf(reason: Error | undefined): Error {
    return locateRequest(abortReasonOf(reason) as Error, this.#settings.request, { phase: 'body' })
  }

  onAborted(error: Error): void {
    this.#fail(error)
  }

  #fail(error: Error): void {
    if (this.#completed) return
    this.#completed = true
    this.#trailingDiscarder?.onEnd()
    this.#decoder?.destroy()
    if (this.#decoder === null) super.onResponseError(this.#controller, error)
    else this.#notifyError(error)
  }

  #notifyError(error: Error): void {
    callUserCode(() => super.onResponseError(this.#controller, nonNullError(error)))
  }
}

/** The codings to undo, in the order in which they were applied; none when there is one among them that we can not. */
function decodableCodingsOf(headers: IncomingHeaders): string[] {
  const field = headers['content-encoding'] ?? ''
  const codings = String(field)
    .split(',')
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '')
  return codings.every(canDecode) ? codings : []
}

/** Ends a request that has ended but for its decoding. */
interface DecodingListener {
  /** Returns what the request fails with that is aborted with `reason`. */
  abortErrorOf(reason: Error | undefined): Error
  onAborted(error: Error): void
}

/** Steers the request and what becomes of its body: one may be over long before the other. */
class DecodingController implements DispatchController {
  readonly #listener: DecodingListener
  #source: DispatchController | null = null
  /** The encoded body has ended: the request itself can not be steered any more. */
  sourceEnded = false
  /** The handler was called for the last time, but for what it throws. */
  ended = false
  /** Null as long as the body is handed out as it comes. */
  #decoder: ContentDecoder | null = null
  #paused = false
  #decoderFull = false
  #reason: Error | null = null
  /** What its handler aborted it with, while its request could be aborted. */
  #abortRequest: { readonly reason: Error | undefined } | null = null
  #raw: string[] | null = null

  constructor(listener: DecodingListener) {
    this.#listener = listener
  }

  /**
   * Steers `source` from here on: an interceptor beneath may send the request again, with another controller. Returns false
   * when the handler has aborted.
   */
  attach(source: DispatchController): boolean {
    if (source !== this.#source) {
      this.#source = source
      if (this.#abortRequest !== null) source.abort(this.#abortRequest.reason)
      else if (this.#paused) source.pause()
    }
    return this.#abortRequest === null
  }

  decode(decoder: ContentDecoder): void {
    this.#decoder = decoder
    if (this.#paused) decoder.pause()
  }

  get aborted(): boolean {
    return this.#reason !== null || this.#abortRequest !== null || this.#source?.aborted === true
  }

  get paused(): boolean {
    return this.#paused
  }

  get reason(): Error | null {
    return this.#reason ?? this.#source?.reason ?? this.#abortRequest?.reason ?? null
  }

  get rawHeaders(): string[] | null {
    const raw = this.#source?.rawHeaders ?? null
    if (this.#decoder === null || !Array.isArray(raw)) return raw
    this.#raw ??= raw.filter((_, i) => !/^content-(encoding|length)$/i.test(String(raw[i - (i % 2)])))
    return this.#raw
  }

  get rawTrailers(): string[] | null {
    return this.#source?.rawTrailers ?? null
  }

  get timings(): Timings | null {
    return this.#source?.timings ?? null
  }

  get timeouts(): SharedTimeouts | null {
    return this.#source?.timeouts ?? null
  }

  get bodyDecoded(): boolean {
    return this.#decoder !== null || this.#source?.bodyDecoded === true
  }

  abort(reason?: Error): void {
    if (this.ended || this.aborted) return
    if (!this.sourceEnded) {
      this.#abortRequest = { reason }
      return this.#source?.abort(reason)
    }
    this.#reason = this.#listener.abortErrorOf(reason)
    this.#listener.onAborted(this.#reason)
  }

  /** Ends a request of which the handler knows already that it has ended. */
  abortSource(): void {
    this.sourceEnded = true
    this.#source?.abort(new InformationalError('The body goes on behind its encoded data'))
  }

  pause(): void {
    if (this.#paused) return
    this.#paused = true
    this.#decoder?.pause()
    if (!this.sourceEnded && !this.#decoderFull) this.#source?.pause()
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#decoder?.resume()
    if (!this.sourceEnded && !this.#decoderFull) this.#source?.resume()
  }

  /** The decoder has more than enough. */
  pauseForDecoder(): void {
    this.#decoderFull = true
    if (!this.#paused) this.#source?.pause()
  }

  resumeForDecoder(): void {
    if (!this.#decoderFull) return
    this.#decoderFull = false
    if (!this.sourceEnded && !this.#paused) this.#source?.resume()
  }
}
