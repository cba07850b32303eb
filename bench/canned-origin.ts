import net from 'node:net'

// Origin process that uses little CPU time: counts requests and responds with the same bytes.

const BODY = '{"hello":"world"}'
const RESPONSE = [
  'HTTP/1.1 200 OK',
  'content-type: application/json; charset=utf-8',
  `content-length: ${BODY.length}`,
  'date: Sat, 21 Nov 2026 00:00:00 GMT',
  'connection: keep-alive',
  'keep-alive: timeout=72',
  '',
  BODY,
].join('\r\n')
const END = Buffer.from('\r\n\r\n')

const server = net.createServer({ noDelay: true }, (socket) => {
  let matched = 0
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    let heads = 0
    for (const byte of chunk) {
      matched = byte === END[matched] ? matched + 1 : byte === 13 ? 1 : 0
      if (matched < 4) continue
      matched = 0
      heads++
    }
    if (heads > 0) socket.write(RESPONSE.repeat(heads), 'latin1')
  })
})

server.listen(0, '127.0.0.1', () => process.send?.((server.address() as net.AddressInfo).port))
process.on('disconnect', () => process.exit())
