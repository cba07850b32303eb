import type net from 'node:net'
import tls from 'node:tls'
import t from 'tap'
import { Agent, buildConnector, Client } from '../../lib/index.js'
import { authority, clientIdentity, expiredIdentity, type Identity, serverIdentity } from '../servers/certificates.js'
import { listen, onRequests, rawOrigin, response } from '../servers/origin.js'
import { type Attack, counted, each } from './catalogue.js'
import { get, outcome } from './requests-to-attacker.js'

const ca = await authority()
const server = await serverIdentity(ca)
const trusting = { ca: ca.cert }
/** Resolves all names to this machine. */
const lookup = (_name: string, options: { all?: boolean }, callback: (...result: unknown[]) => void): void =>
  options.all === true ? callback(null, [{ address: '127.0.0.1', family: 4 }]) : callback(null, '127.0.0.1', 4)

async function secure(identity: Identity, options: tls.TlsOptions, onSocket: (socket: tls.TLSSocket) => void) {
  return listen(tls.createServer({ ...identity, ...options }, onSocket), { protocol: 'https:' })
}

/** A server with a wrong certificate, protocol or TLS version. */
interface Impostor extends Attack {
  identity: Identity
  options?: tls.TlsOptions
  connect?: object
  /** Part of the error code. */
  sluice: string
}

