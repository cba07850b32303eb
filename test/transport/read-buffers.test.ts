import t from 'tap'
import { bodyReadBuffer, ownChunk } from '../../lib/transport/read-buffers.js'

/** Returns a read buffer filled with bytes of an earlier read. */
function used(): Buffer {
  return (bodyReadBuffer(1e6) as Buffer).fill('x')
}

t.test('reads a short rest of a body into the shared input buffer', async (t) => {
  t.equal(bodyReadBuffer(used().length - 1), null)
})

t.test('passes on a full buffer as it is', async (t) => {
  const buffer = used()
  t.equal(ownChunk(buffer, buffer.length), buffer)
})

t.test('clears the rest of a buffer that is half full', async (t) => {
  const buffer = used()
  const half = buffer.length / 2
  const chunk = ownChunk(buffer, half)
  t.equal(chunk.toString(), 'x'.repeat(half))
  t.ok(
    Buffer.from(chunk.buffer)
      .subarray(half)
      .every((byte) => byte === 0),
  )
  t.not(bodyReadBuffer(1e6)?.buffer, chunk.buffer, 'a chunk is not read into again')
})

t.test('copies the bytes of a buffer that is less than half full, and reads into it again', async (t) => {
  const buffer = used()
  const chunk = ownChunk(buffer, 5)
  t.equal(chunk.toString(), 'xxxxx')
  t.equal(chunk.buffer.byteLength, 5)
  t.equal(bodyReadBuffer(1e6)?.buffer, buffer.buffer)
})
