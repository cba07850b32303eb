import { once } from 'node:events'
import { response } from '../servers/origin.js'
import { closedAll, failureOf, KEEPING, report } from './scene.js'

const ok = response('ok')

report(
  'a new connection is opened after the server has sent FIN behind a response',
  { onRequest: (socket) => socket.end(ok) },
  async (t, { ask, name, origin }) => {
    t.equal((await ask()).text, 'ok', name)
    await closedAll(origin)
    t.equal((await ask()).text, 'ok', name)
    t.equal(origin.connections, 2, name)
  },
)

report(
  'a connection that the server closes while idle is replaced',
  { onRequest: (socket) => socket.write(ok) },
  async (t, { ask, name, origin }) => {
    await ask()
    for (const socket of origin.sockets) socket.end()
    await closedAll(origin)
    t.equal((await ask()).text, 'ok', name)
  },
)

report(
  'a connection that the server resets while idle is replaced',
  { onRequest: (socket) => socket.write(ok) },
  async (t, { ask, name, origin }) => {
    await ask()
    for (const socket of origin.sockets) socket.resetAndDestroy()
    await closedAll(origin)
    t.equal((await ask()).text, 'ok', name)
  },
)

report(
  'opens a new connection after connection: close',
  { onRequest: (socket) => socket.end(response('ok', { connection: 'close' })) },
  async (t, { ask, name, origin }) => {
    for (let round = 0; round < 3; round++) t.equal((await ask()).text, 'ok', name)
    t.equal(origin.connections, 3, name)
  },
)

report(
  'opens a connection per request to an HTTP/1.0 server without keep-alive',
  { onRequest: (socket) => socket.end('HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok') },
  async (t, { ask, name, origin }) => {
    for (let round = 0; round < 2; round++) t.equal((await ask()).text, 'ok', name)
    t.equal(origin.connections, 2, name)
  },
)

report(
  'does not reuse a connection after keep-alive: timeout=0',
  { onRequest: (socket) => socket.write(response('ok', { connection: 'keep-alive', 'keep-alive': 'timeout=1' })) },
  async (t, { ask, name, origin }) => {
    for (let round = 0; round < 2; round++) t.equal((await ask()).text, 'ok', name)
    t.equal(origin.connections, 2, name)
  },
)

report(
  'a connection that closes without a response fails the request',
  { onRequest: (socket) => socket.end() },
  async (t, { ask, name }) => {
    t.equal((await failureOf(ask({ method: 'POST', body: 'x' }))).code, 'UND_ERR_SOCKET', name)
  },
)

report(
  'retries a GET when the server closes the reused connection',
  {
    onRequest(socket, _head, index) {
      if (index === 0) socket.write(ok)
      else socket.destroy()
    },
    ways: KEEPING,
  },
  async (t, { ask, name, origin }) => {
    t.equal((await ask()).text, 'ok', name)
    t.equal((await ask()).text, 'ok', name)
    t.equal(origin.connections, 2, name)
  },
)

report(
  'does not retry a POST when the server closes the reused connection',
  {
    onRequest(socket, head) {
      if (head.startsWith('GET')) socket.write(ok)
      else socket.destroy()
    },
    ways: KEEPING,
  },
  async (t, { ask, name }) => {
    await ask()
    const { code } = await failureOf(ask({ method: 'POST', body: 'x' }))
    t.ok(code === 'UND_ERR_SOCKET' || code === 'ECONNRESET', `${name}: ${code}`)
    t.equal((await ask()).text, 'ok', name)
  },
)

report(
  'bytes after a response do not answer the next request',
  { onRequest: (socket) => socket.write(`${ok}${response('evil')}`), ways: KEEPING },
  async (t, { ask, name }) => {
    for (let round = 0; round < 3; round++) t.equal((await ask()).text, 'ok', name)
  },
)

report(
  'a response that is not HTTP fails the request',
  { onRequest: (socket) => socket.write('SSH-2.0-OpenSSH_9.6\r\n') },
  async (t, { ask, name }) => {
    t.match((await failureOf(ask())).code, /^HPE_/, name)
  },
)

report(
  'an HTTP/2 preface from the server fails the request',
  { onRequest: (socket) => socket.write(Buffer.from('0000120400000000000003000000640004', 'hex')) },
  async (t, { ask, name }) => {
    t.match((await failureOf(ask())).code, /^HPE_/, name)
  },
)

report(
  'skips fifty 103 Early Hints',
  {
    onRequest(socket) {
      socket.write('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'.repeat(50))
      setImmediate(() => socket.write(ok))
    },
  },
  async (t, { ask, name }) => {
    t.strictSame([(await ask()).text, (await ask()).status], ['ok', 200], name)
  },
)

report(
  'skips an unexpected 100 Continue',
  { onRequest: (socket) => socket.write(`HTTP/1.1 100 Continue\r\n\r\n${ok}`) },
  async (t, { ask, name }) => {
    t.equal((await ask({ method: 'POST', body: 'x' })).text, 'ok', name)
    t.equal((await ask()).text, 'ok', name)
  },
)

report(
  'a 101 without an upgrade request fails the request',
  {
    onRequest: (socket) =>
      socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'),
  },
  async (t, { ask, name }) => {
    t.match((await failureOf(ask())).code, /HPE_|UND_ERR/, name)
  },
)

report(
  'a complete response stops the upload of its request',
  { onRequest: (socket) => socket.end('HTTP/1.1 413 No\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno') },
  async (t, { ask, name }) => {
    async function* long() {
      // Bounded, because the runtime's fetch continues to read the source.
      for (let piece = 0; piece < 200; piece++) {
        yield Buffer.alloc(10_000)
        await new Promise(setImmediate)
      }
    }
    const { status, text } = await ask({ method: 'POST', body: long() }).catch(async (error: unknown) => {
      // If the connection broke before the response was read, the connection error is reported.
      const { code } = await failureOf(Promise.reject(error))
      return { status: 413, text: /ECONNRESET|EPIPE|UND_ERR_SOCKET/.test(code ?? '') ? 'no' : String(code) }
    })
    t.strictSame([status, text], [413, 'no'], name)
  },
)

report(
  'close() waits for requests in flight and rejects new ones',
  { onRequest: (socket) => setImmediate(() => socket.write(ok)) },
  async (t, { ask, name, dispatcher }) => {
    const answer = ask()
    await new Promise(setImmediate)
    const closed = dispatcher.close()
    t.equal((await answer).text, 'ok', name)
    await closed
    t.match((await failureOf(ask())).code, /^UND_ERR_(CLOSED|DESTROYED)$/, name)
  },
)

report(
  'destroy() fails requests in flight and queued requests',
  { onRequest: () => {} },
  async (t, { ask, name, dispatcher }) => {
    const failures = [ask(), ask(), ask()].map(failureOf)
    await new Promise(setImmediate)
    await dispatcher.destroy()
    t.strictSame(
      (await Promise.all(failures)).map(({ code }) => code),
      new Array(3).fill('UND_ERR_DESTROYED'),
      name,
    )
  },
)

report(
  'close() of an idle dispatcher closes all sockets',
  { onRequest: (socket) => socket.write(ok) },
  async (t, { ask, name, dispatcher, origin }) => {
    await ask()
    const [socket] = origin.sockets
    const closed = socket?.closed === true ? null : once(socket as never, 'close')
    await dispatcher.close()
    await closed
    t.equal(origin.sockets.size, 0, name)
  },
)
