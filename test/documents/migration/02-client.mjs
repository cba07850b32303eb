// One connection: its events, keep-alive, a body out of a stream, HEAD, closing.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Readable } from 'node:stream'
import { Client } from 'undici'

let connections = 0
const server = createServer(async (request, answer) => {
  let bytes = 0
  for await (const chunk of request) bytes += chunk.length
  answer.setHeader('x-bytes', bytes)
  answer.end(
    `${request.method} ${request.url} ${request.headers['transfer-encoding'] ?? request.headers['content-length']}`,
  )
})
server.on('connection', () => connections++)
server.listen(0)
await once(server, 'listening')

const client = new Client(`http://localhost:${server.address().port}`, { keepAliveTimeout: 1000 })
client.on('connect', (origin, targets) => console.log('connect', origin instanceof URL, targets.length))
client.on('disconnect', (_origin, _targets, error) => console.log('disconnect', error instanceof Error))
for (const [method, body] of [
  ['GET', null],
  ['POST', 'text'],
  ['PUT', Readable.from(['one', 'two', 'three'])],
  ['PATCH', Buffer.alloc(70_000)],
]) {
  const answer = await client.request({ path: '/a', method, body })
  console.log(answer.statusCode, answer.headers['x-bytes'], await answer.body.text())
}
const head = await client.request({ path: '/a', method: 'HEAD' })
console.log(head.statusCode, head.headers['x-bytes'], (await head.body.text()).length)
console.log(connections, client.closed, client.destroyed)
await client.close()
console.log(client.closed, client.destroyed)
server.close()
