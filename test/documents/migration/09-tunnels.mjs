// Other protocols over the same connections: upgrade, CONNECT, and a proxy.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { Client, ProxyAgent } from 'undici'

const server = createServer((request, answer) =>
  answer.end(`${request.url} via ${request.headers['x-via'] ?? 'nobody'}`),
)
server.on('upgrade', (request, socket) => {
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${request.headers.upgrade}\r\n\r\n`)
  socket.on('data', (data) => socket.end(String(data).toUpperCase()))
})
let tunnels = 0
server
  .on('connect', (request, socket, head) => {
    tunnels++
    const [host, port] = request.url.split(':')
    const far = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      far.write(head)
      far.pipe(socket).pipe(far)
    })
    far.on('error', () => socket.destroy())
    socket.on('error', () => far.destroy())
  })
  .listen(0)
await once(server, 'listening')
const { port } = server.address()
const origin = `http://localhost:${port}`

const client = new Client(origin)
const upgraded = await client.upgrade({ path: '/', protocol: 'echo' })
console.log(upgraded.headers.upgrade)
upgraded.socket.end('hello')
let received = ''
for await (const chunk of upgraded.socket) received += chunk
console.log(received)

const { statusCode, socket } = await client.connect({ path: `localhost:${port}` })
console.log(statusCode, tunnels)
socket.write('GET /inside HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n')
let answer = ''
for await (const chunk of socket) answer += chunk
console.log(answer.split('\r\n\r\n').at(-1).includes('/inside via nobody'))
await client.close()

const proxied = new ProxyAgent({ uri: origin, proxyTunnel: true })
const { body } = await proxied.request({ origin, path: '/far', method: 'GET', headers: { 'x-via': 'a tunnel' } })
console.log(await body.text(), tunnels)
await proxied.close()
server.close()
