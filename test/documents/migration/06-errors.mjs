// What fails, and by which codes.
import { once } from 'node:events'
import { createServer } from 'node:net'
import { Client, errors, request } from 'undici'

const answers = {
  '/headers': '',
  '/body': 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf',
  '/garbage': 'this is no HTTP\r\n\r\n',
  '/large': `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(2000)}\r\n\r\n`,
  '/long': `HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n${'z'.repeat(200)}`,
}
const server = createServer((socket) => {
  socket.on('error', () => {})
  socket.on('data', (data) => {
    const path = String(data).split(' ')[1]
    if (path === '/reset') socket.destroy()
    else socket.write(answers[path] ?? '')
  })
}).listen(0)
await once(server, 'listening')
const origin = `http://localhost:${server.address().port}`

for (const path of [...Object.keys(answers), '/reset']) {
  const options = { headersTimeout: 300, bodyTimeout: 300, maxHeaderSize: 1000, maxResponseSize: 100 }
  const client = new Client(origin, options)
  try {
    const { body } = await client.request({ path, method: 'POST' })
    await body.text()
    console.log(path, 'succeeded')
  } catch (error) {
    const kind = error instanceof errors.HTTPParserError ? 'HPE' : error.code
    console.log(path, error.name, kind, error instanceof Error)
  }
  await client.destroy()
}

for (const bad of [{ path: 'no-slash' }, { path: '/', method: 'G T' }, { path: '/', headers: { 'x y': '1' } }]) {
  const client = new Client(origin)
  await client.request({ method: 'GET', ...bad }).catch((error) => console.log(error.name, error.code))
  await client.close()
}
try {
  new Client('ftp://localhost')
} catch (error) {
  console.log(error.name, error.code, error instanceof errors.UndiciError)
}
server.close()
await request(origin).catch((error) => console.log(error.code))
