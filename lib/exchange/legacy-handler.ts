import type { Duplex } from 'node:stream'
import { invalidOption } from '../errors.js'
import { flattenHeaders, type HeadersInput } from '../wire/headers.js'
import type { DispatchController, DispatchHandler, IncomingHeaders, LegacyDispatchHandler } from './handler.js'
import type { DispatchInput } from './request.js'

type Callback<Name extends keyof LegacyDispatchHandler> = Parameters<NonNullable<LegacyDispatchHandler[Name]>>

/**
 * Returns a handler with the current callbacks for a handler of either form. Node's built-in `fetch` and older
 * interceptors have the legacy callbacks.
 * @throws {InvalidArgumentError} `handler` is not a handler, or a required callback is missing
 */
export function adaptHandler(handler: DispatchHandler | LegacyDispatchHandler, upgrade: boolean): DispatchHandler {
  if (typeof handler !== 'object' || handler === null) throw invalidOption('handler', 'an object', handler)
  const modern = handler as DispatchHandler
  const legacy = handler as LegacyDispatchHandler
  const isModern =
    !isLegacyHandler(handler) &&
    (typeof modern.onRequestStart === 'function' ||
      typeof modern.onResponseStart === 'function' ||
      typeof modern.onRequestUpgrade === 'function' ||
      typeof modern.onResponseError === 'function')
  const onError: unknown = isModern ? modern.onResponseError : legacy.onError
  if (typeof onError !== 'function')
    requireFunction(onError, isModern || !hasLegacyCallback(handler) ? 'onResponseError' : 'onError')
  if (upgrade) {
    const name = isModern ? 'onRequestUpgrade' : 'onUpgrade'
    requireFunction(isModern ? modern.onRequestUpgrade : legacy.onUpgrade, name)
  }
  return isModern ? modern : new LegacyAdapter(legacy)
}

/**
 * Returns a handler for a wrapper that forwards callbacks. Unlike {@link adaptHandler}, any callback may be missing,
 * except the one that an upgrade needs.
 * @throws {InvalidArgumentError} `handler` is not a handler, or a required callback is missing
 */
export function adaptInnerHandler(handler: DispatchHandler | LegacyDispatchHandler, upgrade = false): DispatchHandler {
  if (upgrade || typeof handler !== 'object' || handler === null) return adaptHandler(handler, upgrade)
  const has = (name: string) => {
    const callback = (handler as Record<string, unknown>)[name] ?? null
    if (callback !== null) requireFunction(callback, name)
    return callback !== null
  }
  const newer = CALLBACKS.filter(has).length > 0
  const elder = isLegacyHandler(handler) || (LEGACY_CALLBACKS.filter(has).length > 0 && !newer)
  return elder ? new LegacyAdapter(handler as LegacyDispatchHandler) : (handler as DispatchHandler)
}

/** Whether a request takes over the socket of its connection: CONNECT or an upgrade. */
export function isUpgrade({ method, upgrade }: Pick<DispatchInput, 'method' | 'upgrade'>): boolean {
  return method === 'CONNECT' || (upgrade != null && upgrade !== false)
}

const LEGACY_CALLBACKS = ['onConnect', 'onHeaders', 'onData', 'onComplete']
const CALLBACKS = ['onRequestStart', 'onResponseStart', 'onResponseData', 'onResponseEnd', 'onResponseError']

/** Whether a handler has a legacy callback. */
function hasLegacyCallback(handler: object): boolean {
  return LEGACY_CALLBACKS.some((name) => typeof (handler as Record<string, unknown>)[name] === 'function')
}

/** Whether a handler has the legacy form. The one of Node 24's built-in `fetch` also has `onRequestUpgrade`. */
export function isLegacyHandler(handler: DispatchHandler | LegacyDispatchHandler): handler is LegacyDispatchHandler {
  const { onError } = (handler ?? {}) as LegacyDispatchHandler
  return typeof onError === 'function' && typeof (handler as DispatchHandler).onResponseError !== 'function'
}

function requireFunction(value: unknown, name: string): void {
  if (typeof value !== 'function') throw invalidOption(`handler.${name}`, 'a function', value)
}

/**
 * Adapter with both forms of callbacks, because interceptors may call either. The wrapped handler has the legacy form.
 */
class LegacyAdapter implements DispatchHandler, LegacyDispatchHandler {
  readonly #handler: LegacyDispatchHandler

  constructor(handler: LegacyDispatchHandler) {
    this.#handler = handler
  }

  onRequestStart(controller: DispatchController, context: unknown): void {
    this.#handler.onConnect?.((reason) => controller.abort(reason), context)
  }

  onRequestUpgrade(controller: DispatchController, statusCode: number, headers: IncomingHeaders, socket: Duplex): void {
    this.#handler.onUpgrade?.(statusCode, toRawHeaders(controller.rawHeaders, headers), socket)
  }

  onResponseStart(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHeaders,
    statusMessage = '',
  ): void {
    const raw = toRawHeaders(controller.rawHeaders, headers)
    const more = this.#handler.onHeaders?.(statusCode, raw, () => controller.resume(), statusMessage)
    // Node 24's `fetch` returns `false` for each 1xx, and never resumes.
    if (more === false && statusCode >= 200) controller.pause()
  }

  onResponseData(controller: DispatchController, chunk: Buffer): void {
    if (this.#handler.onData?.(chunk) === false) controller.pause()
  }

  onResponseEnd(controller: DispatchController, trailers: IncomingHeaders): void {
    this.#handler.onComplete?.(toRawHeaders(controller.rawTrailers, trailers))
  }

  onResponseError(_controller: DispatchController, error: Error): void {
    this.#handler.onError?.(error)
  }

  onResponseStarted(): void {
    this.#handler.onResponseStarted?.()
  }

  onBodySent(chunk: Buffer): void {
    this.#handler.onBodySent?.(chunk)
  }

  onRequestSent(): void {
    this.#handler.onRequestSent?.()
  }

  onConnect(...connect: Callback<'onConnect'>): void {
    this.#handler.onConnect?.(...connect)
  }

  onUpgrade(...upgrade: Callback<'onUpgrade'>): void {
    this.#handler.onUpgrade?.(...upgrade)
  }

  onHeaders(...head: Callback<'onHeaders'>): boolean | void {
    return this.#handler.onHeaders?.(...head)
  }

  onData(chunk: Buffer): boolean | void {
    return this.#handler.onData?.(chunk)
  }

  onComplete(...end: Callback<'onComplete'>): void {
    this.#handler.onComplete?.(...end)
  }

  onError(error: Error): void {
    this.#handler.onError?.(error)
  }
}

/**
 * Returns headers as the legacy callbacks expect them. An interceptor that creates a response may have no raw headers,
 * and undici's are buffers.
 */
function toRawHeaders(raw: unknown, fields: IncomingHeaders | undefined): Buffer[] {
  const given: unknown[] = Array.isArray(raw) ? raw : flattenHeaders((raw ?? fields ?? {}) as HeadersInput)
  return Buffer.isBuffer(given[0]) ? ([...given] as Buffer[]) : toBuffers(given as string[])
}

/** Converts raw headers to the Buffers that legacy handlers receive. */
export function toBuffers(raw: readonly string[] | null): Buffer[] {
  if (raw === null) return []
  // Memory of its own: the receiver could transfer Node's shared buffer pool.
  const memory = Buffer.allocUnsafeSlow(raw.reduce((sum, text) => sum + text.length, 0))
  let end = 0
  return raw.map((text) => {
    const start = end
    end += memory.write(text, start, 'latin1')
    return memory.subarray(start, end)
  })
}
