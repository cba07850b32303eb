import type { Transform, TransformCallback } from 'node:stream'
import { LaterTransform } from '../base/streams.js'

/** Bytes of a frame; `ends`: its last. */
export interface Piece {
  bytes: Buffer
  ends: boolean
}

/** RFC 8878 §3.1.1 */
const FRAME = 0xfd2fb528
/** RFC 8878 §3.1.2: and the fifteen after it. */
const SKIPPABLE = 0x184d2a50
/** RFC 8878 §3.1.1.2.2 */
const RLE_BLOCK = 1
const RESERVED_BLOCK = 3

type Field = 'magic' | 'descriptor' | 'header' | 'block' | 'checksum' | 'size'

/** Finds where the frames of a body begin and end, and reads no more of them than that takes. */
export class ZstdFrames {
  #within: 'nothing' | 'frame' | 'skippable' = 'nothing'
  /** What is read next, behind {@link #rest}. */
  #next: Field = 'magic'
  #length = 4
  /** What came of it so far. */
  readonly #field: number[] = []
  /** Bytes to be passed over. */
  #rest = 0
  #checked = false
  #some = false

  /** There was a frame, and none is under way. */
  get complete(): boolean {
    return this.#some && this.#within === 'nothing' && this.#field.length === 0
  }

  /**
   * The bytes of frames that are in `chunk`, cut where a frame ends; skippable frames are left out.
   * @throws {Error} something else than a frame
   */
  take(chunk: Buffer): Piece[] {
    const pieces: Piece[] = []
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
        if (beginning && this.#within === 'frame') pieces.push({ bytes: field, ends: false })
      }
      if (this.#within === 'nothing' || this.#next !== 'magic' || this.#rest > 0) continue
      if (this.#within === 'frame') pieces.push({ bytes: chunk.subarray(from, at), ends: true })
      this.#within = 'nothing'
      this.#some = true
    }
    if (this.#within === 'frame' && from < chunk.length) pieces.push({ bytes: chunk.subarray(from), ends: false })
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
      this.#expect('descriptor', 1)
    } else if ((magic & ~0xf) >>> 0 === SKIPPABLE) {
      this.#within = 'skippable'
      this.#expect('size', 4)
    } else {
      throw failure('Unknown frame descriptor', 'ZSTD_error_prefix_unknown')
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
    if (type === RESERVED_BLOCK) throw failure('Data corruption detected', 'ZSTD_error_corruption_detected')
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

/** In the words of zlib, whose errors are those of the other codings. */
function failure(message: string, code: string): Error {
  return Object.assign(new Error(message), { code })
}

/**
 * Decodes a body of any number of frames, each by a decoder of its own: those of Node before 26 drop what comes behind
 * the first frame, and take one that was cut off for whole.
 */
export class ZstdDecoder extends LaterTransform {
  readonly #open: () => Transform
  readonly #frames = new ZstdFrames()
  #decoder: Transform | null = null

  /** @param open makes a decoder of one frame */
  constructor(open: () => Transform) {
    super()
    this.#open = open
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    try {
      this.#decode(this.#frames.take(chunk), done)
    } catch (error) {
      done(error as Error)
    }
  }

  override _flush(done: TransformCallback): void {
    done(this.#frames.complete ? null : failure('unexpected end of file', 'Z_BUF_ERROR'))
  }

  override _read(size: number): void {
    this.#decoder?.resume()
    super._read(size)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#decoder?.destroy()
    done(error)
  }

  /** Errors of a decoder end all, and `done` is not called. */
  #decode(pieces: Piece[], done: TransformCallback): void {
    const piece = pieces.shift()
    if (piece === undefined) return done()
    this.#decoder ??= this.#begin()
    if (!piece.ends) {
      this.#decoder.write(piece.bytes, (error) => {
        if (!error) this.#decode(pieces, done)
      })
      return
    }
    this.#decoder.once('end', () => {
      this.#decoder = null
      this.#decode(pieces, done)
    })
    this.#decoder.end(piece.bytes)
  }

  #begin(): Transform {
    const decoder = this.#open()
    decoder.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) decoder.pause()
    })
    decoder.on('error', (error) => this.destroy(error))
    return decoder
  }
}
