import { readSafely } from './safe-read.js'
import type { Timings } from './timings.js'

/** Whose doing an error is, and so who can make it go away. */
export type Fault = 'user' | 'peer' | 'network' | 'timeout' | 'lifecycle'

/**
 * How far a request had come when it failed: waiting for a connection, or for that to open; handed to it, and no byte of
 * a response there (`send`); amid the head, or the body, of one; or on the way through a proxy.
 */
export type Phase = 'queued' | 'connect' | 'send' | 'headers' | 'body' | 'tunnel'

/** Where an error happened. Fields are left out where they are not known. */
export interface ErrorContext {
  /** Origin of the request, such as `https://example.com:8443`. */
  origin?: string
  method?: string
  path?: string
  phase?: Phase
  /** True when the connection had carried another request before. */
  reusedSocket?: boolean
  /** Bytes of the request handed to the socket. */
  bytesWritten?: number
  /** True when sending the request again can not execute it twice. */
  replaySafe?: boolean
  /** Origin of the proxy on the way, never with its credentials. */
  proxy?: string
  /** Of a request with the option of that name. */
  timings?: Timings
}

/** Metadata of a socket at the time of an error. */
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

/** The base of all errors but `HTTPParserError`. Its code is `UND_ERR`. */
export class UndiciError extends Error implements ErrorContext {
  /** What `instanceof` looks for in `error.code`. */
  static readonly code: string = BASE_CODE
  /** @internal */
  static readonly fault: Fault | undefined = undefined

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
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return isInstance(this, value)
  }
}

/** The code that a class of this package has as a static field of its own; null for a class derived from one. */
export function staticCodeOf(Class: unknown): string | null {
  if (typeof Class !== 'function' || !Object.hasOwn(Class, 'code')) return null
  const { code } = Class as { code?: unknown }
  return typeof code === 'string' ? code : null
}

/**
 * `instanceof` that holds across copies of the package: by a class of the same code on the prototype chain, and for
 * errors of undici by `error.code`.
 */
export function isInstance(Class: object, value: unknown): boolean {
  // A class of the caller's may have accessors that throw, and the value may be a Proxy that was revoked.
  return readSafely(() => {
    if (Function.prototype[Symbol.hasInstance].call(Class, value)) return true
    const code = staticCodeOf(Class)
    if (code === null || !(value instanceof Error)) return false
    for (let level = Object.getPrototypeOf(value); level !== null; level = Object.getPrototypeOf(level)) {
      if (staticCodeOf(level.constructor) === code) return true
    }
    const given = (value as { code?: unknown }).code
    // Codes of one family share a prefix, such as UND_ERR_SOCKS5_TIMEOUT, or UND_ERR of them all.
    return typeof given === 'string' && (given === code || given.startsWith(`${code}_`))
  }, false)
}

// One for all classes: a statement for each would keep it in the bundle of a program that never names it.
Object.defineProperty(UndiciError.prototype, 'fault', {
  get(this: UndiciError) {
    return (this.constructor as typeof UndiciError).fault
  },
  configurable: true,
})

interface ErrorClassDefinition<Name extends string, Code extends string> {
  name: Name
  code: Code
  fault: Fault
  /** Message when the thrower gives none. */
  message: string
}

export type ErrorClass<Name extends string, Code extends string> = {
  new (message?: string, options?: ErrorOptions): UndiciError & { name: Name; code: Code }
  readonly code: string
}

/** Makes a class out of its row in the table. */
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
