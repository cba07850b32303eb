import { callUserCode } from '../base/user-code.js'
import type { DispatchInterceptor } from '../dispatcher/dispatcher.js'
import { pointAtCaller } from '../errors/caller.js'
import { warnUnknownOptions } from '../errors/unknown-options.js'
import { invalidOption, ResponseError } from '../errors.js'
import { DecoratorHandler } from '../exchange/decorator-handler.js'
import type {
  DispatchController,
  DispatchHandler,
  IncomingHeaders,
  LegacyDispatchHandler,
} from '../exchange/handler.js'
import type { DispatchOptions } from '../exchange/request.js'
import { BodyDiscarder } from './body-discarder.js'
import { mergeOptions, readOptionsOnce } from './option-layers.js'
import { failureOf, locateRequest, statusText } from './wait.js'

/** Options of `interceptors.responseError`. Source: undici's `Interceptors.md`. */
export interface ResponseErrorOptions {
  /** Ignored: an error status is always an error. Accepted for compatibility with undici. */
  throwOnError?: boolean | undefined
  /** Maximum number of body bytes that are added to the error; 0: no limit. Default: 1 048 576. */
  maxSize?: number | undefined
}

/**
 * Fails requests whose response has a status of 400 or more with a ResponseError. Its `body` is the text of a `text/plain`
 * body, the parsed value of an `application/json` one (its text if it is not valid JSON), otherwise an empty string. The
 * rest of a body is read for one second and 64 KB at most, to keep the connection.
 * Source: undici's `Interceptors.md`.
 * @throws {InvalidArgumentError} an option is invalid
 * @example
 * const client = new Client('http://localhost:3000').compose(interceptors.responseError())
 * await client.request({ path: '/missing', method: 'GET' }).catch((error) => console.log(error.statusCode))
 */
export function responseError(options: ResponseErrorOptions = {}): DispatchInterceptor {
  const { maxSize = 1_048_576 } = mergeOptions(options)
  if (!Number.isInteger(maxSize) || maxSize < 0) {
    throw pointAtCaller(invalidOption('maxSize', 'a non-negative integer (bytes)', maxSize), responseError)
  }
  warnUnknownOptions({ bag: 'interceptors.responseError', names: ['maxSize', 'throwOnError'] }, Object(options))
  return (dispatch) => (given, handler) => {
    const request = readOptionsOnce(given)
    return dispatch(request, new ResponseErrorHandler(handler, request, maxSize))
  }
}

interface FailedResponse {
  readonly statusCode: number
  readonly headers: IncomingHeaders
  readonly statusMessage: string | undefined
}

class ResponseErrorHandler extends DecoratorHandler {
  readonly #request: DispatchOptions
  readonly #maxSize: number
  /** Discards the part of the body that is not added to the error. */
  #drain: BodyDiscarder | null = null
  #failed: FailedResponse | null = null
  readonly #kept: Buffer[] = []
  #size = 0

  constructor(handler: DispatchHandler | LegacyDispatchHandler, request: DispatchOptions, maxSize: number) {
    super(handler)
    this.#request = request
    this.#maxSize = maxSize === 0 ? Number.POSITIVE_INFINITY : maxSize
  }

  override onResponseStart(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHeaders,
    statusMessage?: string,
  ): void {
    if (statusCode < 400) return super.onResponseStart(controller, statusCode, headers, statusMessage)
    this.#failed = { statusCode, headers, statusMessage }
    // A handler that has paused gets no response for which it would resume.
    controller.resume()
    if (!isText(headers)) this.#drain = new BodyDiscarder(controller, this.#error(this.#failed))
  }

  override onResponseData(controller: DispatchController, chunk: Buffer): void {
    if (this.#failed === null) return super.onResponseData(controller, chunk)
    const room = this.#drain === null ? this.#maxSize - this.#size : 0
    this.#size += chunk.length
    if (room > 0) this.#kept.push(chunk.subarray(0, room))
    if (chunk.length <= room) return
    this.#drain ??= new BodyDiscarder(controller, this.#error(this.#failed))
    this.#drain.onData(chunk.subarray(room))
  }

  override onResponseEnd(controller: DispatchController, trailers: IncomingHeaders): void {
    const failed = this.#failed
    this.#drain?.onEnd()
    if (failed === null) super.onResponseEnd(controller, trailers)
    // The exchange would treat an exception of the handler as a failure of this callback.
    else callUserCode(() => this.onResponseError(controller, this.#error(failed)))
  }

  override onResponseError(controller: DispatchController, error: Error): void {
    this.#drain?.onEnd()
    super.onResponseError(controller, error)
  }

  #error(failed: FailedResponse): ResponseError {
    const { statusCode, headers } = failed
    const bodyTruncated = this.#size > this.#maxSize
    const error = new ResponseError(`${failureOf(this.#request)}: ${statusText(failed)}`, statusCode, {
      headers,
      body: this.#body(headers),
      bodyTruncated,
    })
    return locateRequest(error, this.#request, { phase: 'body' })
  }

  #body(headers: IncomingHeaders): unknown {
    const { type, charset } = contentType(headers)
    const text = decode(Buffer.concat(this.#kept), type === JSON_TYPE ? 'utf-8' : charset)
    if (type !== JSON_TYPE || this.#size > this.#maxSize) return text
    try {
      return JSON.parse(text)
    } catch {
      return text
    }
  }
}

const JSON_TYPE = 'application/json'

function isText(headers: IncomingHeaders): boolean {
  const { type } = contentType(headers)
  return type === JSON_TYPE || type === 'text/plain'
}

function contentType(headers: IncomingHeaders): { type: string; charset: string } {
  const value = String(headers['content-type'] ?? '').toLowerCase()
  const charset = /;\s*charset\s*=\s*"?([^\s;"]+)/.exec(value)?.[1] ?? 'utf-8'
  return { type: value.split(';', 1)[0]?.trim() ?? '', charset }
}

function decode(bytes: Buffer, charset: string): string {
  const decoder = decoderOf(charset)
  // A character that is cut off must not end as U+FFFD.
  return decoder.decode(bytes, { stream: true })
}

function decoderOf(charset: string) {
  try {
    return new TextDecoder(charset)
  } catch {
    return new TextDecoder()
  }
}
