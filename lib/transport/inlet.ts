import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { queueMicrotask } from '../base/clock.js'
import { adoptError, type SocketInfo } from '../errors.js'
import { claim, nameOf, unclaim, wrongKind } from './check-socket.js'
import type { Onread } from './connector.js'
import { forgetLastWords, hearLastWords } from './last-words.js'
import { isMocked } from './mocked-socket.js'
import { stopKeepingSessions } from './session-cache.js'
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

/** What all sockets of an engine read into, one at a time. */
export interface SharedWindow {
  readonly window: Uint8Array
  /** It holds bytes that are being read: nobody else may write there. */
  readonly busy: boolean
}

/** Bytes from which on a body is worth a slab. */
const LONG = 131072

const NOTHING = new Uint8Array(0)

const inlets = new WeakMap<object, Inlet>()

/** The same functions for all sockets: five closures of each connection would be a tenth of what it holds while idle. */
const hears = {
  error(this: Duplex, error: Error): void {
    inlets.get(this)?.onError(error)
  },
  close(this: Duplex): void {
    inlets.get(this)?.listener?.onSocketClose()
  },
  drain(this: Duplex): void {
    inlets.get(this)?.listener?.onWritable()
  },
  end(this: Duplex): void {
    inlets.get(this)?.onEnd()
  },
  data(this: Duplex, chunk: unknown): void {
    inlets.get(this)?.onData(chunk)
  },
  readable(this: Duplex): void {
    inlets.get(this)?.pull()
  },
}

/** For sockets that are proxied, by a mock or by the caller: `this` is not always the object that was attached. */
function boundTo(socket: Duplex): typeof hears {
  const bound = Object.entries(hears).map(([event, listener]) => [event, listener.bind(socket)])
  return Object.fromEntries(bound)
}

/** The reading side of one socket: bytes arrive in a window that all sockets share. */
export class Inlet {
  /** null before {@link attach} and after {@link release}. */
  listener: InletListener | null = null
  readonly #shared: SharedWindow
  #socket: Duplex | null = null
  /** The socket was opened to be read by {@link onread}. */
  #direct = false
  #listeners = hears
  #paused = false
  /** A connector left a `readable` listener behind, which keeps the stream from flowing. */
  #pulls = false
  /** While a long body is read, where the runtime asks where to. */
  #slabs: Slabs | null = null
  /** Bytes of a socket that came while the window was in use, or while paused. */
  #aside: Buffer[] | null = null
  /** What is left of the chunk in delivery, behind the part that stands in the window. */
  #undelivered: Uint8Array = NOTHING
  /** The peer ended its side, and what it had sent before came whole. */
  ended = false
  #draining = false

  constructor(shared: SharedWindow) {
    this.#shared = shared
  }

