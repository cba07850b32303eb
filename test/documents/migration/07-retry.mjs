// Trying again: by an agent, by an interceptor, as a callback says, and a download that goes on where it broke off.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Agent, interceptors, RetryAgent } from 'undici'

let requestCount = 0
const text = 'a body that comes in two halves'
const server = createServer((request, answer) => {
  requestCount++
  if (request.url === '/halves') {
    const from = Number(/bytes=(\d+)/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const headers = { etag: '"v1"', 'content-length': text.length - from, 'content-range': undefined }
    if (from > 0) headers['content-range'] = `bytes ${from}-${text.length - 1}/${text.length}`
    else delete headers['content-range']
    answer.writeHead(from > 0 ? 206 : 200, headers)
    if (from > 0) answer.end(text.slice(from))
    else answer.write(text.slice(0, 12), () => setTimeout(() => request.socket.destroy(), 20))
    return
  }
  answer.statusCode = requestCount < 3 || request.url === '/never' ? 503 : 200
  answer.end('at last')
}).listen(0)
await once(server, 'listening')
const origin = `http://localhost:${server.address().port}`
const quick = { minTimeout: 5, maxTimeout: 10 }

const agent = new RetryAgent(new Agent(), quick)
const first = await agent.request({ origin, path: '/', method: 'GET' })
console.log(first.statusCode, await first.body.text(), requestCount)

requestCount = 10
const halves = await agent.request({ origin, path: '/halves', method: 'GET' })
console.log(halves.statusCode, await halves.body.text(), requestCount)
await agent.close()

requestCount = 0
const retrying = new Agent().compose(interceptors.retry({ ...quick, maxRetries: 2 }))
await retrying
  .request({ origin, path: '/never', method: 'GET' })
  .catch((error) => console.log(error.name, error.code, error.statusCode, requestCount))

requestCount = 0
const counts = []
const asking = new Agent().compose(
  interceptors.retry({
    retry(error, { state }, callback) {
      counts.push(state.counter)
      return callback(state.counter < 4 ? null : error)
    },
  }),
)
await asking.request({ origin, path: '/never', method: 'GET' }).catch((error) => console.log(error.statusCode, counts))
await Promise.all([retrying.close(), asking.close()])
server.close()
