import { PassThrough } from 'node:stream'
import t from 'tap'
import { Client } from '../../lib/index.js'
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
