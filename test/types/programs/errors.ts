import { type Client, errors } from 'undici'

/** By class. */
export function explain(error: unknown): string {
  if (error instanceof errors.SocketError)
    return `${error.code} ${error.socket?.remoteAddress ?? ''}:${error.socket?.bytesRead ?? 0}`
  if (error instanceof errors.ConnectTimeoutError || error instanceof errors.HeadersTimeoutError) {
    const code: 'UND_ERR_CONNECT_TIMEOUT' | 'UND_ERR_HEADERS_TIMEOUT' = error.code
    return code
  }
  if (error instanceof errors.ResponseError) {
    const { body, headers, statusCode, bodyTruncated } = error
    const type = Array.isArray(headers) ? headers[1] : headers?.['content-type']
    return `${statusCode} ${String(type)} ${typeof body === 'string' ? body : String(body?.message)} ${bodyTruncated}`
  }
  if (error instanceof errors.RequestRetryError)
    return `${error.statusCode} ${error.data.count} ${String(error.headers['retry-after'])}`
  if (error instanceof errors.HTTPParserError) return `${error.code.slice(4)} ${error.message}`
  if (error instanceof errors.ProxyConnectionError && error.cause instanceof Error) return error.cause.message
  if (error instanceof errors.UndiciError) return `${error.name} ${error.code.toLowerCase()}`
  return String(error)
}

type Slow = errors.ConnectTimeoutError | errors.HeadersTimeoutError | errors.BodyTimeoutError
type Known = Slow | errors.SocketError | errors.RequestAbortedError | errors.InvalidArgumentError

/** By code. */
export function isRetriable(error: Known): boolean {
  switch (error.code) {
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'UND_ERR_BODY_TIMEOUT':
      return true
    case 'UND_ERR_SOCKET':
      return (error.socket?.bytesWritten ?? 0) === 0
    case 'UND_ERR_ABORTED': {
      const name: 'AbortError' = error.name
      return name.length === 0
    }
    default: {
      const rest: errors.InvalidArgumentError = error
      return rest.code.length === 0
    }
  }
}

export async function socketOf(client: Client): Promise<Client.SocketInfo | null> {
  try {
    await client.request({ path: '/', method: 'GET' })
    return null
  } catch (error) {
    if (error instanceof errors.SocketError) return error.socket
    throw error
  }
}

class NotFound extends errors.UndiciError {
  readonly path: string
  constructor(path: string) {
    super(`${path} is not there`)
    this.path = path
  }
}

export const thrown: Error[] = [
  new errors.InvalidArgumentError('no'),
  new errors.NotSupportedError(),
  new NotFound('/'),
]
export const all: (new (message?: string) => errors.UndiciError)[] = [
  errors.ClientClosedError,
  errors.ClientDestroyedError,
]
// @ts-expect-error: there is no such error
export const none = errors.TeapotError
// @ts-expect-error: its code is another
export const other: 'UND_ERR_SOCKET' = new errors.BodyTimeoutError('slow').code
