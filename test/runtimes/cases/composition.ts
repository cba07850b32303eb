import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import {
  Agent,
  Client,
  type Dispatcher,
  errors,
  getGlobalDispatcher,
  install,
  interceptors,
  ProxyAgent,
  request,
  setGlobalDispatcher,
  stream,
  uninstall,
} from 'sluice'
import { type Case, trusting } from '../servers.js'

type Interceptor = Parameters<Dispatcher['compose']>[0]

let runs = 0

/** Sends one request through an interceptor and returns its response. */
function through(interceptor: () => Interceptor, part: { path: string; text: string }): Case {
  return async ({ http }) => {
    const client = new Client(http)
    try {
      const composed = client.compose(interceptor())
      const { body } = await composed.request({ origin: http, path: part.path, method: 'GET' })
      assert.equal(await body.text(), part.text)
    } finally {
      await client.destroy()
    }
  }
}

function resolving(options: NonNullable<Parameters<typeof interceptors.dns>[0]>): Case {
  return async ({ http }) => {
    const agent = new Agent()
    const composed = agent.compose(interceptors.dns({ ...options, affinity: 4, dualStack: false }))
    try {
      const origin = http.replace('127.0.0.1', 'localhost')
      const { body } = await composed.request({ origin, path: '/hello', method: 'GET' })
      assert.equal(await body.text(), 'hello')
    } finally {
      await agent.destroy()
    }
  }
}

const composed: Record<string, Case> = {
  retry: async (world) => {
    const path = `/flaky?times=2&run=${++runs}-${Math.random()}`
    await through(() => interceptors.retry({ minTimeout: 1, timeoutFactor: 1 }), { path, text: 'at last' })(world)
  },
  redirect: through(() => interceptors.redirect({ maxRedirections: 2 }), { path: '/redirect', text: 'hello' }),
  'decompress gzip': through(() => interceptors.decompress(), { path: '/gzip', text: 'unpacked '.repeat(1000) }),
  'decompress brotli': through(() => interceptors.decompress(), { path: '/brotli', text: 'unpacked '.repeat(1000) }),
  dump: through(() => interceptors.dump({ maxSize: 1_000_000 }), { path: '/bytes?n=1000', text: '' }),
  responseError: async (world) => {
    const send = through(() => interceptors.responseError(), { path: '/missing', text: '' })
    await assert.rejects(send(world), { statusCode: 404 })
  },
  dns: resolving({}),
  'dns with a custom lookup': resolving({
    lookup: (_origin, _options, done) => done(null, [{ address: '127.0.0.1', family: 4, ttl: 1000 }]),
  }),
}

/** Sends one request through the proxy and returns its response. */
function proxied(part: { origin: 'http' | 'https' | 'named'; tunnel: boolean; servername?: string }): Case {
  return async (world) => {
    const { servername } = part
    const requestTls = { ...trusting(world), ...(servername === undefined ? {} : { servername }) }
    const agent = new ProxyAgent({ uri: world.proxy, proxyTunnel: part.tunnel, requestTls })
    try {
      const { body } = await agent.request({ origin: world[part.origin], path: '/hello', method: 'GET' })
      assert.equal(await body.text(), 'hello')
    } finally {
      await agent.close()
    }
  }
}

const proxies: Record<string, Case> = {
  forwarding: proxied({ origin: 'http', tunnel: false }),
  'a tunnel': proxied({ origin: 'http', tunnel: true }),
  'TLS through a tunnel': proxied({ origin: 'https', tunnel: true }),
  'verifies the certificate of the origin through a tunnel': proxied({ origin: 'named', tunnel: true }),
  'rejects a certificate without the servername': (world) =>
    assert.rejects(proxied({ origin: 'named', tunnel: true, servername: 'localhost' })(world)),
}

const functions: Record<string, Case> = {
  'by URL': async ({ http }) => {
    const own = new Agent()
    const before = getGlobalDispatcher()
    setGlobalDispatcher(own)
    try {
      const { body } = await request(`${http}/echo`, { method: 'POST', body: 'by URL' })
      assert.equal(await body.text(), 'by URL')
      let length = 0
      const count = (chunk: Uint8Array, _encoding: string, done: () => void) => {
        length += chunk.length
        done()
      }
      await stream(`${http}/bytes?n=70000`, {}, () => new Writable({ write: count }))
      assert.equal(length, 70_000)
    } finally {
      setGlobalDispatcher(before)
      await own.close()
      await before.close()
    }
  },
  'install() routes the built-in fetch, or throws if it can not': async ({ http }) => {
    const agent = new Agent()
    try {
      install(agent)
    } catch (error) {
      assert.ok(error instanceof errors.NotSupportedError, String(error))
      return
    }
    try {
      assert.equal(await (await fetch(`${http}/hello`)).text(), 'hello')
      assert.deepEqual(Object.keys(agent.stats), [http])
    } finally {
      uninstall()
      await agent.close()
    }
  },
}

export const composition = { interceptors: composed, ProxyAgent: proxies, 'global functions': functions }
