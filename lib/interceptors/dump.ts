import { unpollutedRequest } from '../base/prototype-pollution.js'
import type { DispatchInterceptor } from '../dispatcher/dispatcher.js'
import { atCaller } from '../errors/caller.js'
import { warnUnknownOptions } from '../errors/unknown-options.js'
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
  /** Maximum size of a body in bytes; a larger one fails the request. Default: 1 048 576. */
  maxSize?: number | null | undefined
}

/**
 * Reads response bodies to their end and discards them. The request option `dumpMaxSize` replaces `maxSize` for one
 * request.
 * Source: undici's `Interceptors.md`.
 * @throws {InvalidArgumentError} an option is invalid
 * @example
 * const client = new Client('http://localhost:3000').compose(interceptors.dump({ maxSize: 4096 }))
 * const { statusCode } = await client.request({ path: '/', method: 'GET' })
 */
export function dump(options: DumpOptions = {}): DispatchInterceptor {
  const maxSize = mergeOptions(options).maxSize ?? 1_048_576
  atCaller(dump, () => check('maxSize', maxSize))
  warnUnknownOptions({ bag: 'interceptors.dump', names: ['maxSize'] }, Object(options))
  return (dispatch) => (request: DispatchOptions & { dumpMaxSize?: number | null }, handler) => {
    const limit = pickOptions(unpollutedRequest(request), ['dumpMaxSize']).dumpMaxSize ?? maxSize
    check('dumpMaxSize', limit)
    return dispatch(request, new DumpHandler(handler, { limit, bodiless: request.method === 'HEAD' }))
  }
}

function check(name: string, value: unknown): void {
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) {
    throw invalidOption(name, 'a positive number of bytes', value)
  }
}

class DumpHandler extends DecoratorHandler {
  readonly #limit: number
  /** Whether the response has no body: its `content-length` is that of a GET (RFC 9110 §9.3.2). */
  readonly #bodiless: boolean
  #size = 0

  constructor(handler: DispatchHandler | LegacyDispatchHandler, options: { limit: number; bodiless: boolean }) {
    super(handler)
    this.#limit = options.limit
    this.#bodiless = options.bodiless
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
    return markSluiceOwned(new RequestAbortedError(`Response body of ${size} bytes exceeds maxSize (${this.#limit})`))
  }
}
