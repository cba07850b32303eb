import t from 'tap'
import { Agent, buildConnector, EnvHttpProxyAgent, interceptors, RetryAgent } from '../../lib/index.js'
import { mergeOptions, omitNull, pickOptions } from '../../lib/interceptors/option-layers.js'
import { httpOrigin } from '../servers/origin.js'

t.test('merges own properties that are not undefined; the last layer takes precedence', async (t) => {
  t.strictSame({ ...mergeOptions({ a: 1, b: 2 }, null, { a: undefined, b: null }) }, { a: 1, b: null })
  t.strictSame({ ...omitNull({ a: null, b: 0 }) }, { b: 0 })
  t.strictSame({ ...pickOptions({ a: 1, b: undefined, c: 3 }, ['a', 'b']) }, { a: 1 })
  t.equal(
    (mergeOptions({}) as { toString?: unknown }).toString,
    undefined,
    'properties of Object.prototype are ignored',
  )
})

t.test('null options mean the same as in undici', async (t) => {
  const names = ['maxTTL', 'maxItems', 'dualStack', 'lookup', 'pick', 'affinity', 'storage']
  for (const name of names) t.doesNotThrow(() => interceptors.dns({ [name]: null }), name)
  for (const name of ['maxSize', 'skipStatusCodes', 'skipErrorResponses']) {
    t.doesNotThrow(() => interceptors.decompress({ [name]: null }), name)
  }
  for (const name of ['retry', 'redirect', 'dns', 'decompress', 'dump', 'responseError'] as const) {
    for (const options of [null, undefined]) t.doesNotThrow(() => interceptors[name](options as never), name)
  }
  t.doesNotThrow(() => new RetryAgent(new Agent(), null))
  t.doesNotThrow(() => new EnvHttpProxyAgent({ noProxy: null, httpProxy: null, httpsProxy: null } as never))
  t.doesNotThrow(() => new Agent({ factory: null } as never))
  const refused: Record<string, () => unknown> = {
    Agent: () => new Agent(null as never),
    EnvHttpProxyAgent: () => new EnvHttpProxyAgent(null as never),
    buildConnector: () => buildConnector(null as never),
    maxOrigins: () => new Agent({ maxOrigins: null } as never),
  }
  for (const [name, make] of Object.entries(refused)) t.throws(make, { code: 'UND_ERR_INVALID_ARG' }, name)
})

t.test(
  'retryOptions of a request: undefined keeps the option of the interceptor, null means the default',
  async (t) => {
    let requestCount = 0
    const origin = await httpOrigin((_request, reply) => {
      requestCount++
      reply.writeHead(503).end()
    })
    const agent = new Agent().compose(interceptors.retry({ maxRetries: 1, minTimeout: 0 }))
    for (const [maxRetries, attempts] of [
      [undefined, 2],
      [null, 6],
    ] as const) {
      requestCount = 0
      const options = { origin: origin.url, path: '/', method: 'GET', retryOptions: { maxRetries } }
      await t.rejects(agent.request(options), { code: 'UND_ERR_REQ_RETRY' })
      t.equal(requestCount, attempts, String(maxRetries))
    }
    await agent.close()
    await origin.close()
  },
)
