import { readSafely } from './safe-read.js'
import type { Timings } from './timings.js'

/**
 * Cause of an error: `user` (an argument, abort or body of the caller), `peer` (an invalid or unwanted response),
 * `network`, `timeout`, or `lifecycle` (a dispatcher that was closed or destroyed).
 */
export type Fault = 'user' | 'peer' | 'network' | 'timeout' | 'lifecycle'

/**
 * Progress of a request when it failed: `queued` for a connection; during `connect`; `send`: the request is written;
 * `wait`: it is written, and no byte of the response was received; within the response `headers` or `body`; or while the
 * `tunnel` through a proxy opens.
 */
export type Phase = 'queued' | 'connect' | 'send' | 'wait' | 'headers' | 'body' | 'tunnel'

/** Facts about the request that failed. Unknown ones are omitted. */
export interface ErrorContext {
  /** Origin of the request, such as `https://example.com:8443`. */
  origin?: string
  /** Method of the request. */
  method?: string
  /** Path of the request, with its query. */
  path?: string
  /** Progress of the request when it failed. */
  phase?: Phase
  /** Whether the connection had sent another request before. */
  reusedSocket?: boolean
  /** Number of bytes of the request that were written to the socket. */
  bytesWritten?: number
  /**
   * Whether the request can be sent again without harm: none of it was sent, or its option `idempotent` is true, so
   * that executing it twice is harmless (RFC 9110 §9.2.2). False once a byte of the response was received.
   */
  replaySafe?: boolean
  /** Origin of the proxy in use, without its credentials. */
  proxy?: string
  /** Times of the request, if its option `timings` is set. */
  timings?: Timings
}

/** Addresses and byte counts of a socket when an error occurred. */
export interface SocketInfo {
  localAddress?: string
  localPort?: number
  remoteAddress?: string
  remotePort?: number
  remoteFamily?: string
  timeout?: number
  bytesWritten?: number
  bytesRead?: number
}

const BASE_CODE = 'UND_ERR'

/** Base class of all errors except `HTTPParserError` and `WebAssemblyNotSupportedError`. Its code is `UND_ERR`. */
export class UndiciError extends Error implements ErrorContext {
  /** Code that `instanceof` compares with `error.code`. */
  static readonly code: string = BASE_CODE
  /** @internal */
  static readonly fault: Fault | undefined = undefined

  /** Cause of the error: `user`, `peer`, `network`, `timeout` or `lifecycle`; omitted if unknown. */
  declare readonly fault?: Fault
  declare origin?: string
  declare method?: string
  declare path?: string
  declare phase?: Phase
  declare reusedSocket?: boolean
  declare bytesWritten?: number
  declare replaySafe?: boolean
  declare proxy?: string
  declare timings?: Timings
  code: string = BASE_CODE

  constructor(message?: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'UndiciError'
    const { fault } = new.target
    // Own and enumerable: `console.log` prints it.
    if (fault !== undefined) Object.assign(this, { fault })
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return isInstance(this, value)
  }
}

/** Returns the static `code` of an error class of this package; null for other classes, derived ones included. */
export function staticCodeOf(Class: unknown): string | null {
  if (typeof Class !== 'function' || !Object.hasOwn(Class, 'code')) return null
  const { code } = Class as { code?: unknown }
  return typeof code === 'string' ? code : null
}

/**
 * Implements `instanceof` across copies of the package: a class with the same code is on the prototype chain, or, for
 * errors of undici, `error.code` matches.
 */
export function isInstance(Class: object, value: unknown): boolean {
  // The caller's class may have accessors that throw, and the value may be a revoked Proxy.
  return readSafely(() => {
    if (Function.prototype[Symbol.hasInstance].call(Class, value)) return true
    const code = staticCodeOf(Class)
    if (code === null || !(value instanceof Error)) return false
    for (let level = Object.getPrototypeOf(value); level !== null; level = Object.getPrototypeOf(level)) {
      if (staticCodeOf(level.constructor) === code) return true
    }
    const given = (value as { code?: unknown }).code
    // Codes of one family share a prefix: UND_ERR_SOCKS5 and UND_ERR_SOCKS5_TIMEOUT; UND_ERR and all others.
    return typeof given === 'string' && (given === code || given.startsWith(`${code}_`))
  }, false)
}

interface ErrorClassDefinition<Name extends string, Code extends string> {
  name: Name
  code: Code
  fault: Fault
  /** Default message. */
  message: string
}

/** Class of an error with a fixed name and code. */
export type ErrorClass<Name extends string, Code extends string> = {
  new (message?: string, options?: ErrorOptions): UndiciError & { name: Name; code: Code }
  readonly code: string
}

/** Creates an error class from its definition. */
export function defineErrorClass<Name extends string, Code extends string>(
  row: ErrorClassDefinition<Name, Code>,
  Parent: typeof UndiciError = UndiciError,
): ErrorClass<Name, Code> {
  const Class = class extends Parent {
    static override readonly code: string = row.code
    static override readonly fault: Fault = row.fault
    constructor(message: string = row.message, options?: ErrorOptions) {
      super(message, options)
      this.name = row.name
      this.code = row.code
    }
  }
  Object.defineProperty(Class, 'name', { value: row.name === 'AbortError' ? 'RequestAbortedError' : row.name })
  return Class as unknown as ErrorClass<Name, Code>
}
