import type { ReadableOptions } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { builtinModule } from '../base/builtin-modules.js'
import { LazyReadable } from '../base/lazy-streams.js'
import { RequestAbortedError } from '../errors.js'
import { BodyCollector, type BodyFormat, type BodyMetadata, type Consumer } from './body-formats.js'

/** `Readable` with the body mixin of the Fetch standard: reads a whole body in one format, once. */
export abstract class BodyMixinReadable extends LazyReadable {
  readonly #metadata: BodyMetadata
  #web: ReadableStream | null = null

  /** @internal */
  constructor(options: ReadableOptions, metadata: BodyMetadata) {
    super(options)
    this.#metadata = metadata
  }

  /** @internal Reason why the body failed before reading it as a whole began; null if it did not. */
  abstract get unreadFailure(): { readonly reason: unknown } | null

  /** @internal Passes the whole body to `consumer`. */
  abstract consumeWhole(consumer: Consumer): void

  /** Whether reading the body has begun. */
  get bodyUsed(): boolean {
    return this.readableDidRead
  }

  /** The body as a web `ReadableStream`. */
  get body(): ReadableStream {
    this.#web ??= builtinModule('node:stream').Readable.toWeb(this)
    return this.#web
  }

  /** Decodes the body as UTF-8, without its byte order mark. */
  text(): Promise<string> {
    return this.#consume('text') as Promise<string>
  }

  /** Parses the body as JSON. Rejects with a SyntaxError if it is invalid or empty. */
  json(): Promise<unknown> {
    return this.#consume('json')
  }

  /** Reads the body as a Uint8Array. */
  bytes(): Promise<Uint8Array> {
    return this.#consume('bytes') as Promise<Uint8Array>
  }

  /** Reads the body as an ArrayBuffer. */
  arrayBuffer(): Promise<ArrayBuffer> {
    return this.#consume('arrayBuffer') as Promise<ArrayBuffer>
  }

  /** Reads the body as a Blob with the content type of the response. */
  blob(): Promise<Blob> {
    return this.#consume('blob') as Promise<Blob>
  }

  /** Parses the body as `multipart/form-data` or `application/x-www-form-urlencoded`. */
  formData(): Promise<FormData>
  /** Overload with undici's declaration, so that results of sluice are assignable to undici's types. */
  formData(): Promise<never>
  formData(): Promise<FormData> {
    return this.#consume('formData') as Promise<FormData>
  }

  #consume(format: BodyFormat): Promise<unknown> {
    const failure = this.unreadFailure
    if (failure !== null) return Promise.reject(failure.reason)
    if (this.bodyUsed) return Promise.reject(new TypeError('Body is unusable: Body has already been read'))
    if (this.#web?.locked) return Promise.reject(new TypeError('Body is locked'))
    if (this.destroyed) return Promise.reject(new RequestAbortedError('The body was destroyed'))
    this.#metadata.encoding = this.readableEncoding
    return new Promise((resolve, reject) => {
      this.consumeWhole(new BodyCollector(format, this.#metadata, { resolve, reject }))
    })
  }
}
