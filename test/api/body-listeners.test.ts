import { PassThrough } from 'node:stream'
import t from 'tap'
import { Agent, Client, type Dispatcher, interceptors, Pool } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

const CONTENT = Buffer.from('{"a":"caf\u00e9"}')

/** Sends the content whole, or cut inside of a character once the first part was read; `/broken` breaks off there. */
async function origin() {
  const held: (() => void)[] = []
  const made = await httpOrigin((request, reply) => {
    if (request.url === '/whole') return reply.end(CONTENT)
    reply.write(CONTENT.subarray(0, 10))
    held.push(() => (request.url === '/broken' ? reply.destroy() : reply.end(CONTENT.subarray(10))))
  })
  return { ...made, url: made.url, close: made.close, goOn: () => held.splice(0).forEach((end) => void end()) }
}

type Body = Dispatcher.ResponseData['body']
type Format = 'text' | 'json' | 'bytes' | 'arrayBuffer' | 'blob'

async function plain(body: Body, format: Format): Promise<unknown> {
  const value = await body[format]()
  if (value instanceof Blob) return Buffer.from(await value.arrayBuffer())
  return value instanceof ArrayBuffer || value instanceof Uint8Array ? Buffer.from(value as Uint8Array) : value
}

const expected: [Format, unknown][] = [
  ['text', CONTENT.toString()],
  ['json', { a: 'café' }],
  ['bytes', CONTENT],
  ['arrayBuffer', CONTENT],
  ['blob', CONTENT],
]

const dispatchers: Record<string, (url: string) => Dispatcher> = {
  Client: (url) => new Client(url),
  Pool: (url) => new Pool(url),
  Agent: () => new Agent(),
  'a composed Client': (url) => new Client(url).compose(interceptors.decompress(), interceptors.retry()),
}

for (const [name, make] of Object.entries(dispatchers)) {
  t.test(`listeners receive a body of ${name} that is read whole`, async (t) => {
    const server = await origin()
    const dispatcher = make(server.url)
    for (const path of ['/whole', '/parts']) {
      for (const [format, value] of expected) {
        const { body } = await dispatcher.request({ origin: server.url, path, method: 'GET' })
        let seen = Buffer.alloc(0)
        body.on('data', (piece: Buffer) => {
          seen = Buffer.concat([seen, piece])
          // The memory is the listener's too.
          piece.fill(0)
          server.goOn()
        })
        t.strictSame(await plain(body, format), value, `${path} ${format}`)
        t.strictSame(seen, CONTENT, `${path} ${format}: progress`)
        await t.rejects(body.text(), { name: 'TypeError', message: /already been read/ })
      }
    }
    await dispatcher.close()
    await server.close()
  })
}

t.test('text() and similar methods read a body that flows, is piped or was paused', async (t) => {
  const server = await origin()
  const client = new Client(server.url)
  const starts: Record<string, (body: Body) => unknown> = {
    resume: (body) => body.resume(),
    pipe: (body) => body.pipe(new PassThrough()).resume(),
    'data and pause': (body) => body.on('data', () => {}).pause(),
    'once data': (body) => body.once('data', () => {}),
    'a later turn of the same tick': (body) => body.on('data', () => {}),
  }
  for (const [name, start] of Object.entries(starts)) {
    const { body } = await client.request({ path: '/parts', method: 'GET' })
    body.once('data', () => server.goOn())
    start(body)
    await null
    t.equal(await body.text(), CONTENT.toString(), name)
  }
  const { body } = await client.request({ path: '/whole', method: 'GET' })
  await new Promise((resolve) => body.once('data', resolve))
  await t.rejects(body.text(), { name: 'TypeError', message: /already been read/ }, 'rejects after data was read')
  await client.close()
  await server.close()
})

t.test('text() and similar methods reject when a body with listeners fails or is destroyed', async (t) => {
  const server = await origin()
  const client = new Client(server.url)
  const broken = await client.request({ path: '/broken', method: 'GET' })
  broken.body.on('data', () => server.goOn())
  await t.rejects(broken.body.text(), { code: 'UND_ERR_SOCKET' })
  const reason = new Error('enough')
  for (const path of ['/parts', '/whole']) {
    for (const given of [reason, undefined]) {
      const { body } = await client.request({ path, method: 'GET' })
      body.on('data', () => body.destroy(given))
      body.on('error', () => {})
      await t.rejects(body.text(), given ?? { code: 'UND_ERR_ABORTED' }, `${path} ${given}`)
    }
  }
  const { body } = await client.request({ path: '/parts', method: 'GET' })
  body.on('data', () => {})
  const text = body.text()
  await t.rejects(body.json(), { message: /already been read/ }, 'rejects a second call')
  server.goOn()
  await t.resolveMatch(text, CONTENT.toString())
  await client.destroy()
  await server.close()
})

t.test('text() and json() use the encoding of setEncoding(), and bytes() returns the received bytes', async (t) => {
  const server = await origin()
  const client = new Client(server.url)
  for (const path of ['/whole', '/parts']) {
    for (const listens of [false, true]) {
      for (const encoding of ['latin1', 'hex', 'base64', 'base64url', 'ascii', 'utf16le', 'utf8'] as const) {
        for (const format of ['text', 'bytes', 'blob'] as const) {
          const { body } = await client.request({ path, method: 'GET' })
          body.setEncoding(encoding)
          if (listens) body.on('data', () => {})
          const taken = plain(body, format)
          setImmediate(server.goOn)
          // What a listener gets as text was decoded before it came here.
          const lossy = format !== 'text' && listens && (encoding === 'ascii' || encoding === 'utf16le')
          if (lossy) await taken
          else
            t.strictSame(
              await taken,
              format === 'text' ? CONTENT.toString(encoding) : CONTENT,
              `${path} ${encoding} ${format}`,
            )
        }
      }
      const { body } = await client.request({ path, method: 'GET' })
      body.setEncoding('latin1')
      if (listens) body.on('data', () => {})
      const taken = body.json()
      setImmediate(server.goOn)
      t.strictSame(await taken, { a: 'cafÃ©' })
    }
  }
  await client.close()
  await server.close()
})
