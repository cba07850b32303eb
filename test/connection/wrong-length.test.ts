import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import { Agent, BalancedPool, Client, type Dispatcher, Pool, RoundRobinPool } from '../../lib/index.js'
import { rawOrigin, response } from '../servers/origin.js'

const SMUGGLED = ['GET /a', 'b HTTP/1.1\r\nhost: x\r\n\r\n']
const LENGTH = 6
const turn = () => new Promise(setImmediate)

/** Waits long enough for a server to respond to a request that it considers complete. */
async function* later(...pieces: (string | Error)[]) {
  for (const piece of pieces) {
    if (piece instanceof Error) throw piece
    yield piece
    for (let i = 0; i < 20; i++) await turn()
  }
}

function passThrough(...pieces: (string | Error)[]): PassThrough {
  const stream = new PassThrough()
  const fill = async () => {
    try {
      for await (const piece of later(...pieces)) stream.write(piece)
      stream.end()
    } catch (error) {
      stream.destroy(error as Error)
    }
  }
  void fill()
  return stream
}

const sources: Record<string, (...pieces: (string | Error)[]) => unknown> = {
  'async generator': later,
  Readable: (...pieces) => Readable.from(later(...pieces)),
  PassThrough: passThrough,
  'web stream': (...pieces) => Readable.toWeb(Readable.from(later(...pieces))),
  Blob: (...pieces) => ({ [Symbol.toStringTag]: 'Blob', size: LENGTH, type: '', stream: () => later(...pieces) }),
  'pieces of one byte': (...pieces) =>
    later(...pieces.flatMap((piece): (string | Error)[] => (typeof piece === 'string' ? [...piece] : [piece]))),
}

const dispatchers: Record<string, (url: string, loose: object) => Dispatcher> = {
  Client: (url, loose) => new Client(url, loose),
  Pool: (url, loose) => new Pool(url, loose),
  RoundRobinPool: (url, loose) => new RoundRobinPool(url, { ...loose, connections: 1 }),
  BalancedPool: (url, loose) => new BalancedPool(url, loose),
  Agent: (_url, loose) => new Agent(loose),
}

/** Responds to each request as soon as it is complete by its `content-length`. */
async function eager() {
  const requests: string[] = []
  const origin = await rawOrigin((socket) => {
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      for (;;) {
        const head = text.slice(0, text.indexOf('\r\n\r\n') + 4)
        const end = head.length + Number(/content-length: (\d+)/.exec(head)?.[1] ?? 0)
        if (head === '' || text.length < end) return
        requests.push(`${head.split(' ', 2).join(' ')} ${text.slice(head.length, end)}`)
        text = text.slice(end)
        socket.write(response('ok'))
      }
    })
  })
  return { requests, origin }
}

const headers = { 'content-length': String(LENGTH) }

for (const [name, make] of Object.entries(dispatchers)) {
  t.test(`${name} sends no complete request when a body is longer than its content-length, or fails`, async (t) => {
    const { requests, origin } = await eager()
    const dispatcher = make(origin.url, {})
    const get = { origin: origin.url, path: '/next', method: 'GET' as const }
    for (const [kind, source] of Object.entries(sources)) {
      for (const last of [SMUGGLED[1] as string, new Error('the source failed')]) {
        const body = source(SMUGGLED[0] as string, last) as Readable
        const code = typeof last === 'string' ? { code: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH' } : last
        await t.rejects(
          dispatcher.request({ ...get, path: '/', method: 'POST', headers, body }),
          code,
          `${kind}: ${last}`,
        )
        t.equal(await (await dispatcher.request(get)).body.text(), 'ok')
        t.same(requests.splice(0), ['GET /next '], `${kind}: ${last}`)
      }
      const exact = source('abc', 'def') as Readable
      const { body } = await dispatcher.request({ ...get, path: '/', method: 'POST', headers, body: exact })
      t.equal(await body.text(), 'ok')
      t.same(requests.splice(0), ['POST / abcdef'], `${kind} of the right length`)
    }
    await dispatcher.close()
    await origin.close()
  })

  t.test(`${name} without strictContentLength sends content-length bytes and closes the connection`, async (t) => {
    const { requests, origin } = await eager()
    const dispatcher = make(origin.url, { strictContentLength: false })
    const get = { origin: origin.url, path: '/next', method: 'GET' as const }
    for (const [kind, source] of Object.entries(sources)) {
      const before = origin.connections
      const body = source(...SMUGGLED) as Readable
      const answer = await dispatcher.request({ ...get, path: '/', method: 'POST', headers, body })
      t.equal(await answer.body.text(), 'ok')
      t.equal(await (await dispatcher.request(get)).body.text(), 'ok')
      t.same(requests.splice(0), ['POST / GET /a', 'GET /next '], kind)
      t.ok(origin.connections > before, `${kind}: another connection`)
    }
    await dispatcher.close()
    await origin.close()
  })
}

t.test('warns of a stream with the wrong length without strictContentLength', async (t) => {
  const { origin } = await eager()
  const warnings = t.capture(process, 'emitWarning')
  const client = new Client(origin.url, { strictContentLength: false })
  const body = [...SMUGGLED]
  await (await client.request({ path: '/', method: 'POST', headers, body })).body.dump()
  t.match(
    warnings().map(({ args }) => args[0]),
    [{ code: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH' }],
  )
  await client.close()
  await origin.close()
})
