import t from 'tap'
import { Client } from '../../lib/index.js'
import { onRequests, rawOrigin } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'
import { uncaughtDuring } from '../servers/uncaught.js'

const LENGTH = 900_000

t.test('a data listener that throws at any chunk causes one uncaught exception, and the body continues', async (t) => {
  let number = 96
  const origin = await rawOrigin((socket) =>
    onRequests(socket, () => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${LENGTH}\r\n\r\n`)
      socket.write(Buffer.alloc(LENGTH, ++number))
    }),
  )
  for (const parser of ['wasm', 'js'] as const) {
    const client = new Client(origin.url, { parser })
    const first: Buffer[] = []
    for (const throwing of [0, 1, 2]) {
      const kept: Buffer[] = []
      let size = 0
      const uncaught = await uncaughtDuring(async () => {
        const { body } = await client.request({ path: '/', method: 'GET' })
        await new Promise((resolve) => {
          body.on('end', resolve)
          body.on('data', (chunk: Buffer) => {
            kept.push(chunk)
            size += chunk.length
            if (kept.length === throwing + 1) throw new Error('bug of a listener')
          })
        })
      })
      t.strictSame(uncaught, ['bug of a listener'])
      t.equal(size, LENGTH)
      const byte = number
      t.ok(kept.every((chunk) => chunk.every((one) => one === byte)))
      first.push(...(throwing === 0 ? kept : []))
      const { body } = await client.request({ path: '/', method: 'GET' })
      t.equal((await body.bytes()).length, LENGTH)
    }
    t.equal(new Set(Buffer.concat(first)).size, 1, 'the memory of the first body is not overwritten')
    await client.close()
  }
  t.equal(origin.connections, 2)
  await origin.close()
})

t.test('chunks passed on before a handler threw keep their bytes', async (t) => {
  let number = 96
  const origin = await rawOrigin((socket) =>
    onRequests(socket, () => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${LENGTH}\r\n\r\n`)
      socket.write(Buffer.alloc(LENGTH, ++number))
    }),
  )
  const client = new Client(origin.url)
  for (const throwing of [0, 1, 2, 3]) {
    const kept: Buffer[] = []
    const failed = await new Promise<Error>((resolve) => {
      client.dispatch(
        { path: '/', method: 'GET' },
        {
          onRequestStart() {},
          onResponseStart() {},
          onResponseData(_controller, chunk) {
            kept.push(chunk)
            if (kept.length === throwing + 1) throw new Error('bug of a handler')
          },
          onResponseEnd: () => resolve(new Error('bug of a handler')),
          onResponseError: (_controller, error) => resolve(error),
        },
      )
    })
    t.equal(failed.message, 'bug of a handler')
    const { body } = await client.request({ path: '/', method: 'GET' })
    t.equal((await body.bytes()).length, LENGTH)
    t.equal(new Set(Buffer.concat(kept)).size, 1)
  }
  await client.close()
  await origin.close()
})

t.test(
  'a drain listener that throws after a long body causes one uncaught exception, and loses neither bytes nor the connection',
  async (t) => {
    let number = 96
    const origin = await rawOrigin((socket) =>
      onRequests(socket, () => {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${LENGTH}\r\n\r\n`)
        socket.write(Buffer.alloc(LENGTH, ++number))
      }),
    )
    for (const parser of ['wasm', 'js'] as const) {
      const client = new Client(origin.url, { parser })
      client.once('drain', () => {
        throw new Error('bug of a listener')
      })
      const bodies: Buffer[] = []
      const uncaught = await uncaughtDuring(async () => {
        for (let i = 0; i < 3; i++) {
          const recorder = new Recorder()
          client.dispatch({ path: '/', method: 'GET' }, recorder)
          bodies.push(...(await recorder.ended).chunks)
          t.equal(recorder.error, null)
        }
      })
      t.strictSame(uncaught, ['bug of a listener'])
      t.equal(Buffer.concat(bodies).length, 3 * LENGTH)
      for (const [index, byte] of [number - 2, number - 1, number].entries()) {
        const body = Buffer.concat(bodies).subarray(index * LENGTH, (index + 1) * LENGTH)
        t.ok(
          body.every((one) => one === byte),
          'each body keeps its bytes',
        )
      }
      await client.close()
    }
    t.equal(origin.connections, 2)
    await origin.close()
  },
)
