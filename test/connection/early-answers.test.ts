import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import t from 'tap'
import { Client } from '../../lib/index.js'
import { event, onRequests, rawOrigin, response } from '../servers/origin.js'

/** An endless source; `closed` when it was stopped. */
function endless(): { source: Readable; closed: Promise<void> } {
  const source = new Readable({ read: () => void setImmediate(() => source.push(Buffer.alloc(1000))) })
  return { source, closed: new Promise((resolve) => source.once('close', resolve)) }
}

/** Responds to the first request of each connection with headers only; `socket` sends the rest. */
async function headsOnly(start: string) {
  let socket: Socket | undefined
  let text = ''
  const origin = await rawOrigin((one) => {
    socket = one.on('error', () => {})
    one.on('data', (chunk) => {
      text += chunk.toString('latin1')
    })
    one.once('data', () => one.write(`HTTP/1.1 ${start}\r\ncontent-length: 5\r\n\r\n`))
  })
  return { origin, send: (body: string) => void socket?.write(body), received: () => text }
}

t.test('stops sending the body after an error response, even if the response is incomplete', async (t) => {
  const { origin, send } = await headsOnly('413 Too Large')
  const client = new Client(origin.url)
  const { source, closed } = endless()
  const { statusCode, body } = await client.request({ path: '/', method: 'POST', body: source })
  t.equal(statusCode, 413)
  await closed
  send('early')
  t.equal(await body.text(), 'early')
  await client.close()
  await origin.close()
})

t.test('does not send the body if the server responds before 100 Continue', async (t) => {
  const { origin, send, received } = await headsOnly('200 OK')
  const client = new Client(origin.url)
  const { source, closed } = endless()
  const { body } = await client.request({ path: '/', method: 'POST', body: source, expectContinue: true })
  await closed
  send('early')
  t.equal(await body.text(), 'early')
  t.ok(received().endsWith('\r\n\r\n'), 'only headers are sent')
  await client.close()
  await origin.close()
})

t.test('continues to send the body after a 2xx response, for bidirectional streams', async (t) => {
  const { origin, send, received } = await headsOnly('200 OK')
  const client = new Client(origin.url)
  const source = new Readable({ read() {} })
  source.push('first')
  const { body } = await client.request({ path: '/', method: 'POST', body: source })
  source.push('second')
  source.push(null)
  while (!received().endsWith('second\r\n0\r\n\r\n')) await new Promise(setImmediate)
  send('early')
  t.equal(await body.text(), 'early')
  await client.close()
  await origin.close()
})

t.test('does not reuse a connection on which the server has not read the whole request', async (t) => {
  const origin = await rawOrigin((socket, index) => {
    socket.on('error', () => {})
    onRequests(socket, () => {
      socket.write(response(`answered by ${index}`))
      if (index === 0) socket.pause()
    })
  })
  const client = new Client(origin.url)
  const big = Buffer.alloc(50_000_000)
  const first = await client.request({ path: '/', method: 'POST', body: big })
  t.equal(await first.body.text(), 'answered by 0')
  const second = await client.request({ path: '/', method: 'GET' })
  t.equal(await second.body.text(), 'answered by 1')
  await client.destroy()
  await origin.close()
})

/** Responds with headers to the first data on a connection, then only reads: the client must close it. */
async function atOnce(start: string) {
  const ends: Promise<unknown>[] = []
  const received: string[] = []
  const origin = await rawOrigin((socket, index) => {
    received[index] = ''
    ends.push(
      event(
        socket.on('error', () => {}),
        'close',
      ),
    )
    socket.on('data', (chunk) => {
      received[index] += chunk.toString('latin1')
    })
    socket.once('data', () => socket.write(`HTTP/1.1 ${start}\r\ncontent-length: 2\r\n\r\nok`))
  })
  return { origin, ends, received }
}

t.test('closes a connection whose upload was stopped, even if all written bytes were sent', async (t) => {
  const { origin, ends, received } = await atOnce('413 Too Large')
  const client = new Client(origin.url, { keepAliveTimeout: 600_000 })
  const source = new Readable({ read() {} })
  source.push('first')
  const first = await client.request({ path: '/', method: 'POST', body: source })
  t.equal(await first.body.text(), 'ok')
  const second = await client.request({ path: '/', method: 'GET' })
  t.equal(await second.body.text(), 'ok')
  await ends[0]
  t.match(received[1], /^GET /)
  await client.close()
  await origin.close()
})

t.test('sends no request behind a body that is shorter than its content-length', async (t) => {
  const { origin, ends, received } = await atOnce('200 OK')
  const client = new Client(origin.url, { keepAliveTimeout: 600_000, strictContentLength: false })
  const headers = { 'content-length': '100' }
  const first = await client.request({ path: '/', method: 'PUT', headers, body: Readable.from(['too ', 'little']) })
  t.equal(await first.body.text(), 'ok')
  const second = await client.request({ path: '/', method: 'GET' })
  t.equal(await second.body.text(), 'ok')
  await ends[0]
  t.ok(received[0]?.endsWith('\r\n\r\ntoo little'), String(received[0]))
  t.match(received[1], /^GET /)
  await client.close()
  await origin.close()
})
