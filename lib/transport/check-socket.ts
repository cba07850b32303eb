import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { InvalidArgumentError, NotSupportedError, SocketError } from '../errors.js'

/** Methods that a connection calls on its socket. */
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

/** Sockets used by a connection. */
const inUse = new WeakSet<object>()

/** Marks a socket as used: {@link socketFault} rejects it, and {@link destroyUnused} does not destroy it. */
export function markInUse(socket: Duplex): void {
  inUse.add(socket)
}

/** Reverts {@link markInUse}. */
export function markUnused(socket: Duplex): void {
  inUse.delete(socket)
}

/** Returns the error for a connector result that can not be used as a socket; null if it can. */
export function socketFault(given: unknown): Error | null {
  if (given === undefined || given === null) {
    return new InvalidArgumentError('connect called back without an error and without a socket: pass one of them')
  }
  try {
    const stream = given as Duplex
    if (!REQUIRED_METHODS.every((name) => typeof stream[name] === 'function')) return notAByteStream(typeName(given))
    // Decoded text can not be converted back to bytes: https://nodejs.org/api/stream.html#readablesetencodingencoding
    if (typeof stream.readableEncoding === 'string') return notAByteStream(`${typeName(given)} with an encoding`)
    if (isClosed(stream)) return closed(typeName(given))
    if ((stream as TLSSocket).alpnProtocol === 'h2') {
      return new NotSupportedError('connect called back with an HTTP/2 socket: offer http/1.1 by ALPN')
    }
    if (!inUse.has(stream)) return null
    return new InvalidArgumentError('connect called back with a socket that another connection uses: open a new one')
  } catch (cause) {
    return notAByteStream('an object whose properties cannot be read', { cause })
  }
}

/** Destroys the value that a connector called back with, unless a connection uses it. Never throws. */
export function destroyUnused(given: unknown): void {
  const socket = given as Partial<Duplex> | null | undefined
  try {
    if (typeof socket?.destroy !== 'function' || inUse.has(socket)) return
    // Without a listener its error would be an uncaught exception.
    socket.on?.('error', () => {})
    socket.destroy()
  } catch {}
}

/** Returns the error for a connector result that is not a byte stream. `got`: its type, never its content. */
export function notAByteStream(got: string, options?: ErrorOptions): Error {
  return new InvalidArgumentError(`connect must call back with a Duplex stream of bytes, received ${got}`, options)
}

function closed(got: string): Error {
  return new SocketError(`connect called back with a socket that is already closed (${got})`)
}

/** Whether one direction of the socket has already ended: its `end` or `close` event will not be emitted again. */
function isClosed(socket: Duplex): boolean {
  const { destroyed, closed, readable, readableEnded, writable, writableEnded } = socket
  return [destroyed, closed, readableEnded, writableEnded].includes(true) || readable === false || writable === false
}

/** Returns the type of a value for error messages, such as `an instance of Socket`. Never its content. */
export function typeName(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value !== 'object') return `a ${typeof value}`
  const { name } = value.constructor ?? {}
  return typeof name === 'string' && name !== '' ? `an instance of ${name}` : 'an object'
}
