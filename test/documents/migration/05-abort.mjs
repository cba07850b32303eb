// Aborts: by a signal before the request and during it, by destroying the body, by destroying the client.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Client, errors } from 'undici'

const server = createServer((request, answer) => {
  if (request.url === '/begin') answer.write('begin')
  else if (request.url === '/') answer.end('done')
}).listen(0)
await once(server, 'listening')
const origin = `http://localhost:${server.address().port}`
const printError = (error) => console.log(error.name, error.code, error instanceof errors.RequestAbortedError)
const client = new Client(origin)

await client
  .request({ path: '/', method: 'GET', signal: AbortSignal.abort() })
  .catch((error) => console.log(error.name))
const controller = new AbortController()
const waiting = client.request({ path: '/never', method: 'GET', signal: controller.signal })
setTimeout(() => controller.abort(), 20)
await waiting.catch((error) => console.log(error.name))
await client
  .request({ path: '/never', method: 'GET', signal: AbortSignal.timeout(20) })
  .catch((error) => console.log(error.name))

const { body } = await client.request({ path: '/begin', method: 'GET' })
body.on('error', printError)
body.destroy()
await new Promise((resolve) => body.on('close', resolve))
console.log(await client.request({ path: '/', method: 'GET' }).then(({ body }) => body.text()))

const lost = client.request({ path: '/never', method: 'POST', body: 'x' }).catch((error) => error.message)
await client.destroy(new Error('enough'))
console.log(await lost)
await client.request({ path: '/', method: 'GET' }).catch((error) => console.log(error.name, error.code))
server.closeAllConnections()
server.close()
