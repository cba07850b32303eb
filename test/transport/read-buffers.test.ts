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

t.test('copies the bytes of a partly filled buffer, and reads into it again', async (t) => {
  const buffer = used()
  const chunk = ownChunk(buffer, 5)
  t.equal(chunk.toString(), 'xxxxx')
  t.equal(chunk.buffer.byteLength, 5)
  t.equal(bodyReadBuffer(1e6)?.buffer, buffer.buffer)
})
