import { Duplex, Readable } from 'node:stream'
import { buildConnector } from '../../lib/transport/connect.js'
import type { Connector, ConnectorCallback } from '../../lib/transport/connector.js'
import type { Random } from './random.js'
import { flip, type SimulatedSocket } from './socket.js'
import type { UserCode } from './user-code.js'

export const BANNER = Buffer.from('READY\n')

/** Changes a socket before a connector returns it. */
const KINDS = ['banner', 'wrap', 'pause', 'twice', 'late', 'unusable'] as const
export type ConnectorKind = (typeof KINDS)[number]

export interface ConnectorParts {
  readonly kind: ConnectorKind
  readonly random: Random
  readonly userCode: UserCode
  /** Whether connectors may fail. */
  readonly faulty: () => boolean
  arrive(delay: number, run: () => void): void
  trace(text: () => string): void
}

export function drawKind(random: Random, faulty: boolean): ConnectorKind {
  return random.pick(faulty ? KINDS : KINDS.filter((kind) => kind !== 'unusable'))
}

/** Creates a connector that wraps the library's own and passes its options on, as undici documents. */
export function makeConnector(parts: ConnectorParts): Connector {
  const { kind, userCode, random } = parts
  const base = buildConnector({ timeout: 0 })
  const given: SimulatedSocket[] = []
  return (options, callback) => {
    let opened: SimulatedSocket | null = null
    const give = ((...answer: [Error | null, Duplex | null]) => {
      if (opened !== null) opened.withheld = opened.private = false
      ;(callback as (...answer: [Error | null, Duplex | null]) => void)(...answer)
      // It arrived too late and was rejected.
      if (opened?.destroyed) opened.private = true
    }) as ConnectorCallback
    userCode.run('connector')
    const returned = base({ ...options }, (...[error, connected]) => {
      if (error !== null) return give(error, null)
      const socket = connected as unknown as SimulatedSocket
      given.push(socket)
      // Until it is returned, only the connector handles its errors.
      if (kind !== 'twice') socket.on('error', () => {})
      if (kind === 'banner') readBanner(socket, give)
      else if (kind === 'wrap') give(null, new CodedStream(socket))
      else if (kind === 'pause') pauseFirst(parts, { socket, callback: give })
      else if (kind === 'twice') answerTwice(parts, { socket, callback: give })
      else if (kind === 'late') parts.arrive(random.spread(0, 500), () => give(null, socket))
      else answerUnusable(parts, { socket, callback: give, given })
    })
    // Before the callback, the library has at most the return value, which it does not wait for.
    opened = returned as unknown as SimulatedSocket
    opened.private = true
    if (random.chance(0.5)) return returned
    opened.withheld = true
    return undefined
  }
}

interface Answer {
  readonly socket: Duplex
  readonly callback: ConnectorCallback
}

function readBanner(socket: SimulatedSocket, callback: ConnectorCallback): void {
  const failed = (error?: unknown): void => {
    socket.off('data', onData).off('error', failed).off('close', failed)
    callback(error instanceof Error ? error : new Error('closed before its banner'), null)
  }
  const onData = (bytes: Buffer): void => {
    socket.off('data', onData).off('error', failed).off('close', failed)
    socket.pause()
    const rest = bytes.subarray(BANNER.length)
    if (rest.length > 0) socket.unshift(rest)
    callback(null, socket)
  }
  socket.on('data', onData).on('error', failed).on('close', failed)
}

function pauseFirst({ arrive, random }: ConnectorParts, { socket, callback }: Answer): void {
  socket.pause()
  if (random.chance(0.5)) callback(null, socket)
  else arrive(random.spread(0, 100), () => callback(null, socket))
}

function answerTwice({ arrive, random, faulty }: ConnectorParts, { socket, callback }: Answer): void {
  callback(null, socket)
  const again = (): void => {
    if (faulty() && random.chance(0.3)) callback(new Error('the connector fails after its answer'), null)
    else callback(null, socket)
  }
  const when = random.pick(['now', 'tick', 'later'] as const)
  if (when === 'now') again()
  else if (when === 'tick') process.nextTick(again)
  else arrive(random.spread(0, 1000), again)
}

function answerUnusable(parts: ConnectorParts, answer: Answer & { given: SimulatedSocket[] }): void {
  const { socket, callback, given } = answer
  const { random, arrive, faulty } = parts
  if (!faulty() || random.chance(0.6)) return callback(null, socket)
  const what = random.pick(['nothing', 'object', 'readable', 'strings', 'closed', 'earlier', 'ended'] as const)
  parts.trace(() => `the connector returns ${what}`)
  if (what === 'earlier') {
    const earlier = random.pick(given.filter(({ released }) => !released))
    if (earlier !== socket) socket.destroy()
    return callback(null, earlier)
  }
  socket.destroy()
  if (what === 'nothing') callback(null, null as never)
  else if (what === 'object') callback(null, {} as never)
  else if (what === 'readable') callback(null, new Readable({ read() {} }) as never)
  else if (what === 'strings') callback(null, stringStream())
  else if (what === 'closed') callback(null, socket)
  else arrive(random.spread(0, 10), () => callback(null, socket))
}

function stringStream(): Duplex {
  const stream = new Duplex({
    encoding: 'utf8',
    read() {},
    write(_chunk, _encoding, done) {
      done()
      process.nextTick(() => stream.push('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'))
    },
  })
  return stream
}

/** Decodes received bytes of an encoded socket, and encodes written ones. */
class CodedStream extends Duplex {
  readonly #socket: SimulatedSocket

  constructor(socket: SimulatedSocket) {
    super()
    this.#socket = socket
    socket.on('data', (bytes: Buffer) => {
      if (!this.push(flip(bytes))) socket.pause()
    })
    socket.on('end', () => this.push(null))
    socket.on('error', (error) => this.destroy(error))
    // Bytes received before the end must still be read.
    socket.on('close', () => {
      if (!socket.readableEnded) this.destroy()
    })
  }

  /** The user took it over after an upgrade. */
  set released(released: boolean) {
    this.#socket.released = released
  }

  override _read(): void {
    this.#socket.resume()
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    // The server closed. An error would destroy this stream and discard unread bytes.
    if (this.#socket.writableEnded) return done()
    this.#socket.write(flip(chunk), done)
  }

  override _final(done: () => void): void {
    this.#socket.end(done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy()
    if (this.#socket.closeEmitted) done(error)
    else this.#socket.once('close', () => done(error))
  }
}
