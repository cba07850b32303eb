import { response } from '../servers/origin.js'
import { failureOf, KEEPING, report } from './scene.js'

const ok = 'HTTP/1.1 200 OK\r\n'
const isHead = (head: string) => head.startsWith('HEAD')

report(
  'a response without content-length is complete when the connection closes',
  { onRequest: (socket) => socket.end(`${ok}connection: close\r\n\r\nall of it`) },
  async (t, { ask, name }) => {
    t.equal((await ask()).text, 'all of it', name)
    t.equal((await ask()).text, 'all of it', `${name}, again`)
  },
)

report(
  'a response shorter than its content-length fails',
  { onRequest: (socket) => socket.end(`${ok}content-length: 10\r\n\r\nshort`) },
  async (t, { ask, name }) => {
    t.equal((await failureOf(ask())).code, 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH', name)
  },
)

report(
  'a chunked response without its last chunk fails',
  { onRequest: (socket) => socket.end(`${ok}transfer-encoding: chunked\r\n\r\n5\r\nshort\r\n`) },
  async (t, { ask, name }) => {
    t.equal((await failureOf(ask())).code, 'UND_ERR_SOCKET', name)
  },
)

report(
  'an empty chunked response has an empty body',
  { onRequest: (socket) => socket.write(`${ok}transfer-encoding: chunked\r\n\r\n0\r\n\r\n`) },
  async (t, { ask, name }) => {
    t.equal((await ask()).text, '', name)
    t.equal((await ask()).text, '', name)
  },
)

report(
  'chunk extensions and trailers are not in the body',
  {
    onRequest: (socket) =>
      socket.write(`${ok}transfer-encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0;c\r\nx-sum: 1\r\n\r\n`),
  },
  async (t, { ask, name }) => {
    t.equal((await ask()).text, 'abc', name)
    t.equal((await ask()).text, 'abc', name)
  },
)

report(
  'reads a response that arrives byte by byte',
  {
    onRequest(socket) {
      const bytes = response('hello', { 'x-a': 'b' })
      let at = 0
      const next = () => {
        if (at < bytes.length) socket.write(bytes[at++] as string, () => setImmediate(next))
      }
      next()
    },
    dispatchers: ['Client', 'Pool'],
  },
  async (t, { ask, name }) => {
    const { text, headers } = await ask()
    t.equal(text, 'hello', name)
    t.equal(headers['x-a'], 'b', name)
  },
)

report(
  'a response to HEAD has no body, whatever its content-length',
  { onRequest: (socket, head) => socket.write(`${ok}content-length: 9\r\n\r\n${isHead(head) ? '' : 'nine long'}`) },
  async (t, { ask, name }) => {
    const { status, text, headers } = await ask({ method: 'HEAD' })
    t.strictSame([status, text, headers['content-length']], [200, '', '9'], name)
    t.equal((await ask()).text, 'nine long', name)
  },
)

report(
  'a 204 has no body, and its connection is reused',
  { onRequest: (socket) => socket.write('HTTP/1.1 204 No Content\r\n\r\n'), ways: KEEPING },
  async (t, { ask, name, origin }) => {
    t.strictSame([(await ask()).status, (await ask()).status], [204, 204], name)
    t.equal(origin.connections, 1, name)
  },
)

report(
  'a 304 with a content-length has no body',
  { onRequest: (socket) => socket.write('HTTP/1.1 304 Not Modified\r\ncontent-length: 100\r\netag: "a"\r\n\r\n') },
  async (t, { ask, name }) => {
    const { status, text } = await ask({ headers: { 'if-none-match': '"a"' } })
    t.strictSame([status, text], [304, ''], name)
    t.equal((await ask({ headers: { 'if-none-match': '"a"' } })).status, 304, name)
  },
)

report(
  'a connection is reused after a 205 with an empty body',
  { onRequest: (socket) => socket.write('HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n'), ways: KEEPING },
  async (t, { ask, name, origin }) => {
    t.strictSame([(await ask()).status, (await ask()).text, origin.connections], [205, '', 1], name)
  },
)

report(
  'keeps several set-cookie headers apart',
  { onRequest: (socket) => socket.write(`${ok}set-cookie: a=1, 2\r\nset-cookie: b=3\r\ncontent-length: 0\r\n\r\n`) },
  async (t, { ask, name }) => {
    t.strictSame((await ask()).headers['set-cookie'], ['a=1, 2', 'b=3'], name)
  },
)

report(
  'passes on header values with bytes above ASCII',
  {
    onRequest: (socket) => socket.write(Buffer.from(`${ok}x-name: caf\xe9\r\ncontent-length: 0\r\n\r\n`, 'latin1')),
  },
  async (t, { ask, name }) => {
    t.equal((await ask()).headers['x-name'], 'caf\xe9', name)
  },
)

report(
  'accepts a hundred headers with long values',
  {
    onRequest(socket) {
      const fields = Array.from({ length: 100 }, (_, index) => `x-${index}: ${'v'.repeat(100)}\r\n`)
      socket.write(`${ok}${fields.join('')}content-length: 2\r\n\r\nok`)
    },
  },
  async (t, { ask, name }) => {
    const { text, headers } = await ask()
    t.strictSame([text, headers['x-99']], ['ok', 'v'.repeat(100)], name)
  },
)

report(
  'headers above maxHeaderSize fail the request, and the next request succeeds',
  {
    onRequest: (socket, head) => socket.write(response('ok', head.includes('/long') ? { x: 'v'.repeat(3000) } : {})),
    options: { maxHeaderSize: 2000 },
  },
  async (t, { ask, name }) => {
    t.equal((await failureOf(ask({ path: '/long' }))).code, 'UND_ERR_HEADERS_OVERFLOW', name)
    t.equal((await ask()).text, 'ok', name)
  },
)

report(
  'a body above maxResponseSize fails the request, and the next request succeeds',
  {
    onRequest: (socket, head) => socket.write(response(head.includes('/long') ? 'x'.repeat(3000) : 'ok')),
    options: { maxResponseSize: 1000 },
  },
  async (t, { ask, name }) => {
    t.equal((await failureOf(ask({ path: '/long' }))).code, 'UND_ERR_RES_EXCEEDED_MAX_SIZE', name)
    t.equal((await ask()).text, 'ok', name)
  },
)

report(
  'a malformed response fails only its own request',
  {
    onRequest: (socket, head) =>
      socket.write(head.includes('/bad') ? `${ok}content-length: 1\r\ncontent-length: 2\r\n\r\nx` : response('ok')),
  },
  async (t, { ask, name }) => {
    t.match((await failureOf(ask({ path: '/bad' }))).code, /^HPE_/, name)
    t.equal((await ask()).text, 'ok', name)
  },
)

report(
  'rejects a response with content-length and transfer-encoding: chunked',
  {
    onRequest: (socket) =>
      socket.write(`${ok}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`),
  },
  async (t, { ask, name }) => {
    t.match((await failureOf(ask())).code, /^HPE_/, name)
  },
)

report(
  'an unread body occupies its connection until dump()',
  { onRequest: (socket) => socket.write(response('x'.repeat(10_000))), ways: ['request'] },
  async (t, { ask, dispatcher, origin, name }) => {
    const { body } = await dispatcher.request({ origin: origin.url, path: '/', method: 'GET' } as never)
    const next = ask()
    await body.dump()
    t.equal((await next).text.length, 10_000, name)
    t.equal(origin.connections, 1, name)
  },
)

report(
  'destroying a body closes its connection only',
  { onRequest: (socket, _head, index) => socket.write(index === 0 ? `${ok}content-length: 1000000\r\n\r\nx` : '') },
  async (t, { dispatcher, origin, name }) => {
    for (let round = 0; round < 2; round++) {
      const { body } = await dispatcher.request({ origin: origin.url, path: '/', method: 'GET' } as never)
      body.on('error', () => {}).destroy()
    }
    t.equal(origin.connections, 2, name)
  },
)
