// Requests by URL: JSON there and back, query, fields, text.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { request } from 'undici'

const server = createServer(async (request, answer) => {
  let body = ''
  for await (const chunk of request) body += chunk
  answer.setHeader('set-cookie', ['a=1', 'b=2'])
  answer.end(JSON.stringify({ method: request.method, url: request.url, type: request.headers['content-type'], body }))
}).listen(0)
await once(server, 'listening')
const url = `http://localhost:${server.address().port}`

const response = await request(`${url}/items?page=2`)
console.log(response.statusCode, response.headers['set-cookie'], response.trailers, await response.body.json())

const posted = await request(url, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  query: { q: 'a b', list: ['x', 'y'] },
  body: JSON.stringify({ name: 'ä' }),
})
console.log(posted.statusCode, await posted.body.text())
console.log(posted.body.bodyUsed)

const bytes = await (await request(url)).body.bytes()
console.log(bytes instanceof Uint8Array, bytes.length)
server.closeAllConnections()
server.close()
