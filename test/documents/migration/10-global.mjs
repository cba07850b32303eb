// The global dispatcher, one Agent for several origins, and their diagnostics messages.
import diagnosticsChannel from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Writable } from 'node:stream'
import { Agent, getGlobalDispatcher, request, setGlobalDispatcher, stream } from 'undici'

const urls = []
const servers = []
for (const name of ['red', 'green']) {
  const server = createServer((request, answer) => answer.end(`${name} ${request.headers['x-traced']}`)).listen(0)
  await once(server, 'listening')
  servers.push(server)
  urls.push(`http://localhost:${server.address().port}/`)
}
const messages = []
diagnosticsChannel.subscribe('undici:request:create', ({ request }) => {
  request.addHeader('x-traced', 'yes')
  messages.push(`create ${request.method} ${request.path}`)
})
diagnosticsChannel.subscribe('undici:request:headers', ({ response }) =>
  messages.push(`headers ${response.statusCode}`),
)
diagnosticsChannel.subscribe('undici:request:trailers', () => messages.push('trailers'))

const agent = new Agent({ connections: 1, maxOrigins: 2 })
setGlobalDispatcher(agent)
console.log(getGlobalDispatcher() === agent)
for (const url of urls) {
  const { body } = await request(url)
  console.log(await body.text())
}
console.log(Object.keys(agent.stats).length)
const pieces = []
await stream(urls[0], { method: 'GET' }, ({ statusCode }) => {
  pieces.push(statusCode)
  return new Writable({ write: (chunk, _encoding, done) => void done(null, pieces.push(String(chunk))) })
})
console.log(pieces)
await request('http://localhost:1/').catch((error) => console.log(error.name, error.code))
console.log(messages)
await agent.close()
for (const server of servers) server.close()
