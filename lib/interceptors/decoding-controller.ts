import type { Timings } from '../errors/timings.js'
import { InformationalError } from '../errors.js'
import type { SharedTimeouts } from '../exchange/deadlines.js'
import type { DispatchController, RawHeaders } from '../exchange/handler.js'
import type { ContentDecoder } from './content-decoder.js'

/** Receiver of an abort while the decoder still has data of a body that was received completely. */
export interface DecodingListener {
  /** Returns the error of a request that is aborted with `reason`. */
  abortErrorOf(reason: Error | undefined): Error
  onAborted(error: Error): void
}

/** Controller of a request and of the decoder of its body; the encoded body may end long before the decoded one. */
export class DecodingController implements DispatchController {
  readonly #listener: DecodingListener
  #source: DispatchController | null = null
  /** Whether the encoded body has ended: calls to the controller of the connection have no effect any more. */
  sourceEnded = false
  /** Whether the last callback of the handler was called. */
  ended = false
  /** Decoder of the body; null if it is not decoded. */
  #decoder: ContentDecoder | null = null
  #paused = false
  #decoderFull = false
  #reason: Error | null = null
  /** Reason of an abort that was passed to the connection. */
  #abortRequest: { readonly reason: Error | undefined } | null = null
  #raw: string[] | null = null

  constructor(listener: DecodingListener) {
    this.#listener = listener
  }

  /**
   * Makes `source` the controller of the connection. An interceptor below may send the request again, with another one.
   * Returns false if the handler has aborted the request.
   */
  attach(source: DispatchController): boolean {
    if (source !== this.#source) {
      this.#source = source
      if (this.#abortRequest !== null) source.abort(this.#abortRequest.reason)
      else if (this.#paused) source.pause()
    }
    return this.#abortRequest === null
  }

  /** Sets the decoder of the body. */
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

  get rawHeaders(): RawHeaders {
    const raw = this.#source?.rawHeaders ?? null
    if (this.#decoder === null || !Array.isArray(raw)) return raw
    this.#raw ??= (raw as string[]).filter((_, i) => !/^content-(encoding|length)$/i.test(String(raw[i - (i % 2)])))
    return this.#raw
  }

  get rawTrailers(): RawHeaders {
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

  /** Aborts the connection of a request whose decoded body is complete. */
  abortSource(): void {
    this.sourceEnded = true
    this.#source?.abort(new InformationalError('The response body has data after the end of its encoded content'))
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

  /** Pauses the connection because the decoder is full. */
  pauseForDecoder(): void {
    this.#decoderFull = true
    if (!this.#paused) this.#source?.pause()
  }

  /** Resumes the connection after the decoder has drained. */
  resumeForDecoder(): void {
    if (!this.#decoderFull) return
    this.#decoderFull = false
    if (!this.sourceEnded && !this.#paused) this.#source?.resume()
  }
}
