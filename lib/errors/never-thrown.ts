/**
 * Error classes of features that sluice does not have. They exist because undici documents them, so that programs which
 * use them with `instanceof` keep working.
 */
import { UndiciError } from '../errors.js'

/**
 * A SOCKS5 proxy refused the connection. The code may have a suffix.
 * Fix: Nothing: sluice never throws it, and rejects SOCKS proxies with a NotSupportedError.
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
 * A WebSocket message exceeds its maximum size.
 * Fix: Nothing: sluice never throws it, because it has no WebSocket.
 */
export class MessageSizeExceededError extends UndiciError {
  static override readonly code: string = 'UND_ERR_WS_MESSAGE_SIZE_EXCEEDED'
  override name = 'MessageSizeExceededError' as const
  override code = 'UND_ERR_WS_MESSAGE_SIZE_EXCEEDED' as const
  constructor(message = 'Max decompressed message size exceeded', options?: ErrorOptions) {
    super(message, options)
  }
}
