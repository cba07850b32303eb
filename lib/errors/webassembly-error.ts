import { isInstance } from './error-class.js'

/**
 * The runtime has no WebAssembly, which the parser requires. Extends Error only and has its name, as documented.
 * Fix: Deploy `script-engine.js` beside the bundle, and leave `parser` at `auto`.
 */
export class WebAssemblyNotSupportedError extends Error {
  declare name: 'Error'
  /** @internal */
  static readonly code: string = 'ERR_WEBASSEMBLY_NOT_SUPPORTED'
  readonly code = 'ERR_WEBASSEMBLY_NOT_SUPPORTED'
  constructor(
    message = 'WebAssembly is not supported in this environment, but is required for HTTP/1 parsing',
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
  static override [Symbol.hasInstance](value: unknown): boolean {
    return isInstance(this, value)
  }
}
