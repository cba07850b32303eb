import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import { Agent, BalancedPool, Client, type Dispatcher, Pool, RoundRobinPool } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

const failure = () => new Error('the source failed')

async function* later(...pieces: (string | Error)[]) {
  for (const piece of pieces) {
    await new Promise(setImmediate)
    if (piece instanceof Error) throw piece
    yield piece
  }
}

/** Web streams have no `from` on Node 20. */
function webStream(...pieces: (string | Error)[]): ReadableStream {
  return new ReadableStream({
    async pull(controller) {
      await new Promise(setImmediate)
      const piece = pieces.shift()
      if (piece === undefined) controller.close()
      else if (piece instanceof Error) controller.error(piece)
      else controller.enqueue(Buffer.from(piece))
    },
  })
}

/** A user's Blob class that reports a size of 0. */
function blob(...pieces: (string | Error)[]): Blob {
  const fake = { [Symbol.toStringTag]: 'Blob', size: 0, type: '', stream: () => later(...pieces) }
  return fake as unknown as Blob
}

type Make = (...pieces: (string | Error)[]) => unknown
const sources: Record<string, Make> = {
  Readable: (...pieces) => Readable.from(later(...pieces)),
  'async generator': later,
  'web stream': webStream,
  Blob: blob,
}

const dispatchers: Record<string, (url: string) => Dispatcher> = {
  Client: (url) => new Client(url),
  Pool: (url) => new Pool(url),
  RoundRobinPool: (url) => new RoundRobinPool(url),
  BalancedPool: (url) => new BalancedPool(url),
  Agent: () => new Agent(),
  'Pool with a factory': (url) => new Pool(url, { factory: (at) => new Client(at).compose((dispatch) => dispatch) }),
}

async function countingOrigin() {
  const seen: string[] = []
  const origin = await httpOrigin((request, reply) => {
    let content = ''
    request.on('data', (chunk) => (content += chunk))
    request.on('end', () => {
      seen.push(`${request.method} ${content}`)
      reply.end('ok')
    })
  })
  return { ...origin, seen }
}

const headers = { 'content-length': '0' }

for (const [kind, make] of Object.entries(sources)) {
  t.test(`sends no request when content-length is 0 and a ${kind} has content or fails`, async (t) => {
    const { url, seen, close } = await countingOrigin()
    for (const [name, open] of Object.entries(dispatchers)) {
      const dispatcher = open(url)
      for (const method of ['PUT', 'POST', 'DELETE', 'GET', 'HEAD', 'OPTIONS']) {
        for (const expectContinue of [false, true]) {
          const options = { origin: url, path: '/', method, headers, expectContinue }
          const code = 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH'
          await t.rejects(dispatcher.request({ ...options, body: make('', 'content') as never }), { code }, name)
          await t.rejects(dispatcher.request({ ...options, body: make(failure()) as never }), failure(), name)
        }
      }
      await dispatcher.close()
    }
    t.same(seen, [])
    await close()
  })

  t.test(`sends content-length: 0 after a ${kind} has ended empty`, async (t) => {
    const { url, seen, close } = await countingOrigin()
    const client = new Client(url)
    for (const expectContinue of [false, true]) {
      for (const pieces of [[], ['', '']]) {
        const options = { path: '/', method: 'PUT', headers, expectContinue }
        const { body } = await client.request({ ...options, body: make(...pieces) as never })
        t.equal(await body.text(), 'ok')
      }
    }
    t.same(seen, ['PUT ', 'PUT ', 'PUT ', 'PUT '])
    t.equal(client.stats.connected, true)
    await client.close()
    await close()
  })
}

t.test('rejects a non-empty body of known length with content-length: 0, and sends nothing', async (t) => {
  const { url, seen, close } = await countingOrigin()
  const form = new FormData()
  form.set('name', 'value')
  for (const [name, open] of Object.entries(dispatchers)) {
    const dispatcher = open(url)
    for (const body of ['content', Buffer.from('content'), new Blob(['content']), form, new URLSearchParams('a=b')]) {
      const options = { origin: url, path: '/', method: 'PUT', headers, body: body as never }
      await t.rejects(dispatcher.request(options), { code: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH' }, name)
    }
    const duplex = dispatcher.pipeline({ origin: url, path: '/', method: 'PUT', headers }, ({ body }) => body)
    duplex.end('content')
    await t.rejects(once(duplex, 'end'), { code: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH' }, name)
    await dispatcher.close()
  }
  t.same(seen, [])
  await close()
})

t.test('sends nothing when a request with content-length: 0 is aborted before its stream ends', async (t) => {
  const { url, seen, close } = await countingOrigin()
  const client = new Client(url)
  const body = new PassThrough()
  const stop = new AbortController()
  const request = client.request({ path: '/', method: 'PUT', headers, body, signal: stop.signal })
  await once(client, 'connect')
  stop.abort()
  await t.rejects(request, { name: 'AbortError' })
  t.equal(body.destroyed, true)
  const next = await client.request({ path: '/', method: 'GET' })
  t.equal(await next.body.text(), 'ok')
  t.same(seen, ['GET '])
  await client.close()
  await close()
})

t.test('truncates a stream to content-length: 0 without strictContentLength', async (t) => {
  const { url, seen, close } = await countingOrigin()
  const client = new Client(url, { strictContentLength: false })
  const { body } = await client.request({ path: '/', method: 'PUT', headers, body: later('content') })
  t.equal(await body.text(), 'ok')
  t.same(seen, ['PUT '])
  await client.close()
  await close()
})
