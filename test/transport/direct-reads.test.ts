import net from 'node:net'
import tls from 'node:tls'
import t from 'tap'
import { Agent, BalancedPool, buildConnector, Client, type Dispatcher, Pool, ProxyAgent } from '../../lib/index.js'
import { authority, serverIdentity } from '../servers/certificates.js'
import { httpOrigin, httpsOrigin } from '../servers/origin.js'

/** Returns for each connection opened by `run` whether it was opened with `onread`. */
async function directReads(run: () => Promise<void>): Promise<boolean[]> {
  const found: boolean[] = []
  const { connect } = net
  const { connect: secure } = tls
  net.connect = ((options: object) => {
    found.push('onread' in options)
    return connect(options as never)
  }) as typeof connect
  tls.connect = ((options: object) => {
    found.push('onread' in options)
    return secure(options)
  }) as typeof secure
  try {
    await run()
  } finally {
    net.connect = connect
    tls.connect = secure
  }
  return found
}

async function once(dispatcher: Dispatcher, origin: string): Promise<void> {
  const { body } = await dispatcher.request({ origin, path: '/', method: 'GET' } as never)
  await body.text()
  await dispatcher.close()
}

t.test("connections of the library's connectors are read by onread", async (t) => {
  const ca = await authority()
  const plain = await httpOrigin((_request, reply) => void reply.end('x'))
  const secure = await httpsOrigin((_request, reply) => void reply.end('x'), await serverIdentity(ca))
  for (const { url } of [plain, secure]) {
    const connect = { ca: ca.cert }
    const direct: Record<string, Dispatcher> = {
      Client: new Client(url, { connect }),
      'a connector of buildConnector': new Client(url, { connect: buildConnector(connect) }),
      Pool: new Pool(url, { connect }),
      'a Pool with a factory': new Pool(url, { connect, factory: (origin, options) => new Client(origin, options) }),
      BalancedPool: new BalancedPool(url, { connect }),
      Agent: new Agent({ connect }),
      'an Agent with a factory': new Agent({ connect, factory: (origin, options) => new Pool(origin, options) }),
    }
    for (const [name, dispatcher] of Object.entries(direct)) {
      t.strictSame(await directReads(() => once(dispatcher, url)), [true], `${name}, ${url}`)
    }
    const seen: object[] = []
    const base = buildConnector(connect)
    const wrapped = new Client(url, {
      connect(options, callback) {
        seen.push(options)
        base(options, callback)
      },
    })
    t.strictSame(await directReads(() => once(wrapped, url)), [false], 'a connector that wraps one of the library')
    t.notOk('onread' in (seen[0] as object), 'connectors of the caller receive only documented options')
  }
  await Promise.all([plain.close(), secure.close()])
})

t.test('connections to a proxy without a tunnel are read by onread', async (t) => {
  const proxy = await httpOrigin((request, reply) => void reply.end(request.url))
  const agent = new ProxyAgent(proxy.url)
  t.strictSame(await directReads(() => once(agent, 'http://origin.example')), [true])
  await proxy.close()
})
