import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import diagnosticsChannel from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { ClientOptions } from '../../../../lib/index.js'
import { byClient, type Case, type Scene, text, withClient } from '../peer.js'
import { acceptOf, frame } from '../service/websocket.js'
import { digest } from './messages.js'

/** State of a connection, as the client's socket reports it. */
interface Handshake {
  readonly protocol: string | null
  readonly reused: boolean
  readonly name: string
}

/** Records the connections to one port. */
async function handshakes(url: string, use: () => Promise<void>): Promise<Handshake[]> {
  const seen: Handshake[] = []
  const { port } = new URL(url)
  const subscriber = (message: unknown) => {
    const { connectParams, socket } = message as { connectParams: { port: string }; socket: Socket }
    if (connectParams.port !== port) return
    const tls = socket as TLSSocket
    const { subject } = tls.getPeerCertificate()
    seen.push({ protocol: tls.getProtocol(), reused: tls.isSessionReused(), name: String(subject?.CN ?? '') })
  }
  diagnosticsChannel.subscribe('undici:client:connected', subscriber)
  try {
    await use()
  } finally {
    diagnosticsChannel.unsubscribe('undici:client:connected', subscriber)
  }
  return seen
}

type Connect = Exclude<ClientOptions['connect'], undefined>

/** Sends one request over a new connection. `host`: the host header, if it differs from the URL. */
async function secured(
  scene: Scene,
  connect: Connect,
  part: { url?: string | undefined; host?: string } = {},
): Promise<Handshake | undefined> {
  const url = part.url ?? scene.peer.secure
  const headers = part.host === undefined ? {} : { host: part.host }
  const seen = await handshakes(url ?? '', () =>
    withClient(scene, { url, options: { connect } }, async (client) => {
      assert.equal(await text(client, '/id?n=secret', { headers }), 'secret')
    }),
  )
  return seen[0]
}

const version =
  (protocol: 'TLSv1.2' | 'TLSv1.3'): Case =>
  async (scene) => {
    const seen = await secured(scene, { minVersion: protocol, maxVersion: protocol })
    assert.equal(seen?.protocol, protocol)
  }

/** Opens three connections of one client, each closed by the server, to check session resumption. */
const resumed =
  (protocol: 'TLSv1.2' | 'TLSv1.3'): Case =>
  async (scene) => {
    const { secure } = scene.peer
    const options = { connect: { minVersion: protocol, maxVersion: protocol } }
    const seen = await handshakes(secure ?? '', () =>
      withClient(scene, { url: secure, options }, async (client) => {
        for (let count = 0; count < 3; count++) {
          await text(client, '/id?n=1', { reset: true })
        }
      }),
    )
    assert.deepEqual(
      seen.map(({ reused }) => reused),
      [false, true, true],
    )
  }

const tls: Record<string, Case> = {
  '1.2': version('TLSv1.2'),
  '1.3': version('TLSv1.3'),
  'sessions of 1.2 are resumed': resumed('TLSv1.2'),
  'sessions of 1.3 are resumed': resumed('TLSv1.3'),
  'a certificate by server name (SNI)': async (scene) => {
    assert.equal((await secured(scene, {}))?.name, 'localhost')
    assert.equal((await secured(scene, {}, { host: 'other.example' }))?.name, 'other.example')
  },
  'a client certificate': async (scene) => {
    const { mutual } = scene.peer
    if (mutual === undefined) throw new Error('the server does not listen for this')
    const { key, cert } = scene.setting.client
    await secured(scene, { key, cert }, { url: mutual })
    // Rejected in the handshake, or by the response.
    const anonymous = withClient(scene, { url: mutual }, async (client) => {
      const { statusCode } = await client.request({ path: '/id?n=1', method: 'GET' })
      assert.notEqual(statusCode, 400)
    })
    await assert.rejects(anonymous)
  },
  'an unknown CA is rejected': async (scene) => {
    const stranger = scene.setting.client.cert
    await assert.rejects(secured(scene, { ca: stranger }), { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' })
  },
}

/** Returns the next bytes of a socket. */
async function bytesOf(socket: NodeJS.ReadableStream, count: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) {
    chunks.push(chunk as Buffer)
    if (chunks.reduce((sum, { length }) => sum + length, 0) >= count) break
  }
  return Buffer.concat(chunks)
}

const tunnels: Record<string, Case> = {
  websocket: byClient(async (client) => {
    const key = randomBytes(16).toString('base64')
    const headers = { 'sec-websocket-key': key, 'sec-websocket-version': '13' }
    const {
      statusCode,
      headers: fields,
      socket,
    } = await client.upgrade({
      path: '/websocket',
      protocol: 'websocket',
      headers,
    })
    assert.equal(statusCode, 101)
    assert.equal(fields['sec-websocket-accept'], acceptOf(key))
    socket.write(frame('hello', randomBytes(4)))
    assert.deepEqual(await bytesOf(socket, 7), frame('hello'))
    socket.destroy()
    assert.equal(await text(client, '/id?n=after'), 'after', 'the next request')
  }),
  CONNECT: async (scene) => {
    const { peer, setting } = scene
    await withClient(scene, { url: peer.connect }, async (client) => {
      const { statusCode, socket } = await client.connect({ path: `127.0.0.1:${setting.echo}` })
      assert.equal(statusCode, 200)
      const sent = setting.big.subarray(0, 1_000_000)
      const received = bytesOf(socket, sent.length)
      socket.write(sent)
      assert.equal(digest(await received), digest(sent))
    })
  },
}

export const secure = { TLS: tls, tunnels }
