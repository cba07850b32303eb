import type { Transform } from 'node:stream'
import { builtinModule } from '../base/builtin-modules.js'
import { unpooled } from '../base/unpooled-memory.js'
import { ResponseExceededMaxSizeError } from '../errors.js'
import { ZstdDecoder, type ZstdRuntime } from './zstd-frames.js'

/** Types of Node 20 know nothing of zstd, and neither does its zlib. */
interface Zstd {
  createZstdDecompress?(options: { params: Record<number, number> }): Transform
  zstdDecompressSync?(bytes: Uint8Array, options?: { params: Record<number, number>; chunkSize?: number }): Buffer
  constants: { ZSTD_d_windowLogMax?: number }
}

type OpenDecoder = (first: Buffer) => Transform

/** RFC 9659: a window above 8 MB is refused. */
const ZSTD_WINDOW_LOG = 23

/** Found out by the first body in zstd. */
let decodesAllFrames: boolean | undefined

const gunzip: OpenDecoder = () => builtinModule('node:zlib').createGunzip()
// RFC 9110 §8.4.1.2 means the zlib format; some servers send bare deflate, which never begins with its method, 8.
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

/** A frame of one byte (RFC 8878 §3.1.1). */
const ONE_FRAME = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x01, 0x09, 0x00, 0x00, 0x61]

/** Null where the runtime has no zstd. */
function zstdRuntime(): ZstdRuntime | null {
  const { createZstdDecompress, zstdDecompressSync, constants } = builtinModule('node:zlib') as Zstd
  const limit = constants.ZSTD_d_windowLogMax
  if (createZstdDecompress === undefined || zstdDecompressSync === undefined || limit === undefined) return null
  const options = { params: { [limit]: ZSTD_WINDOW_LOG } }
  decodesAllFrames ??= zstdDecompressSync(new Uint8Array([...ONE_FRAME, ...ONE_FRAME])).length === 2
  return {
    open: () => createZstdDecompress(options),
    // A small frame mostly decodes to little: the default would allocate 16 KB for it.
    decode: (frame) => zstdDecompressSync(frame, { ...options, chunkSize: 1024 }),
    decodesAllFrames,
  }
}

/** Whether the runtime can undo it. */
export function canDecode(coding: string): boolean {
  return decoderFactoryOf(coding) !== undefined
}

/** Whom a decoder tells what comes out of it. */
export interface DecoderListener {
  onDecoded(chunk: Buffer): void
  /** There is room again after `write` returned false. */
  onDrain(): void
  onDecodedEnd(): void
  /** Nothing follows. */
  onDecodeError(error: Error): void
}

/** What one stage hands its pieces to; false: not so fast. */
interface DecodedSink {
  write(chunk: Buffer): boolean
  end(): void
}

/** Undoes content codings of a body, in a stage for each. */
export class ContentDecoder {
  readonly #listener: DecoderListener
  readonly #stages: DecoderStage[] = []
  readonly #last: DecoderStage
  /** Nothing comes out any more. */
  #ended = false
  #destroyed = false

  /**
   * @param codings in the order in which they were applied; all can be decoded
   * @param maxSize bytes that may come out of each stage; 0 for no limit
   */
  constructor(codings: readonly string[], maxSize: number, listener: DecoderListener) {
    this.#listener = listener
    const limit = maxSize === 0 ? Number.POSITIVE_INFINITY : maxSize
    let outlet: DecodedSink = { write: (chunk) => this.#emit(chunk), end: () => this.#end() }
    for (const coding of codings) {
      const index = this.#stages.length
      const onDrain = () => this.#onStageDrain(index)
      const onError = (error: Error) => this.#fail(error)
      const stage = new DecoderStage({ open: decoderFactoryOf(coding) as OpenDecoder, limit, outlet, onDrain, onError })
      this.#stages.push(stage)
      outlet = stage
    }
    // The coding applied first is undone last.
    this.#last = this.#stages[0] as DecoderStage
  }

  /** False when it has more than enough: then `onDrain` follows. */
  write(chunk: Buffer): boolean {
    return this.#destroyed || (this.#stages.at(-1) as DecoderStage).write(chunk)
  }

  end(): void {
    if (!this.#destroyed) this.#stages.at(-1)?.end()
  }

  /** Nothing comes out until {@link resume}. */
  pause(): void {
    this.#last.pause()
  }

  resume(): void {
    this.#last.resume()
  }

  /** Nothing is told any more. */
  destroy(): void {
    this.#destroyed = true
    for (const stage of this.#stages) stage.destroy()
  }

  #emit(chunk: Buffer): boolean {
    // zlib cuts chunks out of a buffer that it goes on writing into.
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
  outlet: DecodedSink
  onDrain(): void
  onError(error: Error): void
}

/** One coding undone. Opened by the first byte, which tells one kind of deflate from the other. */
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
    // Some servers pad the encoded data.
    if (chunk.length === 0 || this.#ended) return true
    this.#stream ??= this.#open(chunk)
    return this.#stream.write(chunk)
  }

  end(): void {
    // An empty body is whole, whatever coding it is said to have.
    if (this.#stream === null) this.#options.outlet.end()
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
    const { open, outlet, onDrain, onError } = this.#options
    const stream = open(first)
    stream.on('data', (chunk: Buffer) => this.#data(chunk))
    stream.on('end', () => {
      this.#ended = true
      outlet.end()
    })
    stream.on('drain', onDrain)
    stream.on('error', onError)
    if (this.#paused) stream.pause()
    return stream
  }

  #data(chunk: Buffer): void {
    const { limit, outlet, onError } = this.#options
    this.#size += chunk.length
    if (this.#size > limit) {
      onError(
        new ResponseExceededMaxSizeError(`Decompressed response of ${this.#size} bytes exceeds maxSize (${limit})`),
      )
    } else if (!outlet.write(chunk)) {
      this.pause()
    }
  }
}
