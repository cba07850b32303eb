import { once } from 'node:events'
import { response } from '../servers/origin.js'
import { closedAll, failureOf, KEEPING, report } from './scene.js'

const ok = response('ok')

report(
  'a server that ends its side behind a response is asked over another connection',
  { deed: (socket) => socket.end(ok) },
  async (t, { ask, name, origin }) => {
    t.equal((await ask()).text, 'ok', name)
    await closedAll(origin)
    t.equal((await ask()).text, 'ok', name)
    t.equal(origin.connections, 2, name)
  },
)

report(
  'a connection that the server closes while idle is replaced',
  { deed: (socket) => socket.write(ok) },
  async (t, { ask, name, origin }) => {
    await ask()
    for (const socket of origin.sockets) socket.end()
    await closedAll(origin)
    t.equal((await ask()).text, 'ok', name)
  },
)

report(
  'a connection that the server resets while idle is replaced',
  { deed: (socket) => socket.write(ok) },
  async (t, { ask, name, origin }) => {
    await ask()
    for (const socket of origin.sockets) socket.resetAndDestroy()
    await closedAll(origin)
    t.equal((await ask()).text, 'ok', name)
  },
)

report(
  'connection: close is followed by another connection',
  { deed: (socket) => socket.end(response('ok', { connection: 'close' })) },
  async (t, { ask, name, origin }) => {
    for (let round = 0; round < 3; round++) t.equal((await ask()).text, 'ok', name)
    t.equal(origin.connections, 3, name)
  },
)

report(
  'a server of HTTP/1.0 that keeps nothing alive is asked anew each time',
  { deed: (socket) => socket.end('HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok') },
  async (t, { ask, name, origin }) => {
    for (let round = 0; round < 2; round++) t.equal((await ask()).text, 'ok', name)
    t.equal(origin.connections, 2, name)
  },
)

report(
  'a server that says it keeps connections for no time is asked over another one',
  { deed: (socket) => socket.write(response('ok', { connection: 'keep-alive', 'keep-alive': 'timeout=1' })) },
  async (t, { ask, name, origin }) => {
    for (let round = 0; round < 2; round++) t.equal((await ask()).text, 'ok', name)
    t.equal(origin.connections, 2, name)
  },
)

report(
  'a server that closes without an answer fails the request',
  { deed: (socket) => socket.end() },
  async (t, { ask, name }) => {
    t.equal((await failureOf(ask({ method: 'POST', body: 'x' }))).code, 'UND_ERR_SOCKET', name)
  },
)

report(
  'a GET on a kept connection that the server closes meanwhile is sent again',
  {
    deed(socket, _head, index) {
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
  'a POST on a kept connection that the server closes meanwhile is not sent again',
  {
    deed(socket, head) {
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
  'bytes behind a response are answers to nobody',
  { deed: (socket) => socket.write(`${ok}${response('evil')}`), ways: KEEPING },
  async (t, { ask, name }) => {
    for (let round = 0; round < 3; round++) t.equal((await ask()).text, 'ok', name)
  },
)

report(
  'a server that does not speak HTTP fails the request',
  { deed: (socket) => socket.write('SSH-2.0-OpenSSH_9.6\r\n') },
  async (t, { ask, name }) => {
    t.match((await failureOf(ask())).code, /^HPE_/, name)
  },
)

report(
  'a server that speaks HTTP/2 at once fails the request',
  { deed: (socket) => socket.write(Buffer.from('0000120400000000000003000000640004', 'hex')) },
  async (t, { ask, name }) => {
    t.match((await failureOf(ask())).code, /^HPE_/, name)
  },
)

report(
  'early hints and fifty of them are no responses',
  {
    deed(socket) {
      socket.write('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'.repeat(50))
      setImmediate(() => socket.write(ok))
    },
  },
  async (t, { ask, name }) => {
    t.strictSame([(await ask()).text, (await ask()).status], ['ok', 200], name)
  },
)

report(
  'a 100 that nobody asked for is passed over',
  { deed: (socket) => socket.write(`HTTP/1.1 100 Continue\r\n\r\n${ok}`) },
  async (t, { ask, name }) => {
    t.equal((await ask({ method: 'POST', body: 'x' })).text, 'ok', name)
    t.equal((await ask()).text, 'ok', name)
  },
)

report(
  'a 101 that nobody asked for fails the request',
  { deed: (socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n') },
  async (t, { ask, name }) => {
    t.match((await failureOf(ask())).code, /HPE_|UND_ERR/, name)
  },
)

report(
  'an answer to an upload that is under way ends it',
  { deed: (socket) => socket.end('HTTP/1.1 413 No\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno') },
  async (t, { ask, name }) => {
    async function* long() {
      // Bounded, since the runtime's fetch reads on.
      for (let piece = 0; piece < 200; piece++) {
        yield Buffer.alloc(10_000)
        await new Promise(setImmediate)
      }
    }
    const { status, text } = await ask({ method: 'POST', body: long() }).catch(async (error: unknown) => {
      // Where the connection broke before the answer was read, that is what is told.
      const { code } = await failureOf(Promise.reject(error))
      return { status: 413, text: /ECONNRESET|EPIPE|UND_ERR_SOCKET/.test(code ?? '') ? 'no' : String(code) }
    })
    t.strictSame([status, text], [413, 'no'], name)
  },
)

report(
  'close() waits for what is under way, and nothing is accepted after',
  { deed: (socket) => setImmediate(() => socket.write(ok)) },
  async (t, { ask, name, dispatcher }) => {
    const answer = ask()
    await new Promise(setImmediate)
    const closed = dispatcher.close()
    t.equal((await answer).text, 'ok', name)
    await closed
    t.match((await failureOf(ask())).code, /^UND_ERR_(CLOSED|DESTROYED)$/, name)
  },
)

report('destroy() fails what is under way and what waits', { deed: () => {} }, async (t, { ask, name, dispatcher }) => {
  const asked = [ask(), ask(), ask()].map(failureOf)
  await new Promise(setImmediate)
  await dispatcher.destroy()
  t.strictSame(
    (await Promise.all(asked)).map(({ code }) => code),
    new Array(3).fill('UND_ERR_DESTROYED'),
    name,
  )
})

report(
  'close() of what is idle leaves no socket behind',
  { deed: (socket) => socket.write(ok) },
  async (t, { ask, name, dispatcher, origin }) => {
    await ask()
    const [socket] = origin.sockets
    const closed = socket?.closed === true ? null : once(socket as never, 'close')
    await dispatcher.close()
    await closed
    t.equal(origin.sockets.size, 0, name)
  },
)
