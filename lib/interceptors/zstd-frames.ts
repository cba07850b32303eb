import type { Transform, TransformCallback } from 'node:stream'
import { setImmediate } from '../base/clock.js'
import { LazyTransform } from '../base/lazy-streams.js'

/** Part of a frame; `ends` if it is the last. */
export interface FramePart {
  bytes: Buffer
  ends: boolean
  /** Number of blocks of the frame so far; each decodes to at most 128 KB (RFC 8878 §3.1.1.2.4). */
  blocks: number
}

/** Magic number of a frame (RFC 8878 §3.1.1). */
const FRAME = 0xfd2fb528
/** First of 16 magic numbers of skippable frames (RFC 8878 §3.1.2). */
const SKIPPABLE = 0x184d2a50
/** Block types (RFC 8878 §3.1.1.2.2). */
const RLE_BLOCK = 1
const RESERVED_BLOCK = 3

type Field = 'magic' | 'descriptor' | 'header' | 'block' | 'checksum' | 'size'

/** Parser that finds the bounds of the frames of a body; it reads the frame and block headers only. */
export class ZstdFrameParser {
  #within: 'nothing' | 'frame' | 'skippable' = 'nothing'
  /** Field that follows after {@link #rest} bytes. */
  #next: Field = 'magic'
  #length = 4
  /** Bytes of the field so far. */
  readonly #field: number[] = []
  /** Bytes to skip. */
  #rest = 0
  #checked = false
  #some = false
  #blocks = 0

  /** Whether at least one frame was read, and none is incomplete. */
  get complete(): boolean {
    return this.#some && this.#within === 'nothing' && this.#field.length === 0
  }

