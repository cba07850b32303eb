import type { Socket } from 'node:net'
import t from 'tap'
import { Client } from '../../lib/index.js'
import { onRequests, rawOrigin, response } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'
import { type Attack, counted, each, PARSERS } from './catalogue.js'
import { deceived, get } from './requests-to-attacker.js'

/** A response that never ends, fast or slow, to consume memory, time or a connection. */
interface EndlessResponse extends Attack {
  start: string
  /** Bytes to send repeatedly: without a pause, or every `every` ms. */
  piece: string
  every?: number
  options?: Omit<Client.Options, 'parser'>
  first: string
}

const OK = 'HTTP/1.1 200 OK\r\n'
const CHUNKED = `${OK}transfer-encoding: chunked\r\n\r\n`
const OVERFLOW = 'UND_ERR_HEADERS_OVERFLOW'
const OVERHEAD = 'HPE_CHUNK_EXTENSIONS_OVERFLOW'
const soon = { headersTimeout: 100, bodyTimeout: 100 }

const floods: EndlessResponse[] = [
  {
    what: 'interim responses',
    good: 'stops after a limit',
    start: '',
    piece: 'HTTP/1.1 103 Hints\r\n\r\n',
    first: 'HPE_TOO_MANY_INFORMATIONAL',
  },
  {
    what: '100 Continue',
    good: 'stops after a limit',
    start: '',
    piece: 'HTTP/1.1 100 Continue\r\n\r\n',
    first: 'HPE_TOO_MANY_INFORMATIONAL',
  },
  { what: 'fields', good: 'stops at maxHeaderSize', start: OK, piece: 'x: y\r\n', first: OVERFLOW },
  {
    what: 'headers of an interim response',
    good: 'stops at maxHeaderSize',
    start: 'HTTP/1.1 103 Hints\r\n',
    piece: 'x: y\r\n',
    first: OVERFLOW,
  },
  {
    what: 'headers without a value, maxHeaderSize raised',
    good: 'stops at 2000 headers',
    start: OK,
    piece: 'x:\r\n',
    options: { maxHeaderSize: 1e9 },
    first: OVERFLOW,
  },
  { what: 'a name', good: 'stops at maxHeaderSize', start: OK, piece: 'x'.repeat(100), first: OVERFLOW },
  { what: 'a value', good: 'stops at maxHeaderSize', start: `${OK}x: `, piece: 'y'.repeat(100), first: OVERFLOW },
  {
    what: 'white space before a value',
    good: 'stops at maxHeaderSize',
    start: `${OK}x:`,
    piece: ' '.repeat(100),
    first: OVERFLOW,
  },
  { what: 'a reason', good: 'stops at maxHeaderSize', start: 'HTTP/1.1 200 ', piece: 'y'.repeat(100), first: OVERFLOW },
  {
    what: 'digits of a content-length',
    good: 'refuses',
    start: `${OK}content-length: 1`,
    piece: '0'.repeat(100),
    first: 'HPE_INVALID_CONTENT_LENGTH',
  },
  { what: 'empty lines', good: 'refuses', start: '', piece: '\r\n', first: 'HPE_INVALID_CONSTANT' },
  { what: 'a chunk extension', good: 'stops', start: `${CHUNKED}5;`, piece: 'a'.repeat(100), first: OVERHEAD },
  {
    what: 'a quoted chunk extension',
    good: 'stops',
    start: `${CHUNKED}5;a="`,
    piece: 'a'.repeat(100),
    first: OVERHEAD,
  },
  { what: 'chunk extensions', good: 'stops', start: `${CHUNKED}5`, piece: ';a=b', first: OVERHEAD },
  { what: 'zeros of a chunk size', good: 'stops', start: CHUNKED, piece: '0'.repeat(100), first: OVERHEAD },
  { what: 'trailers', good: 'stops', start: `${CHUNKED}0\r\n`, piece: 'x: y\r\n', first: OVERFLOW },
  { what: 'a trailer', good: 'stops', start: `${CHUNKED}0\r\nx: `, piece: 'y'.repeat(100), first: OVERFLOW },
  {
    what: 'a body until the connection closes',
    good: 'stops at maxResponseSize',
    start: `${OK}\r\n`,
    piece: 'x'.repeat(1000),
    options: { maxResponseSize: 1e5 },
    first: 'UND_ERR_RES_EXCEEDED_MAX_SIZE',
  },
  {
    what: 'a body in chunks',
    good: 'stops at maxResponseSize',
    start: CHUNKED,
    piece: '1\r\nx\r\n'.repeat(1000),
    options: { maxResponseSize: 1e5 },
    first: 'UND_ERR_RES_EXCEEDED_MAX_SIZE',
  },
  {
    what: 'a body of nine petabytes',
    good: 'stops at maxResponseSize',
    start: `${OK}content-length: 9007199254740991\r\n\r\n`,
    piece: 'x'.repeat(1000),
    options: { maxResponseSize: 1e5 },
    first: 'UND_ERR_RES_EXCEEDED_MAX_SIZE',
  },
]

