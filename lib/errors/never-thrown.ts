/**
 * Errors of what this library has no part in. They are here because undici documents them: a program that asks whether
 * it got one goes on working.
 */
import { UndiciError } from '../errors.js'

/**
 * A SOCKS5 proxy refused. Its code may be a longer one.
 * Cure: Never raised here: SOCKS proxies are refused with a NotSupportedError.
 */
export class Socks5ProxyError extends UndiciError {
  static override readonly code: string = 'UND_ERR_SOCKS5'
  override name = 'Socks5ProxyError' as const
  constructor(message = 'SOCKS5 proxy error', code = 'UND_ERR_SOCKS5') {
    super(message)
    this.code = code
  }
}

/**
 * A WebSocket message above its maximum size.
 * Cure: Never raised here: there are no WebSockets.
 */
export class MessageSizeExceededError extends UndiciError {
  static override readonly code: string = 'UND_ERR_WS_MESSAGE_SIZE_EXCEEDED'
  override name = 'MessageSizeExceededError' as const
  override code = 'UND_ERR_WS_MESSAGE_SIZE_EXCEEDED' as const
  constructor(message = 'Max decompressed message size exceeded', options?: ErrorOptions) {
    super(message, options)
  }
}
