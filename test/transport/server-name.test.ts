import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls, { type PeerCertificate } from 'node:tls'
import t from 'tap'
import { Agent, BalancedPool, buildConnector, Client, type Dispatcher, Pool, ProxyAgent } from '../../lib/index.js'
import { authority, serverIdentity } from '../servers/certificates.js'
import { httpsOrigin, listen, type Origin } from '../servers/origin.js'
import { proxyServer } from '../servers/proxy.js'

const authorities = authority()
const WRONG = 'ERR_TLS_CERT_ALTNAME_INVALID'
let paths = 0

/** TLS server on a unix socket with a certificate for `name`. Responds with the server name that it received. */
async function onUnixSocket(name: string): Promise<Origin & { path: string }> {
  const path = join(tmpdir(), `sluice-names-${process.pid}-${paths++}.sock`)
  const server = tls.createServer(await serverIdentity(await authorities, name), (socket) => {
    socket.on('error', () => {})
    socket.on('data', () => {
      const sent = String((socket as { servername?: unknown }).servername)
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${sent.length}\r\n\r\n${sent}`)
    })
  })
  return Object.assign(await listen(server, { path }), { path })
}

async function answer(dispatcher: Dispatcher, origin: string, headers = {}): Promise<unknown> {
  try {
    const { body } = await dispatcher.request({ origin, path: '/', method: 'GET', headers } as never)
    return await body.text()
  } catch (error) {
    return (error as { code: string }).code
  }
}

type Part = { origin: string; ca: string; socketPath: string }
const base = buildConnector

/** Clients that use TLS over a unix socket, by configuration. */
const ways: Record<string, (part: Part) => Dispatcher> = {
  'connect.socketPath': ({ origin, ca, socketPath }) => new Client(origin, { connect: { ca, socketPath } }),
  'connect.path': ({ origin, ca, socketPath }) => new Client(origin, { connect: { ca, path: socketPath } }),
  socketPath: ({ origin, ca, socketPath }) => new Client(origin, { socketPath, connect: { ca } }),
  'a Pool': ({ origin, ca, socketPath }) => new Pool(origin, { socketPath, connect: { ca } }),
  'a BalancedPool': ({ origin, ca, socketPath }) => new BalancedPool(origin, { connect: { ca, socketPath } }),
  'an Agent': ({ ca, socketPath }) => new Agent({ connect: { ca, socketPath } }),
  'a connector around buildConnector': ({ origin, ca, socketPath }) => {
    const connector = base({ ca })
    return new Client(origin, { connect: (options, callback) => connector({ ...options, socketPath }, callback) })
  },
  'a socket of the caller': ({ origin, ca, socketPath }) => {
    const connector = base({ ca, socketPath: '/nowhere' })
    return new Client(origin, {
      connect(options, callback) {
        const httpSocket = net.connect(socketPath, () => connector({ ...options, httpSocket }, callback))
      },
    })
  },
}

t.test('verifies the certificate for the origin over a unix socket, not for localhost', async (t) => {
  const { cert: ca } = await authorities
  const localhost = await onUnixSocket('localhost')
  for (const [name, host] of [
    ['10.1.2.3', '10.1.2.3'],
    ['fd00::17', '[fd00::17]'],
    ['origin.example', 'origin.example'],
  ] as const) {
    const right = await onUnixSocket(name)
    const origin = `https://${host}`
    const sent = net.isIP(name) === 0 ? name : 'false'
    for (const [way, make] of Object.entries(ways)) {
      for (const [{ path }, expected] of [
        [right, sent],
        [localhost, WRONG],
      ] as const) {
        const dispatcher = make({ origin, ca, socketPath: path })
        t.equal(await answer(dispatcher, origin), expected, `${origin}, ${way}`)
        t.equal(await answer(dispatcher, origin), expected, 'again')
        await dispatcher.close()
      }
    }
    await right.close()
  }
  await localhost.close()
})

t.test('servername takes precedence over the origin for a unix socket', async (t) => {
  const { cert: ca } = await authorities
  for (const name of ['named.example', '10.1.2.3']) {
    const server = await onUnixSocket(name)
    const connect = { ca, socketPath: server.path, servername: name }
    const client = new Client('https://origin.example', { connect })
    t.equal(await answer(client, 'https://origin.example'), net.isIP(name) === 0 ? name : 'false', name)
    await client.close()
    await server.close()
  }
  const server = await onUnixSocket('origin.example')
  const silent = new Client('https://origin.example', { connect: { ca, socketPath: server.path, servername: '' } })
  t.equal(await answer(silent, 'https://origin.example'), 'false', 'sends no server name and verifies the origin')
  await silent.close()
  await server.close()
})

t.test('does not resume a TLS session for a name that was not verified', async (t) => {
  const { cert: ca } = await authorities
  const server = await onUnixSocket('10.1.2.3')
  const agent = new Agent({ connect: { ca, socketPath: server.path } })
  for (let i = 0; i < 3; i++) {
    t.equal(await answer(agent, 'https://10.1.2.3'), 'false')
    t.equal(await answer(agent, 'https://10.1.2.4'), WRONG)
    t.equal(await answer(agent, 'https://10.1.2.3:444'), 'false')
  }
  await agent.close()
  await server.close()
})

t.test('verifies the certificate for an origin that is an IP address', async (t) => {
  const { cert: ca } = await authorities
  const identity = await serverIdentity(await authorities, '10.1.2.3')
  const origin = await httpsOrigin((_request, reply) => void reply.end('x'), identity)
  for (const [authority, expected] of [
    ['10.1.2.3', 'x'],
    ['10.1.2.3:443', 'x'],
    ['10.1.2.4', WRONG],
  ] as const) {
    const client = new Client(origin.url, { authority, connect: { ca } })
    t.equal(await answer(client, origin.url), expected, authority)
    await client.close()
  }
  const seen: string[] = []
  const checkServerIdentity = (name: string, _certificate: PeerCertificate) => void seen.push(name)
  const own = new Client(origin.url, { authority: '10.1.2.4', connect: { ca, checkServerIdentity } })
  t.equal(await answer(own, origin.url), 'x')
  t.strictSame(seen, ['10.1.2.4'], 'the checkServerIdentity option receives the name')
  await own.close()
  await origin.close()
})

t.test('verifies the name of the origin if the host header is an IP address', async (t) => {
  const { cert: ca } = await authorities
  const identity = await serverIdentity(await authorities)
  const origin = await httpsOrigin((_request, reply) => void reply.end('x'), identity)
  const client = new Client(`https://localhost:${origin.port}`, { connect: { ca, lookup } })
  t.equal(await answer(client, '', { host: '10.1.2.3' }), 'x')
  t.equal(await answer(client, '', { host: `localhost:${origin.port}` }), 'x')
  t.equal(origin.connections, 1)
  await client.close()
  await origin.close()
})

function lookup(_name: string, options: { all?: boolean | undefined }, callback: (...result: never[]) => void): void {
  const found = options.all ? [null, [{ address: '127.0.0.1', family: 4 }]] : [null, '127.0.0.1', 4]
  callback(...(found as never[]))
}

t.test('verifies the certificate for the origin through a tunnel', async (t) => {
  const { cert: ca } = await authorities
  const server = await proxyServer()
  for (const [name, expected] of [
    ['127.0.0.1', 'x'],
    ['10.1.2.3', WRONG],
    ['localhost', 'x'],
  ] as const) {
    const identity = await serverIdentity(await authorities, name)
    const origin = await httpsOrigin((_request, reply) => void reply.end('x'), identity)
    for (const requestTls of [{ ca }, { ca, socketPath: '/nowhere' }]) {
      const agent = new ProxyAgent({ uri: server.url, requestTls })
      t.equal(await answer(agent, origin.url), expected, name)
      await agent.close()
    }
    await origin.close()
  }
  await server.close()
})
