import type { Duplex } from 'node:stream'
import type { DispatchController, LegacyDispatchHandler } from '../../lib/exchange/handler.js'
import type { Call } from './call.js'

type Fields = readonly (Buffer | string)[] | null

/** A call with a legacy handler. */
export class LegacyCall implements LegacyDispatchHandler {
  readonly #call: Call
  #abort: (reason?: Error) => void = () => {}
  #resume: () => void = () => {}
  readonly #controller = {
    pause() {},
    resume: () => this.#resume(),
    abort: (reason?: Error) => this.#abort(reason),
  } as DispatchController
  readonly onBodySent?: (chunk: Buffer) => void
  readonly onRequestSent?: () => void

  constructor(call: Call) {
    this.#call = call
    const { onBodySent, onRequestSent } = call
    if (onBodySent !== undefined) this.onBodySent = (chunk) => this.#unpaused(() => onBodySent(chunk))
    if (onRequestSent !== undefined) this.onRequestSent = () => this.#unpaused(onRequestSent)
  }

  onConnect(abort: (reason?: Error) => void): void {
    this.#abort = abort
    this.#unpaused(() => this.#call.onRequestStart(this.#controller))
  }

  /** Only the return value `false` pauses, and these callbacks return nothing. */
  #unpaused(callback: () => void): void {
    const { paused } = this.#call
    try {
      callback()
    } finally {
      if (!paused) this.#call.paused = false
    }
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void): boolean {
    this.#resume = resume
    this.#call.onResponseStart(this.#controller, status, fieldsOf(raw))
    return !this.#call.paused
  }

  onData(chunk: Buffer): boolean {
    this.#call.onResponseData(this.#controller, chunk)
    return !this.#call.paused
  }

  onComplete(): void {
    this.#call.onResponseEnd()
  }

  onError(error: Error): void {
    this.#call.onResponseError(this.#controller, error)
  }

  onUpgrade(status: number, raw: Fields, socket: Duplex): void {
    this.#call.onRequestUpgrade(this.#controller, status, fieldsOf(raw ?? []), socket)
  }
}

function fieldsOf(raw: readonly (Buffer | string)[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (let i = 0; i < raw.length; i += 2) headers[String(raw[i]).toLowerCase()] = String(raw[i + 1])
  return headers
}