  /**
   * Returns the parts of frames in `chunk`, split where a frame ends, without skippable frames.
   * @throws {Error} the data is not a frame
   */
  take(chunk: Buffer): FramePart[] {
    const pieces: FramePart[] = []
    let from = 0
    for (let at = 0; at < chunk.length; ) {
      if (this.#rest > 0) {
        const passed = Math.min(this.#rest, chunk.length - at)
        this.#rest -= passed
        at += passed
      } else {
        this.#field.push(chunk[at++] as number)
        if (this.#field.length < this.#length) continue
        const field = Buffer.from(this.#field)
        this.#field.length = 0
        const beginning = this.#next === 'magic'
        this.#read(field)
        if (beginning) from = at
        if (beginning && this.#within === 'frame') pieces.push({ bytes: field, ends: false, blocks: 0 })
      }
      if (this.#within === 'nothing' || this.#next !== 'magic' || this.#rest > 0) continue
      if (this.#within === 'frame') {
        pieces.push({ bytes: chunk.subarray(from, at), ends: true, blocks: this.#blocks })
      }
      this.#within = 'nothing'
      this.#some = true
    }
    if (this.#within === 'frame' && from < chunk.length) {
      pieces.push({ bytes: chunk.subarray(from), ends: false, blocks: this.#blocks })
    }
    return pieces
  }

  #read(field: Buffer): void {
    switch (this.#next) {
      case 'magic':
        return this.#begin(field.readUInt32LE())
      case 'descriptor':
        return this.#describe(field[0] as number)
      case 'header':
        return this.#expect('block', 3)
      case 'block':
        return this.#block(field.readUIntLE(0, 3))
      case 'checksum':
        return this.#expect('magic', 4)
      case 'size':
        this.#rest = field.readUInt32LE()
        return this.#expect('magic', 4)
    }
  }

  #begin(magic: number): void {
    if (magic === FRAME) {
      this.#within = 'frame'
      this.#blocks = 0
      this.#expect('descriptor', 1)
    } else if ((magic & ~0xf) >>> 0 === SKIPPABLE) {
      this.#within = 'skippable'
      this.#expect('size', 4)
    } else {
      throw zlibError('Unknown frame descriptor', 'ZSTD_error_prefix_unknown')
    }
  }

  /** RFC 8878 §3.1.1.1 */
  #describe(descriptor: number): void {
    const single = (descriptor >> 5) & 1
    const contentSize = [single, 2, 4, 8][descriptor >> 6] as number
    const dictionary = [0, 1, 2, 4][descriptor & 3] as number
    this.#checked = ((descriptor >> 2) & 1) === 1
    this.#expect('header', 1 - single + dictionary + contentSize)
  }

  /** RFC 8878 §3.1.1.2 */
  #block(header: number): void {
    const type = (header >> 1) & 3
    if (type === RESERVED_BLOCK) throw zlibError('Data corruption detected', 'ZSTD_error_corruption_detected')
    this.#blocks++
    this.#rest = type === RLE_BLOCK ? 1 : header >> 3
    if ((header & 1) === 0) this.#expect('block', 3)
    else if (this.#checked) this.#expect('checksum', 4)
    else this.#expect('magic', 4)
  }

  #expect(field: Field, length: number): void {
    this.#next = field
    this.#length = length
  }
}

/** Creates an error like those of zlib, which reports errors of the other codings. */
function zlibError(message: string, code: string): Error {
  return Object.assign(new Error(message), { code })
}

/** zstd decoder of the runtime. */
export interface ZstdRuntime {
  /** Creates a decoder. */
  open(): Transform
  /** Decodes one complete frame. */
  decode(frame: Buffer): Buffer
  /** Whether a decoder also decodes the frames after the first one, as in Node 26. */
  readonly decodesAllFrames: boolean
}

/** Maximum number of frames of a body: each costs about 20 µs if a decoder decodes only one. */
const MAX_FRAMES = 65536
/** Frames of at most this many bytes and blocks are decoded synchronously: a decoder costs ten times as much. */
const SMALL_FRAME = 1024
const FEW_BLOCKS = 8
/** Maximum number of small frames that are decoded at once, so that the event loop is not blocked for long. */
const FRAMES_AT_ONCE = 128

/**
 * Transform stream that decodes a body of any number of frames. Decoders of Node before 26 drop all data after the first
 * frame, so each frame gets its own decoder. None of them reports a truncated frame.
 */
export class ZstdDecoder extends LazyTransform {
  readonly #runtime: ZstdRuntime
  readonly #frames = new ZstdFrameParser()
  #decoder: Transform | null = null
  #count = 0

  constructor(runtime: ZstdRuntime) {
    super()
    this.#runtime = runtime
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    try {
      const pieces = this.#frames.take(chunk)
      for (const { ends } of pieces) if (ends) this.#countFrame()
      if (this.#runtime.decodesAllFrames) this.#write(chunk, done)
      else this.#decode(pieces, { at: 0, done })
    } catch (error) {
      done(error as Error)
    }
  }

  override _flush(done: TransformCallback): void {
    if (!this.#frames.complete) return done(zlibError('unexpected end of file', 'Z_BUF_ERROR'))
    if (this.#decoder === null) return done()
    this.#decoder.once('end', done)
    this.#decoder.end()
  }

  override _read(size: number): void {
    this.#decoder?.resume()
    super._read(size)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#decoder?.destroy()
    done(error)
  }

  #write(bytes: Buffer, done: () => void): void {
    this.#decoder ??= this.#begin()
    this.#decoder.write(bytes, (error) => {
      if (!error) done()
    })
  }

  /** Decodes the parts from `from.at` on. If a decoder fails, the stream is destroyed and `done` is not called. */
  #decode(pieces: FramePart[], from: { at: number; done: TransformCallback }): void {
    const { done } = from
    let { at } = from
    const next = () => this.#attempt(() => this.#decode(pieces, { at, done }))
    const small: Buffer[] = []
    for (; small.length < FRAMES_AT_ONCE && this.#isSmall(pieces, at); at += 2) {
      const frame = Buffer.concat([this.#at(pieces, at).bytes, this.#at(pieces, at + 1).bytes])
      small.push(this.#runtime.decode(frame))
    }
    if (small.length > 0) {
      this.push(concatOwned(small))
      return void setImmediate(next)
    }
    if (at >= pieces.length) return done()
    const piece = this.#at(pieces, at++)
    if (!piece.ends) return this.#write(piece.bytes, next)
    this.#decoder ??= this.#begin()
    this.#decoder.once('end', () => {
      this.#decoder = null
      next()
    })
    this.#decoder.end(piece.bytes)
  }

  #at(pieces: FramePart[], index: number): FramePart {
    return pieces[index] as FramePart
  }

  /** Runs `next` in a callback, where an exception must destroy the stream. */
  #attempt(next: () => void): void {
    if (this.destroyed) return
    try {
      next()
    } catch (error) {
      this.destroy(error as Error)
    }
  }

  /** Whether the frame that starts at `index` is complete and its output can not be large. */
  #isSmall(pieces: FramePart[], index: number): boolean {
    if (this.#decoder !== null) return false
    const rest = pieces[index + 1]
    return rest?.ends === true && rest.bytes.length <= SMALL_FRAME && rest.blocks <= FEW_BLOCKS
  }

  #countFrame(): void {
    if (++this.#count > MAX_FRAMES) throw zlibError(`More than ${MAX_FRAMES} zstd frames`, 'ZSTD_error_frame_count')
  }

  #begin(): Transform {
    const decoder = this.#runtime.open()
    decoder.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) decoder.pause()
    })
    decoder.on('error', (error) => this.destroy(error))
    return decoder
  }
}

/** Concatenates buffers in separate memory: short buffers of Node share a pool with the rest of the process. */
function concatOwned(parts: readonly Buffer[]): Buffer {
  const whole = Buffer.allocUnsafeSlow(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) at += part.copy(whole, at)
  return whole
}
