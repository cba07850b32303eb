import t from 'tap'
import { Client, Pool } from '../../lib/index.js'
import { authority, serverIdentity } from '../servers/certificates.js'
import { elsewhere, inPhase, LOOP_PHASES } from '../servers/elsewhere.js'
import { event, onRequests, rawOrigin, response } from '../servers/origin.js'

const get = { path: '/', method: 'GET' } as const
const post = { path: '/', method: 'POST', body: 'x' } as const

const TIMEOUT = '408 Request Timeout\r\ncontent-length: 6\r\nconnection: close\r\n\r\npoison'
/** What a server does to a connection that is idle. */
const deeds: Record<string, { write?: string; end?: 'fin' | 'reset' }> = {
  'ends it': { end: 'fin' },
  'resets it': { end: 'reset' },
  'sends a byte': { write: 'x' },
  'sends a line end': { write: '\r\n' },
  'sends the beginning of a response': { write: 'HTTP/1.1 200' },
  'sends a response': { write: response('poison') },
  'sends 408 and ends it': { write: `HTTP/1.1 ${TIMEOUT}`, end: 'fin' },
}

t.test('what a server did to an idle connection while the event loop was busy is seen before it is used', async (t) => {
  const ca = await authority()
  for (const identity of [null, await serverIdentity(ca)]) {
    for (const [name, deed] of Object.entries(deeds)) {
      // A thread can not reset what is under its TLS.
      if (identity !== null && deed.end === 'reset') continue
      for (const options of [get, post]) {
        const origin = await elsewhere(identity)
        const part = identity === null ? {} : { connect: { ca: ca.cert } }
        const pipelining = options === get ? 5 : 1
        const client = new Client(origin.url, { ...part, pipelining })
        const first = client.request(get)
        await origin.heard()
        origin.say({ write: response('first') })
        t.equal(await (await first).body.text(), 'first')
        let second: ReturnType<Client['request']> | undefined
        const phase = LOOP_PHASES[Math.floor(Math.random() * 4)] as (typeof LOOP_PHASES)[number]
        await inPhase(phase, () => {
          origin.say(deed)
          origin.block(5)
          second = client.request(options)
        })
        const gone = event(client, 'disconnect')
        await gone
        await origin.heard()
        origin.say({ write: response('second') })
        t.equal(await (await second)?.body.text(), 'second', `${client}: it ${name}, ${options.method}, ${phase}`)
        await client.close()
        await origin.close()
      }
    }
  }
})

t.test('what a server did to an idle connection ends it, at no one’s cost', async (t) => {
  for (const [name, deed] of Object.entries(deeds)) {
    const origin = await elsewhere()
    const pool = new Pool(origin.url, { connections: 1 })
    const first = pool.request(get)
    await origin.heard()
    origin.say({ write: response('first') })
    await (await first).body.text()
    const gone = event<[URL, unknown, Error & { code?: string }]>(pool, 'disconnect')
    origin.say(deed)
    const { code } = (await gone)[2]
    const expected = deed.write !== undefined ? /HPE_UNSOLICITED/ : deed.end === 'fin' ? /UND_ERR_INFO/ : /ECONNRESET/
    t.match(code, expected, name)
    const second = pool.request(post)
    await origin.heard()
    origin.say({ write: response('second') })
    t.equal(await (await second).body.text(), 'second')
    await pool.close()
    await origin.close()
  }
})

t.test('a connection that was idle for too long while the event loop was busy is not used', async (t) => {
  const origin = await rawOrigin((socket, index) => onRequests(socket, () => socket.write(response(String(index)))))
  for (const phase of LOOP_PHASES) {
    const before = origin.connections
    const client = new Client(origin.url, { keepAliveTimeout: 20 })
    await (await client.request(get)).body.text()
    const gone = event<[URL, unknown, Error]>(client, 'disconnect')
    let second: ReturnType<Client['request']> | undefined
    await inPhase(phase, () => {
      const until = performance.now() + 40
      while (performance.now() < until);
      second = client.request(post)
    })
    t.equal((await gone)[2].message, 'socket idle timeout')
    t.equal(await (await second)?.body.text(), String(before + 1), phase)
    await client.close()
  }
  await origin.close()
})

t.test('a look at an idle connection costs no request its place, its abort or its drain', async (t) => {
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
      dispatcher.request({ path, method: 'GET', ...(signal === undefined ? {} : { signal }) })
    await (await ask('/first')).body.text()
    await new Promise((resolve) => setTimeout(resolve, 5))
    heads.length = 0
    const controller = new AbortController()
    const asked = ['/1', '/2', '/3'].map((path) => ask(path, path === '/2' ? controller.signal : undefined))
    const gone = t.rejects(asked[1] as Promise<unknown>, { name: 'AbortError' })
    controller.abort()
    const last = ask('/4')
    await gone
    for (const one of [asked[0], asked[2], last]) await (await one)?.body.text()
    t.strictSame(heads, ['/1', '/3', '/4'])
    t.equal((await ask('/5')).statusCode, 200)
    await dispatcher.close()
  }
  t.equal(origin.connections, 2)
  const client = new Client(origin.url)
  await (await client.request(get)).body.text()
  await new Promise((resolve) => setTimeout(resolve, 5))
  const destroyed = client.request(get)
  heads.length = 0
  await Promise.all([t.rejects(destroyed, { message: 'over' }), client.destroy(new Error('over'))])
  t.strictSame(heads, [])
  await origin.close()
})

t.test('what comes behind a response hurts none that waits', async (t) => {
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
