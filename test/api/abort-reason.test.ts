import { once } from 'node:events'
import * as streams from 'node:stream'
import { finished } from 'node:stream/promises'
import t from 'tap'
import { Client, Pool } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

async function server() {
  return httpOrigin((request, response) => {
    if (request.url === '/never') return
    if (request.url === '/part') response.write('part')
    else response.end('{"a":1}')
  })
}

const reasons = { error: new Error('mine'), string: 'user left', zero: 0, object: { a: 1 } }

for (const [kind, reason] of Object.entries(reasons)) {
  t.test(`a reason that is of type ${kind} rejects as it is, whenever the signal fires`, async (t) => {
    const origin = await server()
    const client = new Client(origin.url)
    const rejected = async (path: string, use: (signal: AbortSignal, abort: () => void) => Promise<unknown>) => {
      const controller = new AbortController()
      const outcome = await use(controller.signal, () => controller.abort(reason)).then(
        () => t.fail(`${path} resolved`),
        (error) => error,
      )
      t.equal(outcome, reason, path)
    }
    const get = (path: string, signal: AbortSignal) => client.request({ path, method: 'GET', signal })
    await rejected('/never', (signal, abort) => {
      const pending = get('/never', signal)
      setImmediate(abort)
      return pending
    })
    await rejected('/part text()', async (signal, abort) => {
      const { body } = await get('/part', signal)
      setImmediate(abort)
      return body.text()
    })
    await rejected('/ complete, unread', async (signal, abort) => {
      const { body } = await get('/', signal)
      while (client.stats.running > 0) await new Promise(setImmediate)
      abort()
      return body.text()
    })
    await rejected('/part stream()', (signal, abort) => {
      const sink = new streams.Writable({ write: (_chunk, _encoding, done) => done() })
      return client.stream({ path: '/part', method: 'GET', signal }, () => {
        setImmediate(abort)
        return sink
      })
    })
    await client.destroy()
    await origin.close()
  })
}

t.test('for await and pipeline() fail with the abort reason unchanged', async (t) => {
  const origin = await server()
  const pool = new Pool(origin.url)
  const abort = new AbortController()
  const { body } = await pool.request({ path: '/part', method: 'GET', signal: abort.signal })
  const read = (async () => {
    for await (const _ of body) abort.abort('user left')
  })()
  t.equal(await read.catch((error) => error), 'user left')
  const second = new AbortController()
  const duplex = pool.pipeline({ path: '/part', method: 'GET', signal: second.signal }, ({ body }) => body)
  duplex.once('data', () => second.abort('user left')).end()
  t.equal((await once(duplex, 'error').catch((error) => [error]))[0], 'user left')
  await pool.destroy()
  await origin.close()
})

for (const take of ['text', 'json', 'arrayBuffer', 'bytes', 'blob', 'dump'] as const) {
  t.test(`a body read by ${take}() is an ended, closed and disturbed stream`, async (t) => {
    const origin = await server()
    const client = new Client(origin.url)
    const { body } = await client.request({ path: '/', method: 'GET' })
    await body[take]()
    t.ok((streams as unknown as { isDisturbed(stream: object): boolean }).isDisturbed(body))
    t.ok(body.readableDidRead)
    t.ok(body.readableEnded)
    await finished(body)
    t.ok(body.closed)
    const { body: other } = await client.request({ path: '/', method: 'GET' })
    await other[take]()
    await once(other, 'close')
    const { body: iterated } = await client.request({ path: '/', method: 'GET' })
    await iterated[take]()
    for await (const _ of iterated) t.fail('nothing is left to read')
    await client.close()
    await origin.close()
  })
}

t.test('an abort reason shared by requests is not modified, whatever its class', async (t) => {
  const origin = await server()
  const pool = new Pool(origin.url)
  class Stop extends Error {
    code = 'E_STOP'
    get path(): undefined {
      return undefined
    }
  }
  for (const reason of [
    new Stop('stop'),
    Object.freeze(new Error('frozen')),
    Object.assign(new Error(), { code: 'E' }),
  ]) {
    const keys = Object.keys(reason)
    const abort = new AbortController()
    const both = ['/never', '/part'].map((path) =>
      pool.request({ path, method: 'GET', signal: abort.signal }).then(
        ({ body }) => body.text().catch((error) => error),
        (error) => error,
      ),
    )
    setImmediate(() => abort.abort(reason))
    t.strictSame(await Promise.all(both), [reason, reason])
    t.strictSame(Object.keys(reason), keys)
  }
  await pool.close()
  await origin.close()
})