  /** For a connector that opens sockets for this connection alone: the kernel then writes into the window. */
  get onread(): Onread {
    this.#direct = true
    const buffer = asksForBuffers() ? this.#nextBuffer.bind(this) : this.#shared.window
    return { buffer, callback: this.#onread.bind(this) }
  }

  attach(socket: Duplex, listener: InletListener): void {
    this.#socket = socket
    this.listener = listener
    claim(socket)
    hearLastWords(socket)
    inlets.set(socket, this)
    const listeners = this.#direct && !isMocked(socket) ? hears : boundTo(socket)
    this.#listeners = listeners
    socket.on('error', listeners.error)
    socket.on('close', listeners.close)
    socket.on('drain', listeners.drain)
    socket.on('end', listeners.end)
    // Also where `onread` was asked for: mocks push what they have into the sockets of Node.
    socket.on('data', listeners.data)
    // A connector that did a handshake of its own may have paused it.
    socket.resume()
    this.#pulls = socket.listenerCount('readable') > 0
    if (this.#pulls) {
      socket.on('readable', listeners.readable)
      this.#pullLater()
    }
    if (this.#aside !== null) this.#drainLater()
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
    this.#paused = false
    if (this.#aside !== null) this.#drainLater()
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
    this.#aside = null
    this.#socket?.destroy()
  }

  /** Hands the socket to a user, `rest` first. */
  release(rest: Uint8Array): Duplex {
    const socket = this.#socket as Duplex
    this.listener = null
    inlets.delete(socket)
    unclaim(socket)
    forgetLastWords(socket)
    stopKeepingSessions(socket)
    for (const [event, listener] of Object.entries(this.#listeners)) socket.off(event, listener)
    // As new: it is read ahead, so that its end is heard by whoever listens for nothing else, and what comes is held
    // until somebody reads. Paused, neither would be. Resumed and rid of a `readable` listener in one turn, it would flow
    // in the next one, and lose what comes.
    if (this.#pulls) socket.read(0)
    else socket.resume()
    ;(socket as { readableFlowing: boolean | null }).readableFlowing = null
    const held = joined([rest, this.#undelivered, ...(this.#aside ?? [])])
    this.#undelivered = NOTHING
    this.#aside = null
    if (held.length > 0) socket.unshift(held)
    return socket
  }

  /**
   * Long bodies are read into slabs, whose parts are handed on as they are. Never undefined: it is asked for each address
   * that is tried too, and a handle that gets no answer reads elsewhere, while we would read what others left here.
   */
  #nextBuffer(): Uint8Array {
    const unparsed = this.listener?.unparsed ?? 0
    if (unparsed < LONG) {
      this.#slabs = null
      return this.#shared.window
    }
    this.#slabs ??= new Slabs()
    return this.#slabs.room(unparsed)
  }

  #onread(length: number, buffer: Uint8Array): boolean {
    const { window } = this.#shared
    const { listener } = this
    if (this.#slabs !== null && buffer !== window) {
      const more = listener?.onBodyBytes(this.#slabs.part(length)) ?? false
      if (!more) this.#paused = true
      return more
    }
    if (listener === null) {
      const bytes = joined([window.subarray(0, length)])
      if (this.#socket !== null) return this.#socket.push(bytes)
      this.#setAside(bytes)
      return true
    }
    const more = listener.onBytes(length)
    if (this.listener === null) return true
    if (!more) this.#paused = true
    return more
  }

  onData(given: unknown): void {
    if (!ArrayBuffer.isView(given))
      return this.listener?.onSocketError(wrongKind(`a stream that yields ${nameOf(given)}`))
    const chunk = given as Buffer
    if (this.#aside === null && this.#undelivered.length === 0 && !this.#paused && !this.#shared.busy) {
      return this.#deliver(chunk)
    }
    this.#setAside(chunk)
    if (!this.#paused) this.#drainLater()
  }

  #setAside(bytes: Buffer): void {
    this.#aside ??= []
    this.#aside.push(bytes)
  }

  /** A chunk may be longer than the window. */
  #deliver(chunk: Uint8Array): void {
    const { window } = this.#shared
    for (let at = 0; at < chunk.length; at += window.length) {
      const { listener } = this
      if (listener === null) return
      const part = chunk.subarray(at, at + window.length)
      window.set(part)
      // Whoever takes the socket over in there takes the rest of this chunk along.
      this.#undelivered = chunk.subarray(at + part.length)
      const more = listener.onBytes(part.length)
      const rest = this.#undelivered
      this.#undelivered = NOTHING
      if (this.listener === null) return
      if (more) continue
      if (rest.length > 0) {
        this.#aside ??= []
        this.#aside.unshift(Buffer.from(rest))
      }
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
    while (this.#aside !== null && !this.#paused && this.listener !== null) {
      const first = this.#aside.shift() as Buffer
      if (this.#aside.length === 0) this.#aside = null
      this.#deliver(first)
    }
    if (this.#paused || this.listener === null) return
    if (this.ended) this.listener.onReadEnd()
    else this.#restart()
  }

  #restart(): void {
    const socket = this.#socket
    if (socket === null || socket.destroyed) return
    socket.resume()
    // A socket whose `onread` callback said stop is still flowing to itself: only a read starts the handle again.
    socket.read(0)
    if (this.#pulls) this.#pullLater()
  }

  #pullLater(): void {
    queueMicrotask(() => this.pull())
  }

  /** Reads a socket that does not flow by itself: what is read is emitted as data. */
  pull(): void {
    while (!this.#paused && this.listener !== null && this.#socket?.read() != null);
  }

  /** A socket of the caller's may be destroyed with an error that is used for others too. */
  onError(error: Error): void {
    this.listener?.onSocketError(this.#listeners === hears ? error : adoptError(error))
  }

  onEnd(): void {
    this.ended = true
    if (this.#aside === null) this.listener?.onReadEnd()
  }
}

/** Copies bytes into memory of their own: what Node's pool lends can not be transferred, or takes the pool along. */
function joined(parts: Uint8Array[]): Buffer {
  const whole = Buffer.allocUnsafeSlow(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
