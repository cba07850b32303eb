import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { Onread } from '../../lib/transport/connector.js'
import type { Loop } from './loop.js'
import type { Random } from './random.js'

/** Callbacks of the server side of a connection. */
export interface Peer {
  onBytes(bytes: Buffer): void
  onEnd(): void
  onReset(): void
}

export interface Weather {
  /** Latency in ms. */
  latency: number
  /** Maximum segment size in bytes. */
  segment: number
  /** Window in bytes: unread bytes before the client must wait. */
  capacity: number
  /** Whether a reset may discard received, unread bytes. */
  lossy: boolean
}

const EOF = 'end'
type Arrival = Buffer | typeof EOF | Error

function failure(code: string, syscall: string): Error {
  return Object.assign(new Error(`${syscall} ${code}`), { code, syscall, errno: -1 })
}

/**
 * The client side of a simulated connection. Behaves like `net.Socket`: with `onread` it reads into the given buffer and calls
 * back, otherwise it is a stream; `close` is emitted some time after `destroy`.
 */
export class SimulatedSocket extends Duplex {
  connecting = true
  readonly name: string
  readonly #loop: Loop
  readonly #random: Random
  readonly #weather: Weather
  readonly #onread: Onread | undefined
  #target: Uint8Array | undefined
  #peer: Peer | null = null
  /** Whether the socket reads from the system. */
  #reading = false
  #delivering = false
  /** Receive buffer of the system. */
  readonly #kernel: Arrival[] = []
  #lastIn = 0
  #lastOut = 0
  #underWay = 0
  #unsent: { bytes: Buffer; done: (error?: Error | null) => void } | null = null
  /** Whether the peer does not read, so that the writer must wait. */
  #deaf = false
  #held: Buffer[] = []
  #broken = false
  /** Whether a user took it over after an upgrade. */
  released = false
  /** Whether its bytes are encoded, so that only the wrapper of its connector can read them. */
  coded = false
  /** Whether only its connector has it, during connect. */
  private = false
  /** Whether it carries only the response to a refused CONNECT, until its caller has read it. */
  refusesTunnel = false
  /** Whether its connector has not called back with it yet. */
  withheld = false
  /** Whether `close` was emitted. */
  closeEmitted = false

  constructor(part: {
    name: string
    loop: Loop
    random: Random
    weather: Weather
    onread: Onread | undefined
    allowHalfOpen: boolean
  }) {
    super({ allowHalfOpen: part.allowHalfOpen, emitClose: false })
    this.name = part.name
    this.#loop = part.loop
    this.#random = part.random
    this.#weather = part.weather
    this.#onread = part.onread
    const buffer = part.onread?.buffer
    this.#target = typeof buffer === 'function' ? buffer() : buffer
  }

  /** Whether it belongs to the client and must be closed with it. */
  get open(): boolean {
    if (this.closeEmitted || this.released || this.withheld) return false
    if (this.connecting) return !this.destroyed && !this.private
    return !this.destroyed || !this.private
  }

  // Other members of `net.Socket`

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  // Actions of the network

  /** Emits that the connection is established. */
  establish(peer: Peer): void {
    if (this.destroyed) return
    this.connecting = false
    this.#peer = peer
    this.emit('connect')
    if (!this.destroyed) this.read(0)
  }

  refuse(code: string): void {
    if (!this.destroyed) this.destroy(failure(code, 'connect'))
  }

