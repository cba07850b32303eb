import t from 'tap'
import { Client } from '../../lib/index.js'
import { rawOrigin } from '../servers/origin.js'

/** Size of the buffers that long bodies are read into. */
const READ_BUFFER = 98_304
const BODY = 4_000_000

/**
 * Lets `Buffer.allocUnsafeSlow` fail once, for the first smaller buffer after one of {@link READ_BUFFER} bytes: the copy
 * of a read buffer that is partly filled. Returns a function that restores it and says whether it has failed.
 */
function failNextCopy(): () => boolean {
  const allocate = Buffer.allocUnsafeSlow
  let previous = 0
  let failed = false
  Buffer.allocUnsafeSlow = (size) => {
    const fails = !failed && previous === READ_BUFFER && size !== READ_BUFFER
    previous = size
    if (!fails) return allocate(size)
    failed = true
    throw new RangeError('Array buffer allocation failed')
  }
  return () => {
    Buffer.allocUnsafeSlow = allocate
    return failed
  }
}

t.test('a body fails when there is no memory for a chunk of it, instead of missing that chunk', async (t) => {
  const server = await rawOrigin((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${BODY}\r\n\r\n`)
      socket.write(Buffer.alloc(BODY, 97))
    })
  })
  const client = new Client(server.url)
  const restore = failNextCopy()
  let received = 0
  const outcome = await new Promise<Error | null>((resolve) => {
    client.dispatch(
      { path: '/', method: 'GET' },
      {
        onResponseData: (_controller, chunk) => {
          received += chunk.length
        },
        onResponseEnd: () => resolve(null),
        onResponseError: (_controller, error) => resolve(error),
      },
    )
  })
  t.ok(restore(), 'an allocation failed')
  t.match(outcome, { message: /Array buffer allocation failed/ })
  t.ok(received < BODY)
  await client.close()
  await server.close()
})

/** Lets `Buffer.from` fail once for more than 1000 bytes. Returns a function that restores it. */
function failNextCopyOfUnread(): () => void {
  const { from } = Buffer
  let failed = false
  Buffer.from = ((value: ArrayLike<number>, ...rest: []) => {
    if (failed || !ArrayBuffer.isView(value) || value.byteLength <= 1000) return from.call(Buffer, value, ...rest)
    failed = true
    throw new RangeError('Array buffer allocation failed')
  }) as typeof Buffer.from
  return () => {
    Buffer.from = from
  }
}

for (const framing of ['length', 'close'] as const) {
  t.test(`a body paused at its start fails without memory for what was received: framed by ${framing}`, async (t) => {
    const head = `HTTP/1.1 200 OK\r\n${framing === 'length' ? `content-length: ${BODY}\r\n` : ''}\r\n`
    const response = Buffer.concat([Buffer.from(head), Buffer.alloc(BODY, 97)])
    const server = await rawOrigin((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => {
        socket.write(response)
        if (framing === 'close') socket.end()
      })
    })
    const client = new Client(server.url)
    const restore = failNextCopyOfUnread()
    const outcome = await new Promise<Error | null>((resolve) => {
      client.dispatch(
        { path: '/', method: 'GET' },
        {
          onResponseStart: (controller) => {
            controller.pause()
            setImmediate(() => controller.resume())
          },
          onResponseEnd: () => resolve(null),
          onResponseError: (_controller, error) => resolve(error),
        },
      )
    })
    restore()
    t.match(outcome, { message: /Array buffer allocation failed/ })
    await client.destroy()
    await server.close()
  })
}
