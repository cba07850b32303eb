import { PassThrough } from 'node:stream'
import t from 'tap'
import { Client, Dispatcher, interceptors, Pool } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

async function server() {
  return httpOrigin((request, response) => {
    if (request.url !== '/never') response.end('hello')
  })
}

/** Runs `code`, and returns what was thrown where nothing catches it. */
async function uncaughtIn(code: () => Promise<void>): Promise<unknown[]> {
  const thrown: unknown[] = []
  const listeners = process.listeners('uncaughtException')
  const note = (error: unknown) => void thrown.push(error)
  process.removeAllListeners('uncaughtException').on('uncaughtException', note)
  try {
    await code()
    await new Promise(setImmediate)
  } finally {
    process.off('uncaughtException', note)
    for (const listener of listeners) process.on('uncaughtException', listener)
  }
  return thrown
}

const signals: Record<string, () => object> = {
  'has no removeListener': () => ({ on() {} }),
  'throws in removeListener': () => ({
    on() {},
    removeListener() {
      throw new Error('removal')
    },
  }),
  'has no removeEventListener': () => ({ addEventListener() {}, aborted: false }),
}

for (const [name, create] of Object.entries(signals)) {
  t.test(`a request with a signal that ${name} completes or fails, and the exception is reported`, async (t) => {
    const origin = await server()
    const client = new Client(origin.url)
    const options = (path: string) => ({ path, method: 'GET' as const, signal: create() as AbortSignal })
    const sink = () => new PassThrough().resume()
    const thrown = await uncaughtIn(async () => {
      const { body } = await client.request(options('/'))
      t.equal(await body.text(), 'hello')
      await client.stream(options('/'), sink)
      const failed = [
        client.request(options('not a path')),
        client.stream(options('not a path'), sink),
        client.request(options('/never')),
        client.stream(options('/never'), sink),
        client.upgrade(options('/never')),
        new Promise((_resolve, reject) => {
          client
            .pipeline(options('/never'), ({ body }) => body)
            .on('error', reject)
            .end()
        }),
      ].map((promise) => t.rejects(promise))
      await client.destroy()
      await Promise.all(failed)
    })
    t.ok(thrown.length > 0)
    for (const error of thrown) t.ok(error instanceof TypeError || (error as Error).message === 'removal')
    await origin.close()
  })
}

for (const missing of ['write', 'end', 'on']) {
  t.test(`stream: a factory that returns an object without ${missing}() fails the request`, async (t) => {
    const origin = await server()
    const client = new Client(origin.url)
    const returned = { write() {}, end() {}, on() {}, [missing]: undefined }
    await t.rejects(
      client.stream({ path: '/', method: 'GET' }, () => returned as never),
      { code: 'UND_ERR_INVALID_RETURN_VALUE', message: 'factory must return a Writable' },
    )
    await client.close()
    await origin.close()
  })
}

/** A dispatcher of another library, whose controller does not report an abort. */
class Silent extends Dispatcher {
  override dispatch(_options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const controller = { abort() {}, pause() {}, resume() {}, aborted: false, paused: false, reason: null }
    handler.onRequestStart?.(controller as never, {})
    return true
  }
}

for (const method of ['request', 'connect', 'upgrade', 'stream'] as const) {
  t.test(`${method}: a signal ends it although the controller of another library reports nothing`, async (t) => {
    const abort = new AbortController()
    const reason = new Error('mine')
    const options = { origin: 'http://example.test', path: '/', method: 'GET' as const, signal: abort.signal }
    const dispatcher = new Silent()
    const pending =
      method === 'stream'
        ? dispatcher.stream(options, () => new PassThrough())
        : (dispatcher[method] as Dispatcher['request'])(options as never)
    const rejected = t.rejects(pending, reason)
    abort.abort(reason)
    await rejected
  })

  for (const name of ['opaque', 'path', 'headers', 'signal']) {
    t.test(`${method}: a getter of the option ${name} that throws is reported to the callback`, async (t) => {
      const origin = await server()
      const client = new Client(origin.url)
      const get = () => {
        throw new Error('read')
      }
      const options = Object.defineProperty({ path: '/', method: 'GET' }, name, { get, enumerable: true }) as never
      const [error] = await new Promise<unknown[]>((resolve) => {
        const callback = (...values: unknown[]) => resolve(values)
        if (method === 'stream') client.stream(options, () => new PassThrough(), callback)
        else (client[method] as Client['request'])(options, callback)
      })
      t.match(error, { message: 'read' })
      await client.close()
      await origin.close()
    })
  }
}

t.test('the error of a refused upgrade has the context of the request', async (t) => {
  const origin = await server()
  const known = { code: 'UND_ERR_SOCKET', method: 'GET', path: '/chat', phase: 'body' }
  const client = new Client(origin.url)
  await t.rejects(client.upgrade({ path: '/chat' }), known)
  const pool = new Pool(origin.url).compose(interceptors.retry(), interceptors.redirect())
  await t.rejects(pool.upgrade({ origin: origin.url, path: '/chat' }), { ...known, origin: origin.url })
  await Promise.all([client.close(), pool.close()])
  await origin.close()
})
