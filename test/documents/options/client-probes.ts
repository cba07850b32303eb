import type { LookupAddress } from 'node:dns'
import { mkdtempSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { Client, type Dispatcher } from '../../../lib/index.js'
import { authority, serverIdentity } from '../../servers/certificates.js'
import { httpOrigin, httpsOrigin, onRequests, response } from '../../servers/origin.js'
import { answer, type Probe, served, servedRaw, using } from './probe.js'

/** Creates a dispatcher for an origin. */
export type Make = (url: string, options: object) => Dispatcher

interface ClientProbe extends Omit<Probe, 'observe'> {
  observe(make: Make, options: Record<string, unknown>): Promise<string>
}

/** Returns whether an idle connection is closed. `hint`: the server's `keep-alive` header. */
function closes(make: Make, options: object, hint: Record<string, string> = {}): Promise<string> {
  const closed = new Promise<string>((resolve) => {
    // With the option, the connection must close.
    if (Object.keys(options).length === 0) setTimeout(resolve, 100, 'open')
    const onConnection = (socket: Socket) => {
      onRequests(socket, () => void socket.write(response('x', hint)))
      socket.once('end', () => resolve('closed'))
    }
    void servedRaw(onConnection, ({ url }) =>
      using(make(url, options), async (made) => {
        await answer(made, { origin: url })
        return closed
      }),
    )
  })
  return closed
}

const listening = (listener: Parameters<typeof served>[0]) => (make: Make, options: object) =>
  served(listener, ({ url }) => using(make(url, options), (made) => answer(made, { origin: url })))

/** Returns the source address of a request. */
const from = listening((request, reply) => void reply.end(request.socket.remoteAddress))

/** Returns how many of three requests arrive before the first response. */
async function atOnce(make: Make, options: object): Promise<string> {
  let most = 0
  const onConnection = (socket: Socket) => {
    let waiting = 0
    onRequests(socket, () => {
      most = Math.max(most, ++waiting)
      setImmediate(() => void (waiting-- > 0 && socket.write(response('x'))))
    })
  }
  return servedRaw(onConnection, ({ url }) =>
    using(make(url, options), async (dispatcher) => {
      await answer(dispatcher, { origin: url })
      await Promise.all([1, 2, 3].map(() => answer(dispatcher, { origin: url })))
      return String(most)
    }),
  )
}

/** Returns whether the second connection resumes the TLS session of the first. */
async function resumed(make: Make, options: object): Promise<string> {
  const ca = await authority()
  const answerOf = (socket: TLSSocket) => String(socket.isSessionReused())
  const identity = { ...(await serverIdentity(ca)), maxVersion: 'TLSv1.2' as const }
  const origin = await httpsOrigin((request, reply) => void reply.end(answerOf(request.socket as TLSSocket)), identity)
  const url = `https://localhost:${origin.port}`
  const dispatcher = make(url, { pipelining: 0, connect: { ca: ca.cert }, ...options })
  await answer(dispatcher, { origin: url })
  const second = await answer(dispatcher, { origin: url })
  await dispatcher.destroy()
  await origin.close()
  return second
}

/** Returns whether the connector requests one address or all from `lookup`. */
function lookedUp(make: Make, options: object): Promise<string> {
  let requestedAll = ''
  type Found = (error: null, addresses: string | LookupAddress[], family?: number) => void
  const lookup = (_name: string, { all }: { all?: boolean }, callback: Found) => {
    requestedAll = String(all)
    if (all) callback(null, [{ address: '127.0.0.1', family: 4 }])
    else callback(null, '127.0.0.1', 4)
  }
  return served(
    (_request, reply) => void reply.end(),
    async ({ port }) => {
      const url = `http://somewhere.test:${port}`
      return using(
        make(url, { connect: { lookup }, ...options }),
        async (made) => (await answer(made, { origin: url })) + requestedAll,
      )
    },
  )
}

/** Options of Client, which every dispatcher accepts. */
export const clientProbes: Record<string, ClientProbe> = {
  maxHeaderSize: {
    given: 100,
    without: 'x',
    with: 'UND_ERR_HEADERS_OVERFLOW',
    observe: listening((_request, reply) => void reply.setHeader('a', 'b'.repeat(200)).end('x')),
  },
  headersTimeout: {
    given: 300,
    without: 'x',
    with: 'UND_ERR_HEADERS_TIMEOUT',
    observe: listening((_request, reply) => void setTimeout(() => reply.end('x'), 800)),
  },
  bodyTimeout: {
    given: 300,
    without: 'xy',
    with: 'UND_ERR_BODY_TIMEOUT',
    observe: listening((_request, reply) => {
      reply.write('x')
      setTimeout(() => reply.end('y'), 800)
    }),
  },
  maxResponseSize: {
    given: 1,
    without: 'xy',
    with: 'UND_ERR_RES_EXCEEDED_MAX_SIZE',
    observe: listening((_request, reply) => void reply.end('xy')),
  },
  keepAliveTimeout: {
    given: 20,
    without: 'open',
    with: 'closed',
    observe: (make, options) => closes(make, options),
  },
  keepAliveMaxTimeout: {
    given: 20,
    without: 'open',
    with: 'closed',
    observe: (make, options) => closes(make, options, { 'keep-alive': 'timeout=600' }),
  },
  keepAliveTimeoutThreshold: {
    given: 9_980,
    without: 'open',
    with: 'closed',
    observe: (make, options) => closes(make, options, { 'keep-alive': 'timeout=10' }),
  },
  pipelining: { given: 3, without: '1', with: '3', observe: atOnce },
  strictContentLength: {
    given: false,
    without: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
    with: '3',
    observe: (make, options) =>
      served(
        (request, reply) => void request.resume().on('end', () => reply.end(request.headers['content-length'])),
        ({ url }) => {
          const request = { origin: url, method: 'POST', body: 'abc', headers: { 'content-length': '2' } }
          return using(make(url, options), (made) => answer(made, request))
        },
      ),
  },
  maxCachedSessions: { given: 0, without: 'true', with: 'false', observe: resumed },
  maxRequestsPerClient: {
    given: 1,
    without: '1',
    with: '2',
    observe: (make, options) => {
      const ports = new Set<number | undefined>()
      return served(
        (request, reply) => {
          ports.add(request.socket.remotePort)
          reply.end('x')
        },
        ({ url }) =>
          using(make(url, options), async (made) => {
            for (const _ of [1, 2]) await answer(made, { origin: url })
            return String(ports.size)
          }),
      )
    },
  },
  connectTimeout: {
    given: 20,
    without: 'x',
    with: 'UND_ERR_CONNECT_TIMEOUT',
    // A TLS connection is established after its handshake.
    observe: async (make, options) => {
      const ca = await authority()
      const identity = { ...(await serverIdentity(ca)), SNICallback: undefined as never }
      identity.SNICallback = ((_name: string, callback: (error: null) => void) =>
        void setTimeout(callback, 150, null)) as never
      const origin = await httpsOrigin((_request, reply) => void reply.end('x'), identity)
      const url = `https://localhost:${origin.port}`
      const seen = await using(make(url, { connect: { ca: ca.cert }, ...options }), (made) =>
        answer(made, { origin: url }),
      )
      await origin.close()
      return seen
    },
  },
  socketPath: {
    given: 'used below',
    without: 'tcp',
    with: 'unix',
    observe: async (make, options) => {
      const folder = mkdtempSync(join(tmpdir(), 'sluice-'))
      const path = join(folder, 's')
      const unix = await httpOrigin((_request, reply) => void reply.end('unix'), { path })
      const given = 'socketPath' in options ? { socketPath: path } : {}
      const seen = await served(
        (_request, reply) => void reply.end('tcp'),
        ({ url }) => using(make(url, given), (made) => answer(made, { origin: url })),
      )
      await unix.close()
      rmSync(folder, { recursive: true })
      return seen
    },
  },
  localAddress: { given: '127.0.0.2', without: '127.0.0.1', with: '127.0.0.2', observe: from },
  connect: { given: { localAddress: '127.0.0.2' }, without: '127.0.0.1', with: '127.0.0.2', observe: from },
  tls: { given: { localAddress: '127.0.0.2' }, without: '127.0.0.1', with: '127.0.0.2', observe: from },
  autoSelectFamily: { given: false, without: 'true', with: 'undefined', observe: lookedUp },
}

/** Options of each kind of pool. */
export const poolProbes: Record<string, ClientProbe> = {
  connections: {
    given: 2,
    without: '3',
    with: '2',
    observe: (make, options) =>
      served(
        (_request, reply) => void setTimeout(() => reply.end('x'), 30),
        (origin) =>
          using(make(origin.url, options), async (made) => {
            await Promise.all([1, 2, 3].map(() => answer(made, { origin: origin.url })))
            return String(origin.connections)
          }),
      ),
  },
  clientTtl: { given: 20, without: 'open', with: 'closed', observe: (make, options) => closes(make, options) },
  factory: {
    given: (origin: string | URL, options: object) => new Client(origin, { ...options, localAddress: '127.0.0.2' }),
    without: '127.0.0.1',
    with: '127.0.0.2',
    observe: from,
  },
}
