import type { Readable } from 'node:stream'

/**
 * Watches a stream that is a request body until a connection reads it: calls `onFailed` when it fails or is closed
 * before. Returns how to stop; null when `body` is no stream.
 */
export function watchSource(body: unknown, onFailed: (error: Error) => void): (() => void) | null {
  const stream = body as Readable | null | undefined
  if (typeof stream?.pipe !== 'function' || typeof stream.on !== 'function') return null
  const closed = () => {
    if (!stream.readableEnded)
      onFailed(Object.assign(new Error('Premature close'), { code: 'ERR_STREAM_PREMATURE_CLOSE' }))
  }
  stream.on('error', onFailed)
  stream.on('close', closed)
  return () => {
    stream.removeListener('error', onFailed)
    stream.removeListener('close', closed)
  }
}
