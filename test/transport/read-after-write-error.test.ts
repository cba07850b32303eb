import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { Client } from '../../lib/index.js'

/** Server in a thread that responds to the first byte and closes, so that later bytes get a RST. */
const REJECTING_SERVER = `
  const { parentPort, workerData } = require('node:worker_threads')
  const closed = new Int32Array(workerData)
  const server = require('node:net').createServer((socket) => {
    socket.on('error', () => {})
    socket.once('readable', () => {
      socket.write('HTTP/1.1 413 Too Large\\r\\ncontent-length: 8\\r\\n\\r\\ntoo much', () => socket.destroy())
    })
    socket.on('close', () => {
      Atomics.store(closed, 0, 1)
      Atomics.notify(closed, 0)
    })
  })
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))
`

t.test('delivers a response that was received before the next write failed', async (t) => {
  const shared = new SharedArrayBuffer(4)
  const closed = new Int32Array(shared)
  const worker = new Worker(REJECTING_SERVER, { eval: true, workerData: shared })
  const [port] = await once(worker, 'message')
  const client = new Client(`http://127.0.0.1:${port}`)
  for (let round = 0; round < 5; round++) {
    Atomics.store(closed, 0, 0)
    async function* body() {
      yield Buffer.alloc(65536)
      await new Promise(setImmediate)
      // Blocks while the server responds, closes and resets.
      Atomics.wait(closed, 0, 0, 5000)
      for (let piece = 0; piece < 20; piece++) {
        yield Buffer.alloc(65536)
        await null
      }
    }
    const { statusCode, body: answer } = await client.request({ path: '/', method: 'POST', body: body() })
    t.equal(statusCode, 413)
    t.equal(await answer.text(), 'too much')
  }
  await client.destroy()
  await worker.terminate()
})
