import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { Alarm, queueMicrotask, setImmediate } from '../base/clock.js'
import { reportUncaught } from '../base/gate.js'
import { ownConcat, ownCopy, owned } from '../base/own-memory.js'
import { propertyOf } from '../errors/foreign.js'
import { adoptError, type SocketInfo } from '../errors.js'
import { claim, discard, nameOf, unclaim, wrongKind } from './check-socket.js'
import type { Onread } from './connector.js'
import { forgetLastWords, hearLastWords } from './last-words.js'
import { isMocked } from './mocked-socket.js'
import { asksForBuffers, readBuffer, reuse } from './read-buffers.js'
import { stopKeepingSessions } from './session-cache.js'

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
  readonly window: Buffer
  /** It holds bytes that are being read: nobody else may write there. */
  readonly busy: boolean
}

const NOTHING = new Uint8Array(0)

/** What errors tell of a socket. That of a connector may have getters that throw. */
const INFO = [
  'localAddress',
  'localPort',
  'remoteAddress',
  'remotePort',
  'remoteFamily',
  'timeout',
  'bytesWritten',
  'bytesRead',
] as const

/** ms in which a peer closes its side of a connection that is ended in peace. */
const FAREWELL = 500

const inlets = new WeakMap<object, Inlet>()

/** The same functions for all sockets: five closures of each connection would be a tenth of what it holds while idle. */
const hears = {
  error(this: Duplex, error: Error): void {
    inlets.get(this)?.onError(error)
  },
  close(this: Duplex): void {
    inlets.get(this)?.onClose()
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
  /** The last read filled its buffer: more has come already. */
  #filled = false
  /** What the next read fills, if not the window. */
  #next: Buffer | null = null
  /** Bytes of a socket that came while the window was in use, or while paused. */
  #aside: Uint8Array[] | null = null
  /** What is left of the chunk in delivery, behind the part that stands in the window. */
  #undelivered: Uint8Array = NOTHING
  /** The peer ended its side, and what it had sent before came whole. */
  ended = false
  /** The socket is closed. */
  #gone = false
  /** Ends the socket of a peer that does not answer {@link hangUp}. */
  #farewell: Alarm | null = null
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

  /** Begins to read. Returns what a method of the caller's stream threw, null otherwise: then it is not attached. */
  attach(socket: Duplex, listener: InletListener): Error | null {
    try {
      this.#attach(socket, listener)
      return null
    } catch (error) {
      this.listener = null
      this.#socket = null
      unclaim(socket)
      discard(socket)
      return adoptError(error)
    }
  }

  #attach(socket: Duplex, listener: InletListener): void {
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
    const socket = this.#socket
    if (socket === null) return null
    const values = INFO.map((name) => [name, propertyOf(socket, name)] as const)
    return Object.fromEntries(values.filter(([, value]) => value !== undefined)) as SocketInfo
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
    try {
      ;(this.#socket as Socket | null)?.unref?.()
    } catch (error) {
      reportUncaught(error)
    }
  }

  ref(): void {
    try {
      ;(this.#socket as Socket | null)?.ref?.()
    } catch (error) {
      reportUncaught(error)
    }
  }

  /**
   * Ends our side, and the socket once the peer has ended its own: nothing is counted as closed that the peer still
   * counts as open. What comes meanwhile is dropped. `onSocketClose` still follows.
   */
  hangUp(): void {
    const socket = this.#socket
    if (socket === null || socket.destroyed) return this.destroy()
    this.#farewell = new Alarm({ onAlarm: () => this.destroy() })
    this.#farewell.set(FAREWELL)
    this.ref()
    this.#aside = null
    try {
      socket.end()
      this.resume()
    } catch (error) {
      this.#farewell.clear()
      reportUncaught(error)
      this.destroy()
    }
  }

  /** Ends the socket. `onSocketClose` still follows. */
  destroy(): void {
    this.#aside = null
    const socket = this.#socket
    if (socket === null || this.#farewell?.pending) return
    try {
      socket.destroy()
    } catch (error) {
      reportUncaught(error)
      return queueMicrotask(() => this.onClose())
    }
    // A stream of the caller's need not emit the event.
    if (!this.#direct) setImmediate(() => setImmediate(() => socket.closed && this.onClose()))
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
    const held = ownConcat([rest, this.#undelivered, ...(this.#aside ?? [])])
    this.#undelivered = NOTHING
    this.#aside = null
    if (held.length > 0) socket.unshift(held)
    return socket
  }

  /**
   * While a long body comes faster than it is read, it is read into memory that is handed on. All else goes through the
   * window, so that a connection that waits has no memory of its own. Never undefined: it is asked for each address that
   * is tried too, and a handle that gets no answer reads elsewhere, while we would read what others left here.
   */
  #nextBuffer(): Uint8Array {
    const { window } = this.#shared
    const left = this.#filled && !this.#paused ? (this.listener?.unparsed ?? 0) : 0
    this.#next = readBuffer(left)
    return this.#next ?? window
  }

  /** Never throws: Node would not ask for the next buffer, and read on in one that was handed over. */
  #onread(length: number): boolean {
    const { listener } = this
    const direct = this.#next
    const buffer = direct ?? this.#shared.window
    this.#next = null
    this.#filled = length === buffer.length
    if (this.#farewell !== null) return true
    if (listener === null) {
      const bytes = ownCopy(buffer, 0, length)
      if (this.#socket !== null) return this.#socket.push(bytes)
      this.#aside ??= []
      this.#aside.push(bytes)
      return true
    }
    let more = true
    try {
      more = direct === null ? listener.onBytes(length) : this.#onDirect(listener, direct.subarray(0, length))
    } catch (error) {
      reportUncaught(error)
    }
    // After hangUp() from within it reads on, to the end of the peer.
    if (this.listener === null || this.#farewell !== null) return true
    if (!more) this.#paused = true
    return more
  }

  /** A buffer that was filled is handed over; one that was not has not been seen by a caller, and is read into again. */
  #onDirect(listener: InletListener, bytes: Buffer): boolean {
    const chunk = owned(bytes)
    if (chunk !== bytes) reuse(bytes.buffer)
    if (bytes.length <= listener.unparsed) return listener.onBodyBytes(chunk)
    // A part of the body came another way since: mocks push what they have into sockets.
    this.onData(chunk)
    return !this.#paused
  }

  onData(given: unknown): void {
    if (this.#farewell !== null) return
    if (!ArrayBuffer.isView(given))
      return this.listener?.onSocketError(wrongKind(`a stream that yields ${nameOf(given)}`))
    const chunk = given as Buffer
    if (this.#aside === null && this.#undelivered.length === 0 && !this.#paused && !this.#shared.busy) {
      return this.#deliver(chunk)
    }
    this.#aside ??= []
    // A connector's stream may fill the same memory again.
    this.#aside.push(ownConcat([chunk]))
    if (!this.#paused) this.#drainLater()
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
      if (this.listener === null || this.#farewell !== null) return
      if (more) continue
      if (rest.length > 0) {
        this.#aside ??= []
        this.#aside.unshift(ownConcat([rest]))
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
      const first = this.#aside.shift() as Uint8Array
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

  onClose(): void {
    if (this.#gone) return
    this.#gone = true
    this.#farewell?.drop()
    this.listener?.onSocketClose()
  }

  onEnd(): void {
    this.ended = true
    if (this.#aside === null && this.#farewell === null) this.listener?.onReadEnd()
  }
}
