import { Duplex, Readable } from 'node:stream'
import t from 'tap'
import { Agent, Client, Pool } from '../../lib/index.js'
import { authority, type Identity, serverIdentity } from '../servers/certificates.js'
import { event, onRequests, rawOrigin, response } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'
import { inPhase, LOOP_PHASES, threadOrigin } from '../servers/thread-origin.js'

const get = { path: '/', method: 'GET' } as const
const post = { path: '/', method: 'POST', body: 'x' } as const

type ServerAction = { write?: string; end?: 'fin' | 'reset' }
type Options = { path: string; method: string; body?: string }

const TIMEOUT = '408 Request Timeout\r\ncontent-length: 6\r\nconnection: close\r\n\r\npoison'
/** Actions of a server on an idle connection. */
const serverActions: Record<string, ServerAction> = {
  'ends it': { end: 'fin' },
  'resets it': { end: 'reset' },
  'sends a byte': { write: 'x' },
  'sends a line end': { write: '\r\n' },
  'sends the beginning of a response': { write: 'HTTP/1.1 200' },
  'sends a response': { write: response('poison') },
  'sends 408 and ends it': { write: `HTTP/1.1 ${TIMEOUT}`, end: 'fin' },
}

/** Sends `first`, lets the server act while this thread is busy, and sends `second` in the same event-loop turn. */
async function secondRequestAfter(part: {
  identity: Identity | null
  ca: string
  action: ServerAction
  second: Options
  pipelining: number
}) {
  const { identity, ca, action, second, pipelining } = part
  const origin = await threadOrigin(identity)
  const client = new Client(origin.url, { ...(identity === null ? {} : { connect: { ca } }), pipelining })
  const first = client.request(get)
  await origin.nextData()
  origin.send({ write: response('first') })
  await (await first).body.text()
  let request: ReturnType<Client['request']> | undefined
  const disconnected = event(client, 'disconnect')
  const phase = LOOP_PHASES[Math.floor(Math.random() * 4)] as (typeof LOOP_PHASES)[number]
  await inPhase(phase, () => {
    origin.send(action)
    origin.block(5)
    request = client.request(second)
  })
  await disconnected
  await origin.nextData()
  origin.send({ write: response('second') })
  const text = await (await request)?.body.text()
  await client.close()
  await origin.close()
  return { text, phase }
}

t.test('sends a POST on a new connection if the server used the idle one while the event loop was busy', async (t) => {
  const ca = await authority()
  for (const identity of [null, await serverIdentity(ca)]) {
    for (const [name, action] of Object.entries(serverActions)) {
      // A thread can not reset a socket beneath TLS. An empty line is ignored.
      if ((identity !== null && action.end === 'reset') || name === 'sends a line end') continue
      const { text, phase } = await secondRequestAfter({ identity, ca: ca.cert, action, second: post, pipelining: 1 })
      t.equal(text, 'second', `it ${name}, ${phase}, ${identity === null ? 'TCP' : 'TLS'}`)
    }
  }
})

t.test('replays a GET on a new connection if the server has closed the idle one', async (t) => {
  for (const name of ['ends it', 'resets it']) {
    const action = serverActions[name] as ServerAction
    const { text, phase } = await secondRequestAfter({ identity: null, ca: '', action, second: get, pipelining: 5 })
    t.equal(text, 'second', `it ${name}, ${phase}`)
  }
})

t.test('closes an idle connection on unexpected data or FIN, without failing a request', async (t) => {
  for (const [name, action] of Object.entries(serverActions)) {
    if (name === 'sends a line end') continue
    const origin = await threadOrigin()
    const pool = new Pool(origin.url, { connections: 1 })
    const first = pool.request(get)
    await origin.nextData()
    origin.send({ write: response('first') })
    await (await first).body.text()
    const disconnected = event<[URL, unknown, Error & { code?: string }]>(pool, 'disconnect')
    origin.send(action)
    const { code } = (await disconnected)[2]
    const expected =
      action.write !== undefined ? /HPE_UNSOLICITED/ : action.end === 'fin' ? /UND_ERR_INFO/ : /ECONNRESET/
    t.match(code, expected, name)
    const second = pool.request(post)
    await origin.nextData()
    origin.send({ write: response('second') })
    t.equal(await (await second).body.text(), 'second')
    await pool.close()
    await origin.close()
  }
})

t.test('does not reuse a connection whose keep-alive timeout passed while the event loop was busy', async (t) => {
  const origin = await rawOrigin((socket, index) => onRequests(socket, () => socket.write(response(String(index)))))
  for (const [phase, options] of LOOP_PHASES.flatMap((phase) =>
    [get, post].map((options) => [phase, options] as const),
  )) {
    const before = origin.connections
    const client = new Client(origin.url, { keepAliveTimeout: 20 })
    await (await client.request(get)).body.text()
    const disconnected = event<[URL, unknown, Error]>(client, 'disconnect')
    let second: ReturnType<Client['request']> | undefined
    await inPhase(phase, () => {
      const until = performance.now() + 40
      while (performance.now() < until);
      second = client.request(options)
    })
    t.equal((await disconnected)[2].message, 'socket idle timeout')
    t.equal(await (await second)?.body.text(), String(before + 1), `${options.method}, ${phase}`)
    await client.close()
  }
  await origin.close()
})