const drips: EndlessResponse[] = [
  { what: 'nothing', good: 'waits for headersTimeout', start: '', piece: '', first: 'UND_ERR_HEADERS_TIMEOUT' },
  {
    what: 'headers byte by byte',
    good: 'applies headersTimeout to all headers',
    start: 'HTTP/1.1 200 ',
    piece: 'x',
    first: 'UND_ERR_HEADERS_TIMEOUT',
  },
  {
    what: 'headers field by field',
    good: 'applies headersTimeout to all headers',
    start: OK,
    piece: 'x: y\r\n',
    first: 'UND_ERR_HEADERS_TIMEOUT',
  },
  {
    what: 'an interim response from time to time',
    good: 'counts them in the limit',
    start: '',
    piece: 'HTTP/1.1 103 Hints\r\n\r\n',
    first: 'UND_ERR_HEADERS_TIMEOUT',
  },
  {
    what: 'headers without a body',
    good: 'waits for bodyTimeout',
    start: `${OK}content-length: 5\r\n\r\n`,
    piece: '',
    first: 'UND_ERR_BODY_TIMEOUT',
  },
  {
    what: 'a chunk extension byte by byte',
    good: 'does not count it as body data',
    start: `${CHUNKED}5;`,
    piece: 'a',
    first: 'UND_ERR_BODY_TIMEOUT',
  },
  {
    what: 'zeros of a chunk size',
    good: 'does not count them as body data',
    start: CHUNKED,
    piece: '0',
    first: 'UND_ERR_BODY_TIMEOUT',
  },
  {
    what: 'trailers byte by byte',
    good: 'does not count them as body data',
    start: `${CHUNKED}0\r\nx: `,
    piece: 'y',
    first: 'UND_ERR_BODY_TIMEOUT',
  },
  {
    what: 'half of a body',
    good: 'waits for bodyTimeout',
    start: `${OK}content-length: 5\r\n\r\nhe`,
    piece: '',
    first: 'UND_ERR_BODY_TIMEOUT',
  },
].map((drip) => ({ ...drip, every: 3, options: soon }))

function flood(socket: Socket, { start, piece, every }: EndlessResponse): void {
  if (start !== '') socket.write(start)
  if (every !== undefined) {
    const timer = setInterval(() => piece !== '' && socket.write(piece), every)
    return void socket.on('close', () => clearInterval(timer))
  }
  const pieces = piece.repeat(Math.ceil(20_000 / piece.length))
  const more = () => {
    while (!socket.destroyed && socket.write(pieces));
  }
  socket.on('drain', more)
  more()
}

for (const parser of PARSERS) {
  t.test(`limits endless responses, ${parser}`, (t) =>
    each(t, [...floods, ...drips], async (t, attack) => {
      const { outcomes, connections } = await deceived((socket) => flood(socket, attack), {
        options: { parser, ...attack.options },
      })
      t.strictSame({ outcomes, connections }, { outcomes: [attack.first, 'mine'], connections: 2 })
    }),
  )

  t.test(`delivers 100 000 chunks of one byte in few callbacks, ${parser}`, async (t) => {
    const origin = await rawOrigin((socket) =>
      onRequests(socket, () => socket.end(`${CHUNKED}${'1\r\nx\r\n'.repeat(100_000)}0\r\n\r\n`)),
    )
    const client = new Client(origin.url, { parser })
    const recorder = new Recorder()
    client.dispatch(get, recorder)
    await recorder.ended
    t.equal(recorder.body.length, 100_000)
    t.ok(recorder.chunks.length < 1000, `${recorder.chunks.length} pieces`)
    await client.destroy()
    await origin.close()
  })

  t.test(`300 stalled servers do not delay other requests, ${parser}`, async (t) => {
    const stops = [OK, `${OK}content-length: 9\r\n\r\nhalf`, `${CHUNKED}5;a`, `${CHUNKED}5\r\nhalf`, '']
    const origin = await rawOrigin((socket, index) =>
      onRequests(socket, (head) => {
        if (head.startsWith('GET /good')) socket.write(response('mine'))
        else socket.write(stops[index % stops.length] as string)
      }),
    )
    const stuck = Array.from({ length: 300 }, () => new Client(origin.url, { parser }))
    const recorders = stuck.map((client) => {
      const recorder = new Recorder()
      client.dispatch(get, recorder)
      return recorder
    })
    const client = new Client(origin.url, { parser })
    for (let i = 0; i < 3; i++) {
      t.equal(await (await client.request({ path: '/good', method: 'GET' })).body.text(), 'mine')
    }
    t.ok(recorders.every(({ error }) => error === null))
    await Promise.all([client, ...stuck].map((one) => one.destroy()))
    t.ok(recorders.every(({ error }) => error?.code === 'UND_ERR_DESTROYED'))
    await origin.close()
  })
}

t.test('README.md has the number of these attacks', counted)
