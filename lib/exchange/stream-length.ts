import type { Readable } from 'node:stream'
import { findBodyStream } from './body-stream.js'

/** What Node's streams and those of npm's `readable-stream` have in common, and documented properties do not tell. */
interface ReadableState {
  /** No more will come than what is buffered. */
  ended?: boolean
  /** Buffered, in bytes where {@link objectMode} is off and there is no {@link encoding}. */
  length: number
  objectMode?: boolean
  encoding?: string | null
}

/** A message that Node's `http` received: {@link complete} tells it from what only looks like one. */
type MaybeIncomingMessage = Partial<{
  rawHeaders: string[]
  httpVersion: string
  complete: boolean
  method: string | null
  statusCode: number | null
  req: { method: string }
}>

/** Number of bytes that `stream` will give; null when that is not known before its end. */
export function streamLength(stream: Readable & { _readableState?: ReadableState }): number | null {
  const held = findBodyStream(stream)
  const kept = held === undefined ? 0 : held.bufferedLength
  if (held?.ended) return kept
  const state = stream._readableState
  if (kept === null || state?.objectMode !== false || state.encoding) return null
  return state.ended ? kept + state.length : incomingLength(stream as MaybeIncomingMessage, stream.readableDidRead)
}

/** RFC 9112 §6.3. A message that a framework made up may have content and yet no field that says so. */
function incomingLength(message: MaybeIncomingMessage, read: boolean): number | null {
  const { rawHeaders, httpVersion, complete, statusCode, method } = message
  if (read || typeof complete !== 'boolean' || !Array.isArray(rawHeaders) || rawHeaders.length === 0) return null
  // Of a program that changes `headers` the fields as they came are the ones to believe.
  const fieldOf = (name: string) => rawHeaders.find((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === name)
  if (fieldOf('transfer-encoding') !== undefined) return null
  const stated = fieldOf('content-length')
  if (typeof method === 'string') {
    if (stated === undefined) return httpVersion?.startsWith('1.') ? 0 : null
  } else if (message.req?.method === 'HEAD' || statusCode === 204 || statusCode === 304) return null
  return stated === undefined ? null : Number(stated)
}
