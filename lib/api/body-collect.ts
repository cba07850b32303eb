import type { Readable } from 'node:stream'
import type { Consumer } from './body-formats.js'

/** Whether the rest of `body` can be consumed without its stream. */
export function canBypass(body: Readable, touched: boolean): boolean {
  if (body.readableFlowing === true || body.listenerCount('data') > 0) return false
  // The decoder of the stream may contain a part of a character, and the stream may contain decoded text.
  return body.readableEncoding === null || !(touched || body.readableLength > 0)
}

/** Makes `consumer` collect the data that `body` emits, in addition to its listeners. Calls `onEnd` before `consumer.end`. */
export function collectStream(body: Readable, consumer: Consumer, onEnd: () => void): void {
  // Before all other listeners, which may modify or transfer the memory.
  body.prependListener('data', (piece: Buffer | string) => {
    const encoding = body.readableEncoding ?? undefined
    consumer.copy(typeof piece === 'string' ? Buffer.from(piece, encoding) : piece)
  })
  body.on('end', () => {
    onEnd()
    consumer.end()
  })
  body.resume()
}
