import type { Transform } from 'node:stream'
import { builtinModule } from '../base/builtin-modules.js'
import { unpooled } from '../base/unpooled-memory.js'
import { ResponseExceededMaxSizeError } from '../errors.js'
import { ZstdDecoder, type ZstdRuntime } from './zstd-frames.js'

/** zstd functions of `node:zlib`; neither Node 20 nor its types have them. */
interface Zstd {
  createZstdDecompress?(options: { params: Record<number, number> }): Transform
  zstdDecompressSync?(bytes: Uint8Array, options?: { params: Record<number, number>; chunkSize?: number }): Buffer
  constants: { ZSTD_d_windowLogMax?: number }
}

type OpenDecoder = (first: Buffer) => Transform

/** Maximum window: 8 MB (RFC 9659). */
const ZSTD_WINDOW_LOG = 23

/** Whether the decoder of the runtime decodes all frames; determined with the first zstd body. */
let decodesAllFrames: boolean | undefined

const gunzip: OpenDecoder = () => builtinModule('node:zlib').createGunzip()
// `deflate` is the zlib format (RFC 9110 §8.4.1.2), whose first byte has method 8. Some servers send raw deflate, which has not.
const inflate: OpenDecoder = (first) => {
  const zlib = builtinModule('node:zlib')
  return ((first[0] ?? 8) & 0x0f) === 8 ? zlib.createInflate() : zlib.createInflateRaw()
}

const decoderFactories: Record<string, OpenDecoder> = {
  gzip: gunzip,
  'x-gzip': gunzip,
  deflate: inflate,
  br: () => builtinModule('node:zlib').createBrotliDecompress(),
}

function decoderFactoryOf(coding: string): OpenDecoder | undefined {
  if (coding !== 'zstd') return Object.hasOwn(decoderFactories, coding) ? decoderFactories[coding] : undefined
  const runtime = zstdRuntime()
  return runtime === null ? undefined : () => new ZstdDecoder(runtime)
}

/** Frame that decodes to one byte (RFC 8878 §3.1.1). */
const ONE_FRAME = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x01, 0x09, 0x00, 0x00, 0x61]

/** Returns the zstd functions of the runtime; null if it has none. */
function zstdRuntime(): ZstdRuntime | null {
  const { createZstdDecompress, zstdDecompressSync, constants } = builtinModule('node:zlib') as Zstd
  const limit = constants.ZSTD_d_windowLogMax
  if (createZstdDecompress === undefined || zstdDecompressSync === undefined || limit === undefined) return null
  const options = { params: { [limit]: ZSTD_WINDOW_LOG } }
  decodesAllFrames ??= zstdDecompressSync(new Uint8Array([...ONE_FRAME, ...ONE_FRAME])).length === 2
  return {
    open: () => createZstdDecompress(options),
    // A small frame decodes to few bytes; the default chunk size would allocate 16 KB.
    decode: (frame) => zstdDecompressSync(frame, { ...options, chunkSize: 1024 }),
    decodesAllFrames,
  }
}

/** Whether the runtime can decode a content coding. */
export function canDecode(coding: string): boolean {
  return decoderFactoryOf(coding) !== undefined
}

/** Receiver of decoded data. */
export interface DecoderListener {
  onDecoded(chunk: Buffer): void
  /** Called when `write` may be called again after it returned false. */
  onDrain(): void
  onDecodedEnd(): void
  /** Called instead of `onDecodedEnd`; no call follows. */
  onDecodeError(error: Error): void
}

/** Receiver of the output of a stage. `write` returns false to request a pause. */
interface DecodedSink {
  write(chunk: Buffer): boolean
  end(): void
}

/** Decoder of the content codings of a body, with one stage for each coding. */
export class ContentDecoder {
  readonly #listener: DecoderListener
  readonly #stages: DecoderStage[] = []
  readonly #last: DecoderStage
  /** Whether the decoded body has ended. */
  #ended = false
  #destroyed = false

