import type { Readable } from 'node:stream'
import { findBodyStream } from './body-stream.js'

/** State of streams of Node and of npm's `readable-stream`. Their documented properties do not suffice here. */
interface ReadableState {
  /** Whether no more data than the buffered will come. */
  ended?: boolean
  /** Buffered length: in bytes, unless {@link objectMode} or {@link encoding} is set. */
  length: number
  objectMode?: boolean
  encoding?: string | null
}

/** A message that Node's `http` may have received. Only a real one has a boolean {@link complete}. */
type MaybeIncomingMessage = Partial<{
  rawHeaders: string[]
  httpVersion: string
  complete: boolean
  method: string | null
  statusCode: number | null
  req: { method: string }
}>

/** Returns the number of bytes that `stream` will yield, or `null` if it is unknown before the end. */
export function streamLength(stream: Readable & { _readableState?: ReadableState }): number | null {
  const bodyStream = findBodyStream(stream)
  const buffered = bodyStream === undefined ? 0 : bodyStream.bufferedLength
  if (bodyStream?.ended) return buffered
  const state = stream._readableState
  if (buffered === null || state?.objectMode !== false || state.encoding) return null
  return state.ended ? buffered + state.length : incomingLength(stream as MaybeIncomingMessage, stream.readableDidRead)
}

/**
 * Returns the body length of a received message (RFC 9112 §6.3). A message created by a framework may have a body
 * without a header that announces it.
 */
function incomingLength(message: MaybeIncomingMessage, read: boolean): number | null {
  const { rawHeaders, httpVersion, complete, statusCode, method } = message
  if (read || typeof complete !== 'boolean' || !Array.isArray(rawHeaders) || rawHeaders.length === 0) return null
  // Raw headers are used, because programs may change `headers`.
  const fieldOf = (name: string) => rawHeaders.find((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === name)
  if (fieldOf('transfer-encoding') !== undefined) return null
  const stated = fieldOf('content-length')
  if (typeof method === 'string') {
    if (stated === undefined) return httpVersion?.startsWith('1.') ? 0 : null
  } else if (message.req?.method === 'HEAD' || statusCode === 204 || statusCode === 304) return null
  return stated === undefined ? null : Number(stated)
}