  /** The server sends, closes or resets, in order. */
  incoming(sent: Arrival, delay = 0): void {
    const what = this.coded && Buffer.isBuffer(sent) ? flip(sent) : sent
    this.#lastIn = Math.max(this.#lastIn, this.#loop.now + delay + this.#latency())
    this.#loop.arrive(this.#lastIn - this.#loop.now, () => {
      if (this.destroyed) return this.#answerLate(what)
      if (what instanceof Error) {
        this.#broken = true
        if (this.#weather.lossy && this.#random.chance(0.5)) this.#kernel.length = 0
      }
      this.#kernel.push(what)
      this.#deliverSoon()
    })
  }

  incomingEnd(delay = 0): void {
    this.incoming(EOF, delay)
  }

  incomingReset(): void {
    this.incoming(failure('ECONNRESET', 'read'))
  }

  /** Sets whether the server reads. */
  listen(listens: boolean): void {
    this.#deaf = !listens
    if (!listens) return
    const held = Buffer.concat(this.#held)
    this.#held = []
    if (held.length > 0) this.#receive(held)
  }

  #latency(): number {
    return this.#random.chance(0.1) ? this.#random.spread(0, this.#weather.latency * 10) : this.#weather.latency
  }

  #answerLate(what: Arrival): void {
    // Bytes for a closed socket cause a reset.
    if (Buffer.isBuffer(what)) this.#peer?.onReset()
  }

  #deliverSoon(): void {
    if (this.#delivering || !this.#reading || this.#kernel.length === 0) return
    this.#delivering = true
    this.#loop.arrive(0, () => {
      this.#delivering = false
      this.#deliver()
      this.#deliverSoon()
    })
  }

  #deliver(): void {
    if (this.destroyed || !this.#reading) return
    const first = this.#kernel[0]
    if (first === undefined) return
    if (first instanceof Error) {
      this.#kernel.length = 0
      this.destroy(first)
    } else if (first === EOF) {
      this.#kernel.length = 0
      this.#reading = false
      this.push(null)
      this.read(0)
    } else this.#deliverBytes()
  }

  #deliverBytes(): void {
    const pieces: Buffer[] = []
    while (Buffer.isBuffer(this.#kernel[0])) pieces.push(this.#kernel.shift() as Buffer)
    const all = Buffer.concat(pieces)
    const target = this.#target
    const length = Math.min(all.length, target?.length ?? 65536, this.#random.chance(0.8) ? 65536 : 7)
    if (length < all.length) this.#kernel.unshift(all.subarray(length))
    if (this.#onread === undefined || target === undefined) {
      if (!this.push(Buffer.from(all.subarray(0, length)))) this.#reading = false
      return
    }
    target.set(all.subarray(0, length))
    const more = this.#onread.callback(length, target) !== false
    const { buffer } = this.#onread
    if (typeof buffer === 'function') this.#target = buffer() ?? this.#target
    if (!more) this.#reading = false
  }

  // Stream implementation

  #start(): void {
    if (this.connecting || this.#reading || this.destroyed) return
    this.#reading = true
    this.#deliverSoon()
  }

  override _read(): void {
    this.#start()
  }

  override read(size?: number): unknown {
    if (this.#onread !== undefined) this.#start()
    return super.read(size)
  }

  override pause(): this {
    if (this.#onread !== undefined) this.#reading = false
    return super.pause()
  }

  override resume(): this {
    if (this.#onread !== undefined) this.#start()
    return super.resume()
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    if (this.#broken) return done(failure(this.#random.pick(['EPIPE', 'ECONNRESET']), 'write'))
    this.#unsent = { bytes: chunk, done }
    this.#transmit()
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), '', done)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#toPeer(() => this.#peer?.onEnd())
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#reading = false
    const unread = this.#kernel.some((arrival) => Buffer.isBuffer(arrival))
    this.#kernel.length = 0
    const unsent = this.#unsent
    this.#unsent = null
    this.#toPeer(() => (unread ? this.#peer?.onReset() : this.#peer?.onEnd()))
    done(error)
    unsent?.done(failure('ECANCELED', 'write'))
    this.#loop.arrive(0, () => {
      this.closeEmitted = true
      this.emit('close', error !== null)
    })
  }

  #toPeer(run: () => void): void {
    this.#lastOut = Math.max(this.#lastOut, this.#loop.now + this.#latency())
    this.#loop.arrive(this.#lastOut - this.#loop.now, run)
  }

  #transmit(): void {
    for (let unsent = this.#unsent; unsent !== null; unsent = this.#unsent) {
      const room = this.#weather.capacity - this.#underWay
      if (room <= 0) return
      const length = Math.max(this.#random.spread(1, this.#weather.segment), unsent.bytes.length >> 4)
      // The system has a copy: the writer may reuse its memory after the callback.
      const segment = Buffer.from(unsent.bytes.subarray(0, Math.min(room, length)))
      unsent.bytes = unsent.bytes.subarray(segment.length)
      this.#underWay += segment.length
      this.#toPeer(() => (this.#deaf ? this.#held.push(segment) : this.#receive(segment)))
      if (unsent.bytes.length > 0) continue
      this.#unsent = null
      if (this.#random.chance(0.5)) unsent.done()
      else this.#loop.arrive(this.#random.spread(0, 5), () => unsent.done())
    }
  }

  #receive(segment: Buffer): void {
    this.#underWay -= segment.length
    this.#peer?.onBytes(this.coded ? flip(segment) : segment)
    if (!this.destroyed) this.#transmit()
  }
}

/** Encodes and decodes bytes. */
export function flip(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.map((byte) => byte ^ 1))
}

/** Returns the socket as `net.Socket`, which has more members than are used. */
export function asNetSocket(socket: SimulatedSocket): Socket {
  return socket as unknown as Socket
}
