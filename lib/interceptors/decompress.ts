import type { Duplex } from 'node:stream'
import { callUserCode, reportUncaught } from '../base/user-code.js'
import type { DispatchInterceptor } from '../dispatcher/dispatcher.js'
import { atCaller } from '../errors/caller.js'
import { warnUnknownOptions } from '../errors/unknown-options.js'
import { invalidOption, markSluiceOwned, NotSupportedError, nonNullError } from '../errors.js'
import { abortReasonOf } from '../exchange/abort-errors.js'
import { DecoratorHandler } from '../exchange/decorator-handler.js'
import type {
  DispatchController,
  DispatchHandler,
  IncomingHeaders,
  LegacyDispatchHandler,
} from '../exchange/handler.js'
import type { DispatchOptions } from '../exchange/request.js'
import { passError, reportThrown } from '../exchange/thrown-errors.js'
import { BodyDiscarder } from './body-discarder.js'
import { ContentDecoder, canDecode, type DecoderListener } from './content-decoder.js'
import { DecodingController, type DecodingListener } from './decoding-controller.js'
import { mergeOptions, omitNull, readOptionsOnce } from './option-layers.js'
import { locateRequest } from './wait.js'

/** Options of `interceptors.decompress`. Source: undici's `Interceptors.md`. */
export interface DecompressOptions {
  /** Whether bodies of responses with a status of 400 or more are not decoded. Default: true. */
  skipErrorResponses?: boolean | null | undefined
  /** Status codes of responses whose bodies are not decoded. Default: 204 and 304. */
  skipStatusCodes?: readonly number[] | null | undefined
  /**
   * Maximum size of the output of each coding in bytes; more fails the request with a ResponseExceededMaxSizeError. 0: no
   * limit; then a few bytes from a server can expand to any size. Default: 0.
   */
  maxSize?: number | null | undefined
}

/** Maximum number of codings: each one costs the client memory and the server nothing. */
const MAX_CODINGS = 5

/**
 * Decodes response bodies with `gzip`, `x-gzip`, `deflate`, `br` and, if the runtime supports it, `zstd`, also combined.
 * Removes `content-encoding` and `content-length` of decoded responses. Bodies with other codings are not changed.
 * Source: undici's `Interceptors.md`.
 * @throws {InvalidArgumentError} an option is invalid
 * @example
 * const client = new Client('http://localhost:3000').compose(interceptors.decompress({ maxSize: 10_000_000 }))
 * const { body } = await client.request({ path: '/', method: 'GET', headers: { 'accept-encoding': 'br, gzip' } })
 */
export function decompress(options: DecompressOptions = {}): DispatchInterceptor {
  const given = mergeOptions(options)
  // As in undici: null decodes error responses too; for the other options it means the default.
  const skipErrorResponses = given.skipErrorResponses === null ? false : (given.skipErrorResponses ?? true)
  const { skipStatusCodes = [204, 304], maxSize = 0 } = omitNull(given)
  atCaller(decompress, () => {
    if (typeof skipErrorResponses !== 'boolean')
      throw invalidOption('skipErrorResponses', 'a boolean', skipErrorResponses)
    if (!Array.isArray(skipStatusCodes) || !skipStatusCodes.every(Number.isInteger)) {
      throw invalidOption('skipStatusCodes', 'an array of status codes', skipStatusCodes)
    }
    if (!Number.isInteger(maxSize) || maxSize < 0) {
      throw invalidOption('maxSize', 'a non-negative integer (bytes)', maxSize)
    }
  })
  const names = ['skipErrorResponses', 'skipStatusCodes', 'maxSize']
  warnUnknownOptions({ bag: 'interceptors.decompress', names }, given)
  const skipped = new Set([204, 304, ...skipStatusCodes])
  const skips = (status: number) => skipped.has(status) || (skipErrorResponses && status >= 400)
  return (dispatch) => (given, handler) => {
    const request = readOptionsOnce(given)
    // The headers describe a body that is not sent (RFC 9110 §9.3.2).
    if (request.method === 'HEAD') return dispatch(request, handler)
    return dispatch(request, new DecompressHandler(handler, { skips, maxSize, request }))
  }
}

interface DecompressSettings {
  skips(statusCode: number): boolean
  maxSize: number
  request: DispatchOptions
}

/** Handler that decodes the body; the next handler gets a controller for the decoded body. */
class DecompressHandler extends DecoratorHandler implements DecoderListener, DecodingListener {
  readonly #settings: DecompressSettings
  readonly #controller = new DecodingController(this)
  #decoder: ContentDecoder | null = null
  #trailers: IncomingHeaders = {}
  #decoded = false
  /** Discards the data after the encoded body. */
  #trailingDiscarder: BodyDiscarder | null = null
  #completed = false
  /** Error with which the request has failed. */
  #failure: Error | null = null

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
      const message = `Response has ${codings.length} content codings, more than the maximum of ${MAX_CODINGS}`
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
    if (!this.#completed) this.#fail(error)
    else if (!this.#controller.aborted) reportThrown(error, this.#failure)
  }

  // Callbacks of the decoder run outside of callbacks of the connection, which would catch exceptions of the handler.

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

  /** Completes the response, or discards data after the encoded body first, with a limit: it may be endless. */
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
      passError(error, true, () => this.#notifyError(error as Error))
    }
  }

  onDecodeError(error: Error): void {
    this.#fail(locateRequest(error, this.#settings.request, { phase: 'body' }))
    this.#controller.abort(error)
  }

  // Callbacks of the controller, after the encoded body has ended

  abortErrorOf(reason: Error | undefined): Error {
    return locateRequest(abortReasonOf(reason) as Error, this.#settings.request, { phase: 'body' })
  }

  onAborted(error: Error): void {
    this.#fail(error)
  }

  #fail(error: Error): void {
    if (this.#completed) return
    this.#completed = true
    this.#failure = error
    this.#trailingDiscarder?.onEnd()
    this.#decoder?.destroy()
    if (this.#decoder === null) super.onResponseError(this.#controller, error)
    else this.#notifyError(error)
  }

  #notifyError(error: Error): void {
    callUserCode(() => super.onResponseError(this.#controller, nonNullError(error)))
  }
}

/** Returns the codings of a body in the order in which they were applied; none if one is not supported. */
function decodableCodingsOf(headers: IncomingHeaders): string[] {
  const field = headers['content-encoding'] ?? ''
  const codings = String(field)
    .split(',')
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '')
  return codings.every(canDecode) ? codings : []
}
