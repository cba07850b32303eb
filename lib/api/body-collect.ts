import type { Readable } from 'node:stream'
import type { Consumer } from './body-formats.js'

/** Whether what `body` still gives can be taken past its stream. */
export function canBypass(body: Readable, touched: boolean): boolean {
  if (body.readableFlowing === true || body.listenerCount('data') > 0) return false
  // A character may be half in its decoder.
  return body.readableEncoding === null || !touched
}

/** Has `consumer` take what flows through `body`, beside those that listen to it. `onEnd` is called first at the end. */
export function collectStream(body: Readable, consumer: Consumer, onEnd: () => void): void {
  // The first of all: another listener may write to the memory, or transfer it.
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