const good = 'sends nothing'
const impostors: Impostor[] = [
  {
    what: 'a certificate for another name',
    good,
    identity: await serverIdentity(ca, 'other.example'),
    sluice: 'ERR_TLS_CERT_ALTNAME_INVALID',
  },
  {
    what: 'a certificate for a subdomain',
    good,
    identity: await serverIdentity(ca, '*.127.0.0.1'),
    sluice: 'ERR_TLS_CERT_ALTNAME_INVALID',
  },
  { what: 'a certificate that has expired', good, identity: await expiredIdentity(ca), sluice: 'CERT_HAS_EXPIRED' },
  {
    what: 'a certificate that is not valid yet',
    good,
    identity: await serverIdentity(ca, 'localhost', {
      notBeforeDate: new Date('2199-01-01'),
      notAfterDate: new Date('2199-02-01'),
    }),
    sluice: 'CERT_NOT_YET_VALID',
  },
  {
    what: 'a certificate signed by another CA of the same name',
    good,
    identity: await serverIdentity(await authority()),
    sluice: 'CERT_SIGNATURE_FAILURE',
  },
  {
    what: 'a self-signed certificate',
    good,
    identity: await authority(),
    sluice: 'DEPTH_ZERO_SELF_SIGNED_CERT',
  },
  { what: 'a certificate of a client', good, identity: await clientIdentity(ca), sluice: 'INVALID_PURPOSE' },
  {
    what: 'no trusted CA',
    good,
    identity: server,
    connect: {},
    sluice: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  },
  {
    what: 'another protocol by ALPN',
    good,
    identity: server,
    options: { ALPNProtocols: ['h2'] },
    sluice: 'NO_APPLICATION_PROTOCOL',
  },
  {
    what: 'an older TLS version',
    good,
    identity: server,
    options: { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
    sluice: 'PROTOCOL_VERSION',
  },
]

t.test('rejects servers with a wrong certificate, protocol or TLS version', (t) =>
  each(t, impostors, async (t, { identity, options = {}, connect = trusting, sluice }) => {
    let received = ''
    const origin = await secure(identity, options, (socket) => {
      socket.on('error', () => {})
      socket.on('data', (chunk) => {
        received += chunk
      })
    })
    const client = new Client(origin.url, { connect })
    const secret = { ...get, headers: { authorization: 'secret' } }
    t.match([await outcome(client, secret), await outcome(client, secret)], [sluice, sluice])
    t.equal(received, '')
    await client.destroy()
    await origin.close()
  }),
)

/** Bytes that the server sends instead of TLS. */
const others: (Attack & { onSocket(socket: net.Socket): void; sluice: RegExp })[] = [
  {
    what: 'HTTP without TLS',
    good: 'does not use it as a response',
    onSocket: (socket) => socket.once('data', () => socket.end(response('evil'))),
    sluice: /^(EPROTO|ERR_SSL_.*)$/,
  },
  {
    what: 'a connection closed in the handshake',
    good: 'fails',
    onSocket: (socket) => socket.once('data', () => socket.end()),
    sluice: /^ECONNRESET$/,
  },
  {
    what: 'silence',
    good: 'waits for connectTimeout',
    onSocket: (socket) => void socket.resume(),
    sluice: /^UND_ERR_CONNECT_TIMEOUT$/,
  },
]

t.test('fails when the server does not speak TLS', (t) =>
  each(t, others, async (t, { onSocket, sluice }) => {
    const origin = await rawOrigin(onSocket)
    const client = new Client(origin.url.replace('http:', 'https:'), { connect: trusting, connectTimeout: 200 })
    t.match(await outcome(client), sluice)
    await client.destroy()
    await origin.close()
  }),
)

/** Two connections that must not share a TLS session: a resumed session skips the verification. */
interface SessionPair extends Attack {
  first: { connect: ReturnType<typeof buildConnector>; name: string; headers?: object }
  second: SessionPair['first']
  sluice: string
}

const shared = buildConnector({ ...trusting, lookup } as never)
const named = await serverIdentity(ca, 'a.test')
const ALTNAME = 'ERR_TLS_CERT_ALTNAME_INVALID'
const mixings: SessionPair[] = [
  {
    what: 'a session for another name',
    good: 'is not offered',
    first: { connect: shared, name: 'a.test' },
    second: { connect: shared, name: 'b.test' },
    sluice: ALTNAME,
  },
  {
    what: 'a session for a name in the host header',
    good: 'is not offered',
    first: { connect: shared, name: 'b.test', headers: { host: 'a.test' } },
    second: { connect: shared, name: 'b.test' },
    sluice: ALTNAME,
  },
  {
    what: 'a session of an unverified connection',
    good: 'is not offered with verification',
    first: { connect: buildConnector({ rejectUnauthorized: false, lookup } as never), name: 'a.test' },
    second: { connect: buildConnector({ lookup } as never), name: 'a.test' },
    sluice: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  },
]

t.test('does not resume TLS sessions for another name or other options', (t) =>
  each(t, mixings, async (t, { first, second, sluice }) => {
    const origin = await secure(named, {}, (socket) => {
      socket.on('error', () => {})
      onRequests(socket, () => socket.write(response('mine')))
    })
    for (const [side, wanted] of [
      [first, 'mine'],
      [first, 'mine'],
      [second, sluice],
    ] as const) {
      const client = new Client(`https://${side.name}:${origin.port}`, { connect: side.connect })
      t.equal(
        await outcome(client, { ...get, ...(side.headers === undefined ? {} : { headers: side.headers }) }),
        wanted,
      )
      await client.destroy()
    }
    // A connection verified for one name must not carry requests for another.
    const client = new Client(`https://b.test:${origin.port}`, { connect: shared })
    t.equal(await outcome(client, { ...get, headers: { host: 'a.test' } }), 'mine')
    t.equal(await outcome(client), ALTNAME)
    await client.destroy()
    await origin.close()
  }),
)

/** A connection that ends without close_notify, which an attacker without the keys can cause. */
interface Truncation extends Attack {
  text: string
  sluice: string
}

const OK = 'HTTP/1.1 200 OK\r\n'
const cuts: Truncation[] = [
  {
    what: 'in a body with a length',
    good: 'fails',
    text: `${OK}content-length: 9\r\n\r\nhalf`,
    sluice: 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  },
  {
    what: 'in a chunked body',
    good: 'fails',
    text: `${OK}transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n`,
    sluice: 'UND_ERR_SOCKET',
  },
  {
    what: 'before the end of the headers',
    good: 'fails',
    text: `${OK}transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n`,
    sluice: 'UND_ERR_SOCKET',
  },
  { what: 'in a head', good: 'fails', text: OK, sluice: 'UND_ERR_SOCKET' },
  // Node does not report whether close_notify was received.
  {
    what: 'in a body without a length',
    good: 'can not detect it',
    text: `${OK}connection: close\r\n\r\nhalf`,
    sluice: 'half',
  },
]

t.test('fails truncated responses when TLS ends without close_notify', (t) =>
  each(t, cuts, async (t, { text, sluice }) => {
    const origin = await rawOrigin((raw) => {
      const socket = new tls.TLSSocket(raw, { isServer: true, secureContext: tls.createSecureContext(server) })
      socket.on('error', () => {})
      socket.once('data', () => socket.write(text, () => raw.end()))
    })
    const client = new Client(origin.url.replace('http:', 'https:'), { connect: trusting })
    t.equal(await outcome(client, { ...get, method: 'POST' }), sluice)
    await client.destroy()
    await origin.close()
  }),
)

t.test('survives TLS 1.2 renegotiation in the middle of a response', async (t) => {
  let times = 0
  const origin = await secure(server, { maxVersion: 'TLSv1.2' }, (socket) => {
    socket.on('error', () => {})
    onRequests(socket, () => {
      socket.write(`${OK}content-length: 8\r\n\r\nhalf`)
      const again = (left: number): void => {
        if (left === 0) return void socket.write('full')
        socket.renegotiate({ rejectUnauthorized: false }, (error) => {
          if (error !== null) return void socket.destroy()
          times++
          again(left - 1)
        })
      }
      again(3)
    })
  })
  const agent = new Agent({ connect: trusting })
  const outcomes = await Promise.all([1, 2].map(() => outcome(agent as never, { ...get, origin: origin.url })))
  t.strictSame(outcomes, ['halffull', 'halffull'])
  t.equal(times, 6)
  await agent.destroy()
  await origin.close()
})

t.test('README.md has the number of these attacks', counted)
