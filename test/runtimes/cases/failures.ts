import assert from 'node:assert/strict'
import { Client, errors } from 'sluice'
import type { Case, World } from '../servers.js'

type Options = NonNullable<ConstructorParameters<typeof Client>[1]>

function using(use: (client: Client, world: World) => Promise<void>, options: Options = {}): Case {
  return async (world) => {
    const client = new Client(world.http, options)
    try {
      await use(client, world)
      // The next request must succeed.
      const { body } = await client.request({ path: '/hello', method: 'GET', headersTimeout: 0 })
      assert.equal(await body.text(), 'hello')
    } finally {
      await client.destroy()
    }
  }
}

const get = async (client: Client, path: string, options: object = {}) => {
  const { body } = await client.request({ path, method: 'GET', ...options })
  return body.text()
}

const failing: Record<string, Case> = {
  'connection refused': async ({ refused }) => {
    const client = new Client(refused)
    await assert.rejects(get(client, '/'), { code: 'ECONNREFUSED' })
    await client.close()
  },
  'connection refused, over TLS': async ({ refused }) => {
    for (const servername of ['', 'origin.example']) {
      const client = new Client(refused.replace('http:', 'https:'), { connect: { servername } })
      await assert.rejects(get(client, '/'))
      await client.close()
    }
  },
  'connection lost within the body': using((client) =>
    assert.rejects(get(client, '/cut'), { code: 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' }),
  ),
  'connection closed without a response': using((client) =>
    assert.rejects(get(client, '/drop'), { code: 'UND_ERR_SOCKET' }),
  ),
  'a response that is not HTTP': using((client) => assert.rejects(get(client, '/malformed'), errors.HTTPParserError)),
  'conflicting framing headers': using((client) => assert.rejects(get(client, '/smuggle'), errors.HTTPParserError)),
  headersTimeout: using((client) =>
    assert.rejects(get(client, '/hang', { headersTimeout: 50 }), { code: 'UND_ERR_HEADERS_TIMEOUT' }),
  ),
  bodyTimeout: using((client) =>
    assert.rejects(get(client, '/hang-body', { bodyTimeout: 50 }), { code: 'UND_ERR_BODY_TIMEOUT' }),
  ),
  'invalid arguments': using(async (client) => {
    await assert.rejects(get(client, '/\r\nx: y'), errors.InvalidArgumentError)
    assert.throws(() => new Client('ftp://host'), errors.InvalidArgumentError)
  }),
}

const abort: Record<string, Case> = {
  before: using((client) => assert.rejects(get(client, '/hello', { signal: AbortSignal.abort() }))),
  'while waiting for the response headers': using(async (client) => {
    const controller = new AbortController()
    const answer = get(client, '/hang', { signal: controller.signal })
    setTimeout(() => controller.abort(), 20)
    await assert.rejects(answer)
  }),
  'within the body': using(async (client) => {
    const controller = new AbortController()
    const { body } = await client.request({ path: '/hang-body', method: 'GET', signal: controller.signal })
    const text = body.text()
    controller.abort()
    await assert.rejects(text)
  }),
  'by destroying the body': using(async (client) => {
    const { body } = await client.request({ path: '/bytes?n=5000000', method: 'GET' })
    const closed = new Promise<void>((resolve) => body.once('close', () => resolve()))
    body.on('error', () => {})
    body.destroy()
    await closed
  }),
  'by destroying the client': async ({ http }) => {
    const client = new Client(http)
    const answer = get(client, '/hang')
    const rejected = assert.rejects(answer, errors.ClientDestroyedError)
    await client.destroy()
    await rejected
  },
}

export const failures = { errors: failing, abort }
