import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import t from 'tap'
import { Client } from '../../lib/index.js'
import { onRequests, rawOrigin, response } from '../servers/origin.js'

/** A source without end; `closed` when it was told to stop. */
function endless(): { source: Readable; closed: Promise<void> } {
  const source = new Readable({ read: () => void setImmediate(() => source.push(Buffer.alloc(1000))) })
  return { source, closed: new Promise((resolve) => source.once('close', resolve)) }
}

/** Answers the first request of each connection with a head alone; the rest of it is `socket`'s to say. */
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
  return { origin, say: (body: string) => void socket?.write(body), heard: () => text }
}

t.test('who is told of an error sends no more, though its answer is not whole', async (t) => {
  const { origin, say } = await headsOnly('413 Too Large')
  const client = new Client(origin.url)
  const { source, closed } = endless()
  const { statusCode, body } = await client.request({ path: '/', method: 'POST', body: source })
  t.equal(statusCode, 413)
  await closed
  say('early')
  t.equal(await body.text(), 'early')
  await client.close()
  await origin.close()
})

t.test('who is answered before he may send his body does not send it', async (t) => {
  const { origin, say, heard } = await headsOnly('200 OK')
  const client = new Client(origin.url)
  const { source, closed } = endless()
  const { body } = await client.request({ path: '/', method: 'POST', body: source, expectContinue: true })
  await closed
  say('early')
  t.equal(await body.text(), 'early')
  t.ok(heard().endsWith('\r\n\r\n'), 'a head and nothing else')
  await client.close()
  await origin.close()
})

t.test('who is told of success sends on: it may be a stream both ways', async (t) => {
  const { origin, say, heard } = await headsOnly('200 OK')
  const client = new Client(origin.url)
  const source = new Readable({ read() {} })
  source.push('first')
  const { body } = await client.request({ path: '/', method: 'POST', body: source })
  source.push('second')
  source.push(null)
  while (!heard().endsWith('second\r\n0\r\n\r\n')) await new Promise(setImmediate)
  say('early')
  t.equal(await body.text(), 'early')
  await client.close()
  await origin.close()
})

t.test('a connection whose server has not taken all of a request gets no other', async (t) => {
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
