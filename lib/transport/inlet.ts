import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { SocketInfo } from '../errors.js'
import { deliversByOnread, deliverToReaders, type Onread } from './connect.js'
import { asksForBuffers, Slabs } from './slabs.js'

/** Tells of what a socket does. */
export interface InletListener {
  /** `length` bytes stand at the start of the window. Return false to stop reading. */
  onBytes(length: number): boolean
  /** How many of the bytes to come may be read past the window, into memory that is handed on. */
  readonly unparsed: number
  /** As {@link onBytes}, for bytes that came past the window. */
  onBodyBytes(chunk: Buffer): boolean
  /** The peer ended its side. */
  onReadEnd(): void
  onSocketError(error: Error): void
  onSocketClose(): void
  /** The socket drained. */
  onWritable(): void
}

/** Bytes from which on a body is worth a slab. */
const LONG = 131072

const NOTHING = new Uint8Array(0)

/** The reading side of one socket: bytes arrive in a window that all sockets share. */
export class Inlet {
  /** To be given to the connector: the kernel then writes into the window. */
  readonly onread: Onread
  readonly #window: Uint8Array
  readonly #busy: () => boolean
  #socket: Duplex | null = null
  #listener: InletListener | null = null
  #paused = false
  #released = false
  #byOnread = false
  /** Where the next read goes, where the runtime asks; else null. */
  #target: Uint8Array | null = null
  readonly #slabs = new Slabs()
  /** Bytes of a socket that came while the window was in use, or while paused. */
  #aside: Buffer[] = []
  /** What is left of the chunk in delivery, behind the part that stands in the window. */
  #undelivered: Uint8Array = NOTHING
  #ended = false
  #draining = false

  constructor(window: Uint8Array, busy: () => boolean) {
    this.#window = window
    this.#busy = busy
    const callback = (length: number, buffer: Uint8Array) => this.#onread(length, buffer)
    this.onread = { buffer: asksForBuffers() ? () => this.#nextBuffer() : window, callback }
  }

  attach(socket: Duplex, listener: InletListener): void {
    this.#socket = socket
    this.#listener = listener
    this.#byOnread = deliversByOnread(socket)
    socket.on('error', this.#onError)
    socket.on('close', this.#onClose)
    socket.on('drain', this.#onDrain)
    socket.on('end', this.#onEnd)
    if (!this.#byOnread) socket.on('data', this.#onData)
    else socket.resume()
    if (this.#aside.length > 0) this.#drainLater()
  }

  /** Facts about the socket, for errors. */
  get info(): SocketInfo | null {
    const socket = this.#socket as Socket | null
    if (socket === null) return null
    const { localAddress, localPort, remoteAddress, remotePort, remoteFamily, timeout } = socket
    const { bytesWritten, bytesRead } = socket
    const known = { localAddress, localPort, remoteAddress, remotePort, remoteFamily, timeout, bytesWritten, bytesRead }
    return Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined)) as SocketInfo
  }

  pause(): void {
    this.#paused = true
    this.#socket?.pause()
  }

  resume(): void {
    if (!this.#paused && !this.#byOnread) return
    this.#paused = false
    if (this.#aside.length > 0) this.#drainLater()
    else this.#restart()
  }

  /** An idle connection must not keep the process alive. */
  unref(): void {
    ;(this.#socket as Socket | null)?.unref?.()
  }

  ref(): void {
    ;(this.#socket as Socket | null)?.ref?.()
  }

  /** Ends the socket. `onSocketClose` still follows. */
  destroy(): void {
    this.#aside = []
    this.#socket?.destroy()
  }

  /** Hands the socket to a user, `rest` first. */
  release(rest: Uint8Array): Duplex {
    const socket = this.#socket as Duplex
    this.#released = true
    this.#listener = null
    deliverToReaders(socket)
    for (const [event, listener] of [
      ['error', this.#onError],
      ['close', this.#onClose],
      ['drain', this.#onDrain],
      ['end', this.#onEnd],
      ['data', this.#onData],
    ] as const) {
      socket.off(event, listener)
    }
    // As new: it is read ahead, so that its end is heard by whoever listens for nothing else, and what comes is held
    // until somebody reads. Paused, neither would be.
    socket.resume()
    ;(socket as { readableFlowing: boolean | null }).readableFlowing = null
    const held = Buffer.concat([rest, this.#undelivered, ...this.#aside])
    this.#undelivered = NOTHING
    this.#aside = []
    if (held.length > 0) socket.unshift(held)
    return socket
  }

  /**
   * Long bodies are read into slabs, whose parts are handed on as they are. Never undefined: it is asked for each address
   * that is tried too, and a handle that gets no answer reads elsewhere, while we would read what others left here.
   */
  #nextBuffer(): Uint8Array {
    const unparsed = this.#listener?.unparsed ?? 0
    this.#target = unparsed >= LONG ? this.#slabs.room(unparsed) : this.#window
    return this.#target
  }

  #onread(length: number, buffer: Uint8Array): boolean {
    if (this.#target !== null && buffer !== this.#window) {
      const more = this.#listener?.onBodyBytes(this.#slabs.part(length)) ?? false
      if (!more) this.#paused = true
      return more
    }
    if (this.#released) return this.#socket?.push(Buffer.from(this.#window.subarray(0, length))) ?? false
    const listener = this.#listener
    if (listener === null) {
      this.#aside.push(Buffer.from(this.#window.subarray(0, length)))
      return true
    }
    const more = listener.onBytes(length)
    if (this.#released) return true
    if (!more) this.#paused = true
    return more
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#aside.length > 0 || this.#undelivered.length > 0 || this.#paused || this.#busy()) {
      this.#aside.push(chunk)
      if (!this.#paused) this.#drainLater()
      return
    }
    this.#deliver(chunk)
  }

  /** A chunk may be longer than the window. */
  #deliver(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; at += this.#window.length) {
      const listener = this.#listener
      if (listener === null) return
      const part = chunk.subarray(at, at + this.#window.length)
      this.#window.set(part)
      // Whoever takes the socket over in there takes the rest of this chunk along.
      this.#undelivered = chunk.subarray(at + part.length)
      const more = listener.onBytes(part.length)
      const rest = this.#undelivered
      this.#undelivered = NOTHING
      if (this.#released) return
      if (more) continue
      if (rest.length > 0) this.#aside.unshift(Buffer.from(rest))
      this.pause()
      return
    }
  }

  #drainLater(): void {
    if (this.#draining) return
    this.#draining = true
    queueMicrotask(() => {
      this.#draining = false
      this.#drainAside()
    })
  }

  #drainAside(): void {
    while (this.#aside.length > 0 && !this.#paused && this.#listener !== null) {
      this.#deliver(this.#aside.shift() as Buffer)
    }
    if (this.#paused || this.#listener === null) return
    if (this.#ended) this.#listener.onReadEnd()
    else this.#restart()
  }

  #restart(): void {
    const socket = this.#socket
    if (socket === null || socket.destroyed) return
    socket.resume()
    // A socket whose callback said stop is still flowing to itself: only a read starts the handle again.
    if (this.#byOnread) socket.read(0)
  }

  readonly #onEnd = (): void => {
    this.#ended = true
    if (this.#aside.length === 0) this.#listener?.onReadEnd()
  }

  readonly #onError = (error: Error): void => this.#listener?.onSocketError(error)

  readonly #onClose = (): void => this.#listener?.onSocketClose()

  readonly #onDrain = (): void => this.#listener?.onWritable()
}
