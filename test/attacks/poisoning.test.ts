import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import t from 'tap'
import { Client } from '../../lib/index.js'
import { event, onRequests, rawOrigin, response } from '../servers/origin.js'
import { type Attack, counted, each, PARSERS } from './catalogue.js'
import { deceived, get, outcome } from './requests-to-attacker.js'

/** A server sends more than requested. The next request must not receive it. */
interface Poison extends Attack {
  bytes: string
  /** Outcome of the first request. */
  first: string
  request?: object
}

const OK = 'HTTP/1.1 200 OK\r\n'
const EVIL = `${OK}content-length: 4\r\n\r\nevil`
const HELLO = `${OK}content-length: 5\r\n\r\nhello`
const head = { path: '/', method: 'HEAD' }

const poisons: Poison[] = [
  { what: 'a second response', good: 'drops the connection', bytes: HELLO + EVIL, first: 'hello' },
  { what: 'ten more responses', good: 'drops the connection', bytes: HELLO + EVIL.repeat(10), first: 'hello' },
  { what: 'half a response', good: 'drops the connection', bytes: `${HELLO}HTTP/1.1 2`, first: 'hello' },
  { what: 'a byte too many', good: 'drops the connection', bytes: `${HELLO}x`, first: 'hello' },
  { what: 'a line end that is no CR LF', good: 'drops the connection', bytes: `${HELLO}\n`, first: 'hello' },
  { what: 'nine empty lines', good: 'drops the connection', bytes: HELLO + '\r\n'.repeat(9), first: 'hello' },
  { what: 'an empty line and a byte', good: 'drops the connection', bytes: `${HELLO}\r\nx`, first: 'hello' },
  {
    what: 'an empty line and a response',
    good: 'drops the connection',
    bytes: `${HELLO}\r\n${EVIL}`,
    first: 'hello',
  },
  {
    what: 'a response after a chunked response',
    good: 'drops the connection',
    bytes: `${OK}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n${EVIL}`,
    first: 'hello',
  },
  {
    what: 'an interim response after a response',
    good: 'drops the connection',
    bytes: `${HELLO}HTTP/1.1 100 Continue\r\n\r\n`,
    first: 'hello',
  },
  {
    what: 'a body that answers HEAD',
    good: 'does not use it as a response',
    bytes: `${OK}content-length: ${EVIL.length}\r\n\r\n${EVIL}`,
    request: head,
    first: '',
  },
  {
    what: 'a chunked body that answers HEAD',
    good: 'does not use it as a response',
    bytes: `${OK}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    request: head,
    first: '',
  },
  {
    what: 'a body with 204',
    good: 'does not use it as a response',
    bytes: `HTTP/1.1 204 No\r\ncontent-length: ${EVIL.length}\r\n\r\n${EVIL}`,
    first: '204 ',
  },
  {
    what: 'a body with 304',
    good: 'does not use it as a response',
    bytes: `HTTP/1.1 304 No\r\ncontent-length: ${EVIL.length}\r\n\r\n${EVIL}`,
    first: '304 ',
  },
  {
    what: 'a chunked body with 204',
    good: 'does not use it as a response',
    bytes: 'HTTP/1.1 204 No\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    first: '204 ',
  },
  {
    what: '101 without an upgrade request',
    good: 'refuses',
    bytes: `HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: evil\r\n\r\n${EVIL}`,
    first: 'HPE_INVALID_UPGRADE',
  },
  {
    what: '101 for a HEAD',
    good: 'refuses',
    bytes: `HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: evil\r\n\r\n${EVIL}`,
    request: head,
    first: 'HPE_INVALID_UPGRADE',
  },
  {
    what: 'a response with connection: close, then another response',
    good: 'closes',
    bytes: `${OK}connection: close\r\ncontent-length: 5\r\n\r\nhello${EVIL}`,
    first: 'hello',
  },
]

/** A connector whose socket does not read into the shared buffer, as in tunnels. */
function overDuplex(options: { hostname: string; port: string }, callback: (error: null, socket: never) => void): void {
  import('node:net').then(({ connect }) => {
    const socket = connect(Number(options.port), options.hostname, () => {
      const duplex = Duplex.from({ readable: socket, writable: socket })
      duplex.on('close', () => socket.destroy())
      callback(null, duplex as never)
    })
  })
}

for (const parser of PARSERS) {
  t.test(`discards bytes that no request expects, ${parser}`, (t) =>
    each(t, poisons, async (t, { bytes, first, request = get }) => {
      for (const connect of [undefined, overDuplex]) {
        const options = { parser, ...(connect === undefined ? {} : { connect }) }
        const result = await deceived(bytes, { options: options as never, requests: [request, get] })
        t.strictSame(result, { outcomes: [first, 'mine'], connections: 2 })
      }
    }),
  )

  t.test(`an unexpected response answers no pipelined request, ${parser}`, async (t) => {
    const origin = await rawOrigin((socket, connection) =>
      onRequests(socket, (request) => {
        const path = request.split(' ')[1] as string
        // Sent before the other requests are written: everything arrives in the same event-loop turn.
        socket.write(connection === 0 && path === '/0' ? HELLO + EVIL + EVIL : response(path))
      }),
    )
    const client = new Client(origin.url, { pipelining: 3, parser })
    const first = await outcome(client, { path: '/0', method: 'GET' })
    const rest = await Promise.all(['/1', '/2'].map((path) => outcome(client, { path, method: 'GET' })))
    t.strictSame([first, ...rest], ['hello', '/1', '/2'])
    await client.destroy()
    await origin.close()
  })
}

t.test('the response of an aborted request answers no other request', async (t) => {
  let held: Socket | null = null
  const origin = await rawOrigin((socket, connection) =>
    onRequests(socket, () => {
      if (connection === 0) held = socket
      else socket.write(response('mine'))
    }),
  )
  const client = new Client(origin.url)
  const aborter = new AbortController()
  const given = outcome(client, { path: '/', method: 'GET', signal: aborter.signal })
  await event(client, 'connect')
  while (held === null) await new Promise(setImmediate)
  aborter.abort()
  t.equal(await given, 'AbortError')
  const next = outcome(client)
  ;(held as Socket).write(EVIL)
  t.equal(await next, 'mine')
  await client.destroy()
  await origin.close()
})

t.test('README.md has the number of these attacks', counted)
