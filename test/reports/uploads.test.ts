import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { response } from '../servers/origin.js'
import { failureOf, KEEPING, report } from './scene.js'

/** Responds with the received request once it matches `end`. */
function echo(end: RegExp) {
  return (socket: Socket, head: string, _index: number, rest: string) => {
    let body = ''
    const take = (chunk: Buffer | string) => {
      body += chunk
      if (!end.test(body)) return
      socket.off('data', take)
      socket.write(response(`${head}${body}`))
    }
    socket.on('data', take)
    take(rest)
  }
}

const behind = (text: string) => text.slice(text.indexOf('\r\n\r\n') + 4)
const ways = ['request', 'stream', 'dispatch', 'fetch']

report(
  'sends a string with its length in bytes',
  { onRequest: echo(/$/), ways: ['request', 'stream', 'dispatch'] },
  async (t, { ask, name }) => {
    const { text } = await ask({ method: 'POST', body: 'caf\xe9' })
    t.match(text, /content-length: 5\r\n/i, name)
  },
)

report('a POST without body sends content-length: 0', { onRequest: echo(/$/), ways }, async (t, { ask, name }) => {
  t.match((await ask({ method: 'POST' })).text, /content-length: 0\r\n/i, name)
})

report('sends a Readable completely, chunked', { onRequest: echo(/\r\n0\r\n\r\n$/) }, async (t, { ask, name }) => {
  const { text } = await ask({ method: 'POST', body: Readable.from(['xx', 'yyy', 'zzzzzz']) })
  t.match(text, /transfer-encoding: chunked/i, name)
  t.equal(behind(text).replace(/[0-9a-f]+\r\n|\r\n/g, ''), 'xxyyyzzzzzz', name)
})

report(
  'sends a Readable of known length with content-length',
  { onRequest: echo(/zzzzzz$/), ways: ['request', 'stream', 'dispatch'] },
  async (t, { ask, name }) => {
    const headers = { 'content-length': '11' }
    const { text } = await ask({ method: 'PUT', headers, body: Readable.from(['xx', 'yyy', 'zzzzzz']) })
    t.equal(behind(text), 'xxyyyzzzzzz', name)
    t.notMatch(text, /transfer-encoding/i, name)
  },
)

report(
  'sends an async generator completely, and closes it when the request fails',
  { onRequest: (socket) => socket.destroy(), ways: ['request', 'stream', 'dispatch'] },
  async (t, { ask, name }) => {
    let ended = false
    async function* pieces() {
      try {
        for (;;) {
          yield 'piece'
          await new Promise(setImmediate)
        }
      } finally {
        ended = true
      }
    }
    await failureOf(ask({ method: 'POST', body: pieces() }))
    while (!ended) await new Promise(setImmediate)
    t.ok(ended, name)
  },
)

report(
  'a stream error fails its request with the same error, and the next request succeeds',
  {
    onRequest: (socket, head) => head.startsWith('GET') && socket.write(response('ok')),
    ways: ['request', 'stream', 'dispatch'],
  },
  async (t, { ask, name }) => {
    const body = new Readable({ read() {} })
    body.push('some')
    const failed = failureOf(ask({ method: 'POST', body }))
    setImmediate(() => body.destroy(new Error('disk is gone')))
    t.equal((await failed).message, 'disk is gone', name)
    t.equal((await ask()).text, 'ok', name)
  },
)

report(
  'rejects a stream that was sent before',
  { onRequest: echo(/\r\n0\r\n\r\n$/), ways: ['request', 'stream', 'dispatch'] },
  async (t, { ask, name }) => {
    const body = Readable.from(['once'])
    await ask({ method: 'POST', body })
    t.equal((await failureOf(ask({ method: 'POST', body }))).code, 'UND_ERR_INVALID_ARG', name)
  },
)

report(
  'rejects a body shorter or longer than its content-length',
  { onRequest: echo(/$/), ways: ['request', 'stream', 'dispatch'] },
  async (t, { ask, name }) => {
    for (const length of ['2', '9']) {
      const response = ask({ method: 'POST', headers: { 'content-length': length }, body: 'four' })
      t.equal((await failureOf(response)).code, 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH', name)
    }
    t.ok((await ask()).text, name)
  },
)

report('sends bytes, views, Blobs and URLSearchParams', { onRequest: echo(/a=1$/), ways }, async (t, { ask, name }) => {
  const bytes = new TextEncoder().encode('a=1')
  const bodies = [bytes, bytes.buffer, new DataView(bytes.buffer), new Blob(['a', '=1']), new URLSearchParams('a=1')]
  for (const body of bodies) t.equal(behind((await ask({ method: 'POST', body })).text), 'a=1', name)
})

report(
  'sends FormData as multipart with its boundary',
  { onRequest: echo(/--\r\n$/), ways },
  async (t, { ask, name }) => {
    const body = new FormData()
    body.append('field', 'value')
    body.append('file', new Blob(['content'], { type: 'text/plain' }), 'a.txt')
    const { text } = await ask({ method: 'POST', body })
    const boundary = /boundary=(\S+)/.exec(text)?.[1] as string
    t.ok(behind(text).endsWith(`--${boundary}--\r\n`), name)
    t.match(text, /name="field"\r\n\r\nvalue\r\n/, name)
    t.match(text, /filename="a\.txt"\r\ncontent-type: text\/plain\r\n\r\ncontent/i, name)
  },
)

report(
  'sends an upload larger than the socket buffer completely',
  {
    onRequest(socket, head, _index, rest) {
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1])
      let received = rest.length
      socket.on('data', (chunk) => {
        received += chunk.length
        if (received === length) socket.write(response(String(received)))
      })
    },
    ways: ['request', 'dispatch'],
    dispatchers: ['Client', 'Agent'],
  },
  async (t, { ask, name }) => {
    t.equal((await ask({ method: 'PUT', body: Buffer.alloc(3_000_000, 'x') })).text, '3000000', name)
  },
)

report(
  'rejects invalid header values before anything is sent',
  { onRequest: (socket) => socket.write(response('ok')), ways: ['request', 'stream', 'pipeline', 'dispatch'] },
  async (t, { ask, name, origin }) => {
    for (const headers of [{ a: 'x\r\nevil: 1' }, { 'a b': 'x' }, { a: 'x\0' }] as Record<string, string>[]) {
      t.equal((await failureOf(ask({ headers }))).code, 'UND_ERR_INVALID_ARG', name)
    }
    t.equal((await failureOf(ask({ path: '/a b' }))).code, 'UND_ERR_INVALID_ARG', name)
    t.equal((await failureOf(ask({ method: 'GE T' }))).code, 'UND_ERR_INVALID_ARG', name)
    t.equal((await ask()).text, 'ok', name)
    t.equal(origin.connections, 1, name)
  },
)

report(
  'sends a host header of the caller instead of the default',
  // Over TLS the certificate must be valid for that name.
  { onRequest: echo(/$/), ways: ['request', 'dispatch'], plain: true },
  async (t, { ask, name }) => {
    const { text } = await ask({ headers: { host: 'other.test' } })
    t.strictSame(text.match(/^host: .*$/gim), ['host: other.test'], name)
  },
)

report(
  'the same body can be sent a hundred times on one connection',
  { onRequest: echo(/four$/), ways: ['request', 'dispatch'], dispatchers: ['Client', 'Pool'] },
  async (t, { ask, name, origin }) => {
    for (let round = 0; round < 100; round++) await ask({ method: 'POST', body: 'four' })
    t.equal(origin.connections, 1, name)
    t.ok(KEEPING.includes(name.split(' ')[0] as string))
  },
)