  /**
   * @param codings content codings in the order in which they were applied; all must be supported
   * @param maxSize maximum number of bytes that each stage may output; 0: no limit
   */
  constructor(codings: readonly string[], maxSize: number, listener: DecoderListener) {
    this.#listener = listener
    const limit = maxSize === 0 ? Number.POSITIVE_INFINITY : maxSize
    let sink: DecodedSink = { write: (chunk) => this.#emit(chunk), end: () => this.#end() }
    for (const coding of codings) {
      const index = this.#stages.length
      const onDrain = () => this.#onStageDrain(index)
      const onError = (error: Error) => this.#fail(error)
      const stage = new DecoderStage({ open: decoderFactoryOf(coding) as OpenDecoder, limit, sink, onDrain, onError })
      this.#stages.push(stage)
      sink = stage
    }
    // The coding that was applied first is decoded last.
    this.#last = this.#stages[0] as DecoderStage
  }

  /** Decodes a chunk. Returns false if the decoder is full; `onDrain` follows. */
  write(chunk: Buffer): boolean {
    return this.#destroyed || (this.#stages.at(-1) as DecoderStage).write(chunk)
  }

  end(): void {
    if (!this.#destroyed) this.#stages.at(-1)?.end()
  }

  /** Pauses the output until {@link resume}. */
  pause(): void {
    this.#last.pause()
  }

  resume(): void {
    this.#last.resume()
  }

  /** Stops decoding; the listener is not called any more. */
  destroy(): void {
    this.#destroyed = true
    for (const stage of this.#stages) stage.destroy()
  }

  #emit(chunk: Buffer): boolean {
    // zlib continues to write into the buffer of its chunks.
    if (!this.#destroyed) this.#listener.onDecoded(unpooled(chunk))
    return true
  }

  #end(): void {
    if (this.#destroyed || this.#ended) return
    this.#ended = true
    this.#listener.onDecodedEnd()
  }

  #onStageDrain(index: number): void {
    if (this.#destroyed) return
    const source = this.#stages[index + 1]
    if (source === undefined) this.#listener.onDrain()
    else source.resume()
  }

  #fail(error: Error): void {
    if (this.#destroyed) return
    this.destroy()
    this.#listener.onDecodeError(error)
  }
}

interface DecoderStageOptions {
  open: OpenDecoder
  limit: number
  sink: DecodedSink
  onDrain(): void
  onError(error: Error): void
}

/** Decoder of one coding. Created with the first byte, which distinguishes zlib from raw deflate. */
class DecoderStage implements DecodedSink {
  readonly #options: DecoderStageOptions
  #stream: Transform | null = null
  #paused = false
  #ended = false
  #size = 0

  constructor(parts: DecoderStageOptions) {
    this.#options = parts
  }

  write(chunk: Buffer): boolean {
    // Some servers send padding after the encoded data.
    if (chunk.length === 0 || this.#ended) return true
    this.#stream ??= this.#open(chunk)
    return this.#stream.write(chunk)
  }

  end(): void {
    // An empty body is complete with any coding.
    if (this.#stream === null) this.#options.sink.end()
    else this.#stream.end()
  }

  pause(): void {
    this.#paused = true
    this.#stream?.pause()
  }

  resume(): void {
    this.#paused = false
    this.#stream?.resume()
  }

  destroy(): void {
    this.#stream?.destroy()
  }

  #open(first: Buffer): Transform {
    const { open, sink, onDrain, onError } = this.#options
    const stream = open(first)
    stream.on('data', (chunk: Buffer) => this.#data(chunk))
    stream.on('end', () => {
      this.#ended = true
      sink.end()
    })
    stream.on('drain', onDrain)
    stream.on('error', onError)
    if (this.#paused) stream.pause()
    return stream
  }

  #data(chunk: Buffer): void {
    const { limit, sink, onError } = this.#options
    this.#size += chunk.length
    if (this.#size > limit) {
      onError(
        new ResponseExceededMaxSizeError(`Decompressed response of ${this.#size} bytes exceeds maxSize (${limit})`),
      )
    } else if (!sink.write(chunk)) {
      this.pause()
    }
  }
}
