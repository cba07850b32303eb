import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { type Dispatcher, interceptors } from '../../lib/index.js'
import { response } from '../servers/origin.js'
import { failureOf, report } from './scene.js'

/** Sockets of origins that have sent 503 once. */
const relieved = new WeakSet()
/** Number of received POSTs. */
let posts = 0

const ways = ['request', 'stream', 'dispatch']
const redirecting = (status: number, to = '/end') =>
  `HTTP/1.1 ${status} Go\r\nlocation: ${to}\r\ncontent-length: 0\r\n\r\n`
const followed = {
  compose: (dispatcher: Dispatcher) => dispatcher.compose(interceptors.redirect({ maxRedirections: 3 })),
}

/** Redirects `/` by `status`. The target responds with the headers and body that it receives. */
function redirectBy(status: number) {
  return (socket: Socket, head: string, _index: number, rest: string) => {
    if (head.includes(' / ')) socket.write(redirecting(status))
    else socket.write(response(head + rest))
  }
}

for (const status of [301, 302, 303]) {
  report(
    `follows ${status} after POST with a GET without body`,
    { onRequest: redirectBy(status), ways, ...followed },
    async (t, { ask, name }) => {
      const headers = { 'content-type': 'text/plain' }
      const { text } = await ask({ method: 'POST', headers, body: 'body' })
      t.match(text, /^GET \/end /, name)
      t.notMatch(text, /content-type|body$/i, name)
    },
  )
}

for (const status of [307, 308]) {
  report(
    `follows ${status} after POST with a POST and the same body`,
    { onRequest: redirectBy(status), ways, ...followed },
    async (t, { ask, name }) => {
      const { text } = await ask({ method: 'POST', body: 'body' })
      t.match(text, /^POST \/end [\s\S]*\r\n\r\nbody$/, name)
    },
  )
  report(
    `does not follow ${status} after a request with a consumed stream`,
    { onRequest: redirectBy(status), ways, ...followed },
    async (t, { ask, name }) => {
      const response = ask({ method: 'POST', body: Readable.from(['body']) })
      const outcome = await response.then(
        ({ status }) => status,
        ({ code }) => code,
      )
      t.ok(outcome === status || /^UND_ERR/.test(String(outcome)), `${name}: ${outcome}`)
    },
  )
}

report(
  'a redirect loop ends after maxRedirections and reports its history',
  { onRequest: (socket) => socket.write(redirecting(302, '/')), ways, ...followed },
  async (t, { ask, name }) => {
    t.match(await failureOf(ask()), { code: 'UND_ERR_INVALID_ARG', message: /Redirect loop/ }, name)
  },
)

report(
  'retries after 503',
  {
    onRequest(socket, head) {
      const busy = head.includes('/busy') && !relieved.has((socket as unknown as { server: object }).server)
      relieved.add((socket as unknown as { server: object }).server)
      socket.write(busy ? 'HTTP/1.1 503 Busy\r\nretry-after: 0\r\ncontent-length: 4\r\n\r\nbusy' : response('ok'))
    },
    ways,
    compose: (dispatcher) => dispatcher.compose(interceptors.retry({ minTimeout: 1 })),
  },
  async (t, { ask, name }) => {
    t.equal((await ask({ path: '/busy' })).text, 'ok', name)
  },
)

report(
  'an exhausted retry reports the last response',
  {
    onRequest: (socket) => socket.write('HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy'),
    ways,
    compose: (dispatcher) => dispatcher.compose(interceptors.retry({ minTimeout: 1, maxRetries: 2 })),
  },
  async (t, { ask, name }) => {
    const error = await failureOf(ask())
    t.match(error, { code: 'UND_ERR_REQ_RETRY', statusCode: 503 }, name)
  },
)

report(
  'does not retry a POST that the server may have executed',
  {
    onRequest(socket, head) {
      if (!head.startsWith('POST')) return void socket.write(response('ok'))
      posts++
      socket.destroy()
    },
    ways,
    compose: (dispatcher) => dispatcher.compose(interceptors.retry({ minTimeout: 1 })),
  },
  async (t, { ask, name }) => {
    posts = 0
    await failureOf(ask({ method: 'POST', body: 'x' }))
    t.equal(posts, 1, name)
    t.equal((await ask()).text, 'ok', name)
  },
)

report(
  'responseError() reports status, headers and body',
  {
    onRequest: (socket) =>
      socket.write('HTTP/1.1 404 No\r\nx-a: b\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\nlost'),
    ways,
    compose: (dispatcher) => dispatcher.compose(interceptors.responseError()),
  },
  async (t, { ask, name }) => {
    t.match(await failureOf(ask()), { statusCode: 404, headers: { 'x-a': 'b' }, body: 'lost' }, name)
  },
)

report(
  'decompress() decodes the body and removes content-encoding',
  {
    onRequest(socket) {
      const bytes = Buffer.from('H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA==', 'base64')
      socket.write(`HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${bytes.length}\r\n\r\n`)
      socket.write(bytes)
    },
    ways,
    compose: (dispatcher) => dispatcher.compose(interceptors.decompress()),
  },
  async (t, { ask, name }) => {
    const { text, headers } = await ask().catch((error) => ({
      text: String(error),
      headers: {} as Record<string, string>,
    }))
    t.equal(text, 'hello', name)
    t.equal(headers['content-encoding'], undefined, name)
  },
)
