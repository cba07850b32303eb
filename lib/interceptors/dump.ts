import { unpollutedRequest } from '../base/prototype-pollution.js'
import type { DispatchInterceptor } from '../dispatcher/dispatcher.js'
import { invalidOption, markSluiceOwned, RequestAbortedError } from '../errors.js'
import { DecoratorHandler } from '../exchange/decorator-handler.js'
import type {
  DispatchController,
  DispatchHandler,
  IncomingHeaders,
  LegacyDispatchHandler,
} from '../exchange/handler.js'
import type { DispatchOptions } from '../exchange/request.js'
import { mergeOptions, pickOptions } from './option-layers.js'

/** Options of `interceptors.dump`. Source: undici's `Interceptors.md`. */
export interface DumpOptions {
  /** Bytes of a body read and thrown away at most; more fails the request. Default: 1 048 576. */
  maxSize?: number | null | undefined
}

/**
 * Reads response bodies to their end and hands nothing of them out. `dumpMaxSize` beside the options of a request is
 * its own `maxSize`.
 * Source: undici's `Interceptors.md`.
 * @throws {InvalidArgumentError} an option is not what is documented
 */
export function dump(options: DumpOptions = {}): DispatchInterceptor {
  const maxSize = mergeOptions(options).maxSize ?? 1_048_576
  check('maxSize', maxSize)
  return (dispatch) => (request: DispatchOptions & { dumpMaxSize?: number | null }, handler) => {
    const limit = pickOptions(unpollutedRequest(request), ['dumpMaxSize']).dumpMaxSize ?? maxSize
    check('dumpMaxSize', limit)
    return dispatch(request, new DumpHandler(handler, { limit, bodiless: request.method === 'HEAD' }))
  }
}

function check(name: string, value: unknown): void {
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) {
    throw invalidOption(name, 'a number of bytes above 0', value)
  }
}

class DumpHandler extends DecoratorHandler {
  readonly #limit: number
  /** A length that is told is not that of the response itself (RFC 9110 §9.3.2). */
  readonly #bodiless: boolean
  #size = 0

  constructor(handler: DispatchHandler | LegacyDispatchHandler, part: { limit: number; bodiless: boolean }) {
    super(handler)
    this.#limit = part.limit
    this.#bodiless = part.bodiless
  }

  override onResponseStart(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHeaders,
    statusMessage?: string,
  ): void {
    const length = this.#bodiless || statusCode < 200 || statusCode === 304 ? 0 : Number(headers['content-length'])
    if (length > this.#limit) controller.abort(this.#tooLarge(length))
    else super.onResponseStart(controller, statusCode, headers, statusMessage)
  }

  override onResponseData(controller: DispatchController, chunk: Buffer): void {
    this.#size += chunk.length
    if (this.#size > this.#limit) controller.abort(this.#tooLarge(this.#size))
  }

  #tooLarge(size: number): Error {
    return markSluiceOwned(
      new RequestAbortedError(`Response body of ${size} bytes is larger than maxSize (${this.#limit})`),
    )
  }
}
