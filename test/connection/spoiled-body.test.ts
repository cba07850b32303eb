import diagnostics from 'node:diagnostics_channel'
import t from 'tap'
import { Client } from '../../lib/index.js'
import { onRequests, rawOrigin, response } from '../servers/origin.js'

const GONE = { code: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH', message: /detached or resized/ }

/** Transfers the memory of `bytes`, as `postMessage` to a worker does. */
function giveAway(bytes: Uint8Array): void {
  structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] })
}

t.test('a request whose body memory is transferred before sending fails, and sends nothing', async (t) => {
  let received = ''
  const origin = await rawOrigin((socket) => {
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1')
    })
    onRequests(socket, (head) => {
      if (head.startsWith('GET')) socket.write(response('ok'))
    })
  })
  const client = new Client(origin.url, { pipelining: 10 })
  t.teardown(async () => {
    await client.destroy()
    await origin.close()
  })
  const get = async (path: string) => (await client.request({ path, method: 'GET' })).body.text()

  // First before the connection is established; then on an established one, where a request is written in the same
  // event-loop turn.
  for (const path of ['/first', '/second']) {
    for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
      // Shorter bodies are copied when they are dispatched on an idle connection.
      const body = new Uint8Array(100_000).fill(65)
      const put = client.request({ path: '/put', method: 'PUT', body, headers, idempotent: true })
      const next = get(path)
      giveAway(body)
      const refused = t.rejects(put, GONE, path)
      t.equal(await next, 'ok')
      await refused
    }
  }
  t.notMatch(received, /^content-length/m, 'no content-length is sent')
  t.notMatch(received, /^0\r\n\r\n/m, 'no last chunk is sent')
})

t.test('a request whose body a handler or subscriber transfers at its start fails, and no other', async (t) => {
  const origin = await rawOrigin((socket) =>
    onRequests(socket, (head) => {
      if (head.startsWith('GET')) socket.write(response('ok'))
    }),
  )
  const client = new Client(origin.url, { pipelining: 10 })
  const get = async () => (await client.request({ path: '/', method: 'GET' })).body.text()
  t.equal(await get(), 'ok')
  for (const owner of ['handler', 'subscriber'] as const) {
    const body = new Uint8Array(10).fill(65)
    const subscriber = () => {
      if (body.length > 0) giveAway(body)
    }
    if (owner === 'subscriber') diagnostics.subscribe('undici:client:sendHeaders', subscriber)
    const failed = new Promise((resolve) => {
      client.dispatch(
        { path: '/', method: 'POST', body },
        {
          onRequestStart: () => void (owner === 'handler' && giveAway(body)),
          onResponseEnd: resolve,
          onResponseError: (_controller, error) => resolve(error),
        },
      )
    })
    t.match(await failed, GONE, owner)
    diagnostics.unsubscribe('undici:client:sendHeaders', subscriber)
    t.strictSame(await Promise.all([get(), get()]), ['ok', 'ok'])
  }
  t.equal(origin.connections, 1)
  await client.close()
  await origin.close()
})
