// Interceptors of one's own and of the library, handlers with callbacks, both generations of them.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { gzipSync } from 'node:zlib'
import { Agent, Client, DecoratorHandler, interceptors } from 'undici'

const server = createServer((request, answer) => {
  if (request.url === '/moved') return answer.writeHead(302, { location: '/found' }).end()
  if (request.url === '/broken')
    return answer.writeHead(500, { 'content-type': 'application/json' }).end('{"why":"so"}')
  if (request.url === '/packed') return answer.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('unpacked'))
  answer.end(`${request.url} ${request.headers.authorization}`)
}).listen(0)
await once(server, 'listening')
const origin = `http://localhost:${server.address().port}`

class Statuses extends DecoratorHandler {
  onResponseStart(controller, statusCode, headers, statusMessage) {
    console.log('status', statusCode)
    return super.onResponseStart(controller, statusCode, headers, statusMessage)
  }
}
const withToken = (dispatch) => (options, handler) =>
  dispatch({ ...options, headers: { ...options.headers, authorization: 'Bearer token' } }, new Statuses(handler))

const agent = new Agent().compose(
  withToken,
  interceptors.redirect({ maxRedirections: 2 }),
  interceptors.decompress(),
  interceptors.responseError(),
)
for (const path of ['/', '/moved', '/packed', '/broken']) {
  try {
    const { body } = await agent.request({ origin, path, method: 'GET' })
    console.log(await body.text())
  } catch (error) {
    console.log(error.name, error.code, error.statusCode, error.body)
  }
}
await agent.close()

const client = new Client(origin)
const calls = []
await new Promise((resolve, reject) => {
  const more = client.dispatch(
    { path: '/', method: 'GET' },
    {
      onRequestStart: (controller) => calls.push(`start ${controller.aborted}`),
      onResponseStart: (_controller, statusCode, headers) =>
        calls.push(`head ${statusCode} ${headers['content-length']}`),
      onResponseData: (_controller, chunk) => calls.push(`data ${chunk.length}`),
      onResponseEnd: () => resolve(calls.push('end')),
      onResponseError: (_controller, error) => reject(error),
    },
  )
  console.log(typeof more)
})
console.log(calls)
await client.close()
server.close()