t.test('an idle check keeps the order, aborts and drain events of queued requests', async (t) => {
  const heads: string[] = []
  const origin = await rawOrigin((socket) => {
    onRequests(socket, (head) => {
      heads.push(head.split(' ')[1] as string)
      socket.write(response(heads.at(-1) as string))
    })
  })
  for (const Dispatcher of [Client, Pool]) {
    const dispatcher = new Dispatcher(origin.url, {
      pipelining: 10,
      ...(Dispatcher === Pool ? { connections: 1 } : {}),
    })
    const ask = (path: string, signal?: AbortSignal) =>
      dispatcher.request({ path, method: 'POST', ...(signal === undefined ? {} : { signal }) })
    await (await ask('/first')).body.text()
    heads.length = 0
    const controller = new AbortController()
    const requests = ['/1', '/2', '/3'].map((path) => ask(path, path === '/2' ? controller.signal : undefined))
    const aborted = t.rejects(requests[1] as Promise<unknown>, { name: 'AbortError' })
    controller.abort()
    const last = ask('/4')
    await aborted
    for (const one of [requests[0], requests[2], last]) await (await one)?.body.text()
    t.strictSame(heads, ['/1', '/3', '/4'])
    t.equal((await ask('/5')).statusCode, 200)
    await dispatcher.close()
  }
  t.equal(origin.connections, 2)
  const client = new Client(origin.url)
  await (await client.request(get)).body.text()
  const destroyed = client.request(post)
  heads.length = 0
  await Promise.all([t.rejects(destroyed, { message: 'over' }), client.destroy(new Error('over'))])
  t.strictSame(heads, [])
  await origin.close()
})

t.test('excess bytes behind a response do not fail queued requests', async (t) => {
  const junk: Record<string, string> = {
    '/get': `${response('one')}junk`,
    '/head': response('a body to HEAD'),
    '/none': 'HTTP/1.1 204 No Content\r\ncontent-length: 4\r\n\r\nbody',
    '/same': 'HTTP/1.1 304 Not Modified\r\ncontent-length: 4\r\n\r\nbody',
    '/twice': response('one') + response('two'),
  }
  for (const [path, answer] of Object.entries(junk)) {
    const posts: string[] = []
    const origin = await rawOrigin((socket) => {
      onRequests(socket, (head) => {
        if (head.startsWith('POST')) posts.push(head)
        socket.write(head.includes(path) ? answer : response('next'))
      })
    })
    const client = new Client(origin.url)
    const first = client.request({ path, method: path === '/head' ? 'HEAD' : 'GET' })
    const waiting = [client.request({ path: '/', method: 'POST' }), client.request(get), client.request(get)]
    await (await first).body.dump()
    for (const one of waiting) t.equal(await (await one).body.text(), 'next', path)
    t.equal(posts.length, 1, 'executed once')
    t.equal(origin.connections, 2)
    await client.close()
    await origin.close()
  }
})

/** A socket that responds to each request at once, and records the event-loop turn of each write. */
class Answering extends Duplex {
  written = ''

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.written += chunk.toString('latin1')
    callback()
  }
}

t.test('writes repeatable requests at once, and others after the sockets were polled', async (t) => {
  const stream = () => Readable.from(['x'])
  const atOnce = [get, { ...post, idempotent: true }, { ...get, upgrade: 'x' }]
  const rested = [post, { ...get, idempotent: false }, { ...get, body: stream() }, { path: 'a:1', method: 'CONNECT' }]
  for (const [options, waits] of [
    ...atOnce.map((o) => [o, false] as const),
    ...rested.map((o) => [o, true] as const),
  ]) {
    const socket = new Answering()
    const client = new Client('http://localhost', { connect: (_options, callback) => callback(null, socket as never) })
    const first = client.request(get)
    await new Promise(setImmediate)
    socket.push(response('first'))
    await (await first).body.text()
    socket.written = ''
    const recorder = new Recorder()
    client.dispatch(options, recorder)
    await Promise.resolve()
    await new Promise((resolve) => process.nextTick(() => queueMicrotask(resolve as () => void)))
    t.equal(socket.written === '', waits, JSON.stringify(options))
    // Two consecutive check phases have a poll phase between them; by the third, everything is written.
    for (let i = 0; i < 3; i++) await new Promise(setImmediate)
    t.not(socket.written, '', JSON.stringify(options))
    await client.destroy()
  }
})

t.test('loses no POST if the server closes without notice after each response', async (t) => {
  for (const pipelining of [1, 10]) {
    const origin = await threadOrigin(null)
    let connections = 0
    for (const dispatcher of [
      new Client(origin.url, { pipelining }),
      new Pool(origin.url, { pipelining }),
      new Agent({ pipelining }),
    ]) {
      for (let i = 0; i < 10; i++) {
        const request = dispatcher.request({ ...post, origin: origin.url })
        await origin.nextData()
        connections++
        origin.send({ write: response(`${i}`), end: 'fin' })
        origin.block(0)
        t.equal(await (await request).body.text(), `${i}`)
      }
      await dispatcher.close()
    }
    t.equal(connections, 30)
    await origin.close()
  }
})

t.test('reuses a connection that received an empty line after the response', async (t) => {
  for (const late of [false, true]) {
    const origin = await rawOrigin((socket) =>
      onRequests(socket, () => {
        socket.write(late ? response('ok') : `${response('ok')}\r\n`)
        if (late) setImmediate(() => setImmediate(() => socket.write('\r\n')))
      }),
    )
    for (const options of [get, { ...post, body: undefined }]) {
      const client = new Client(origin.url)
      const before = origin.connections
      for (let i = 0; i < 20; i++) {
        t.equal(await (await client.request(options as never)).body.text(), 'ok')
        await new Promise((resolve) => setTimeout(resolve, late && i % 5 === 0 ? 5 : 0))
      }
      t.equal(origin.connections, before + 1, `${options.method}, ${late ? 'late' : 'at once'}`)
      await client.close()
    }
    await origin.close()
  }
})
