import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { InvalidArgumentError, NotSupportedError, SocketError } from '../errors.js'

/** What a connection calls on its socket. */
const REQUIRED_METHODS = [
  'on',
  'once',
  'off',
  'write',
  'cork',
  'uncork',
  'read',
  'pause',
  'resume',
  'unshift',
  'destroy',
] as const

/** Sockets that connections use. */
const inUse = new WeakSet<object>()

/** From now on {@link socketFault} refuses the socket, and {@link destroyUnused} leaves it alone. */
export function markInUse(socket: Duplex): void {
  inUse.add(socket)
}

/** Ends what {@link markInUse} began. */
export function markUnused(socket: Duplex): void {
  inUse.delete(socket)
}

/** Returns why a connection can not use what a connector called back with; null if it can. */
export function socketFault(given: unknown): Error | null {
  if (given === undefined || given === null) {
    return new InvalidArgumentError('connect called back without an error and without a socket')
  }
  try {
    const stream = given as Duplex
    if (!REQUIRED_METHODS.every((name) => typeof stream[name] === 'function')) return notAByteStream(typeName(given))
    // What was decoded can not be made bytes again: https://nodejs.org/api/stream.html#readablesetencodingencoding
    if (typeof stream.readableEncoding === 'string') return notAByteStream(`${typeName(given)} with an encoding`)
    if (isClosed(stream)) return closed(typeName(given))
    if ((stream as TLSSocket).alpnProtocol === 'h2') {
      return new NotSupportedError('connect called back with an HTTP/2 socket: offer http/1.1 by ALPN')
    }
    if (!inUse.has(stream)) return null
    return new InvalidArgumentError('connect called back with a socket that another connection uses')
  } catch (cause) {
    return notAByteStream('an object whose properties cannot be read', { cause })
  }
}

/** Destroys what a connector called back with and no connection uses, whatever it is. */
export function destroyUnused(given: unknown): void {
  const socket = given as Partial<Duplex> | null | undefined
  try {
    if (typeof socket?.destroy !== 'function' || inUse.has(socket)) return
    // It has no other listener, most likely, and its error is of no interest any more.
    socket.on?.('error', () => {})
    socket.destroy()
  } catch {}
}

/** The error for an object that is no stream of bytes, or that yields something else. */
export function notAByteStream(got: string, options?: ErrorOptions): Error {
  return new InvalidArgumentError(`connect must call back with a Duplex stream of bytes, received ${got}`, options)
}

function closed(got: string): Error {
  return new SocketError(`connect called back with a socket that is already closed (${got})`)
}

/** The peer's end was read, the own end was sent, or all of it is gone: the events of that will not come again. */
function isClosed(socket: Duplex): boolean {
  const { destroyed, closed, readable, readableEnded, writable, writableEnded } = socket
  return [destroyed, closed, readableEnded, writableEnded].includes(true) || readable === false || writable === false
}

/** Names the type of a value, never its content. */
export function typeName(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value !== 'object') return `a ${typeof value}`
  const { name } = value.constructor ?? {}
  return typeof name === 'string' && name !== '' ? `an instance of ${name}` : 'an object'
}
