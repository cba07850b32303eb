import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { createConnection, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import t from 'tap'
import { Client, errors, Pool, RoundRobinPool } from '../../lib/index.js'
import type { Connector } from '../../lib/transport/connector.js'
import { authority, serverIdentity } from '../servers/certificates.js'
import { event, httpsOrigin, onRequests, rawOrigin, response } from '../servers/origin.js'

const get = { path: '/', method: 'GET' } as const

/** Answers at once, with the number of the connection. */
const counting = () =>
  rawOrigin((socket, index) => onRequests(socket, () => void socket.write(response(String(index)))))

/** Waits event-loop turns until a condition holds. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate)
}

t.test('Client.warm connects without a request; the next request uses the connection', async (t) => {
  let bytes = 0
  const origin = await rawOrigin((socket) => {
    socket.on('data', (chunk) => {
      bytes += chunk.length
    })
    onRequests(socket, () => void socket.write(response('warm')))
  })
  const client = new Client(origin.url)
  const both = [client.warm(), client.warm()]
  t.equal(client.stats.connected, false)
  await Promise.all(both)
  t.equal(client.stats.connected, true)
  await client.warm()
  await until(() => origin.sockets.size === 1)
  t.equal(bytes, 0, 'nothing was sent')
  t.strictSame({ ...client.stats }, { connected: true, pending: 0, running: 0, size: 0 })
  const { body } = await client.request(get)
  t.equal(await body.text(), 'warm')
  t.equal(origin.connections, 1)
  await client.close()
  await t.rejects(client.warm(), errors.ClientDestroyedError)
  await origin.close()
})

t.test('Client.warm does the TLS handshake', async (t) => {
  const ca = await authority()
  const origin = await httpsOrigin((_request, response) => response.end('secure'), await serverIdentity(ca))
  const client = new Client(origin.url.replace('127.0.0.1', 'localhost'), { connect: { ca: ca.cert } })
  await client.warm()
  const [socket] = origin.sockets
  t.ok(socket)
  t.equal(await (await client.request(get)).body.text(), 'secure')
  t.equal(origin.connections, 1)
  await client.close()
  await origin.close()
})

t.test('Client.warm rejects with the connect error, and when the client is closed', async (t) => {
  const refusing = await rawOrigin(() => {})
  await refusing.close()
  const client = new Client(refusing.url)
  const error = event<[URL, unknown, Error]>(client, 'connectionError')
  await t.rejects(client.warm(), { code: 'ECONNREFUSED' })
  t.match((await error)[2], { code: 'ECONNREFUSED' })
  await t.rejects(client.warm(), { code: 'ECONNREFUSED' }, 'warm() connects again')
  await client.close()

  const silent = new Client('http://127.0.0.1:1', { connect: () => {} })
  const opening = silent.warm()
  const ended = t.rejects(opening, { message: 'the end' })
  await silent.destroy(new Error('the end'))
  await ended
  const closing = new Client('http://127.0.0.1:1', { connect: () => {} })
  const refused = t.rejects(closing.warm(), errors.ClientClosedError)
  await closing.close()
  await refused
})

t.test('Client.warm works with the parser that is loaded on demand', async (t) => {
  const origin = await counting()
  const client = new Client(origin.url, { parser: 'js' })
  await client.warm()
  t.equal(await (await client.request(get)).body.text(), '0')
  await client.close()
  await origin.close()
})

/** A stream of a caller, over a socket. */
class Piped extends Duplex {
  readonly #socket: Socket

  constructor(port: number) {
    super()
    const socket = createConnection(port, '127.0.0.1')
    this.#socket = socket
    socket.on('connect', () => this.emit('connect'))
    socket.on('data', (chunk) => this.push(chunk)).on('end', () => this.push(null))
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#socket.write(chunk, done)
  }

  override _final(done: () => void): void {
    this.#socket.end(done)
  }
}

for (const Kind of [Client, Pool, RoundRobinPool]) {
  for (const when of ['onResponseEnd', 'drain'] as const) {
    for (const custom of [false, true]) {
      t.test(`${Kind.name}.closeIdle in ${when} ends a ${custom ? 'stream' : 'socket'} with its server`, async (t) => {
        const origin = await counting()
        let used: Duplex | undefined
        const note = (message: unknown) => {
          used = (message as { socket: Duplex }).socket
        }
        subscribe('undici:client:connected', note)
        const connect: Connector = (_options, callback) => {
          const stream = new Piped(Number(new URL(origin.url).port))
          stream.once('connect', () => callback(null, stream as Duplex as Socket))
        }
        const dispatcher = new Kind(origin.url, { connections: 1, ...(custom ? { connect } : {}) })
        const drained = event(dispatcher, 'drain')
        const closeIdle = (at: string) => at === when && dispatcher.closeIdle()
        ;(dispatcher as Client).prependListener('drain', () => void closeIdle('drain'))
        const handler = {
          onRequestStart() {},
          onResponseStart() {},
          onResponseData() {},
          onResponseEnd: () => void closeIdle('onResponseEnd'),
          onResponseError: (_controller: unknown, error: Error) => t.fail(error.message),
        }
        t.equal(dispatcher.dispatch(get, handler), false)
        await drained
        await dispatcher.close()
        // One that is not read any more is destroyed half a second later.
        t.equal(used?.readableEnded, true)
        unsubscribe('undici:client:connected', note)
        await origin.close()
      })
    }
  }
}

t.test('Client.closeIdle closes idle connections only', async (t) => {
  let answer = () => {}
  const origin = await rawOrigin((socket) =>
    onRequests(socket, () => {
      answer = () => void socket.write(response('ok'))
    }),
  )
  const client = new Client(origin.url)
  client.closeIdle()
  const first = client.request(get)
  client.closeIdle()
  await event(client, 'connect')
  client.closeIdle()
  await until(() => origin.sockets.size === 1 && client.stats.running === 1)
  client.closeIdle()
  const closed = event<[Socket]>(client, 'disconnect')
  await until(() => {
    answer()
    return client.stats.running === 0
  })
  t.equal(await (await first).body.text(), 'ok')
  client.closeIdle()
  t.equal(client.stats.connected, false, 'closed synchronously')
  await closed
  await until(() => origin.sockets.size === 0)
  const second = client.request(get)
  await until(() => {
    answer()
    return client.stats.running === 0 && origin.connections === 2 && client.stats.pending === 0
  })
  t.equal(await (await second).body.text(), 'ok')
  await client.close()
  await origin.close()
})

t.test('maxConnectionAge closes an idle connection', async (t) => {
  const origin = await counting()
  const client = new Client(origin.url, { maxConnectionAge: 40 })
  t.equal(await (await client.request(get)).body.text(), '0')
  const [, , error] = await event<[URL, unknown, Error]>(client, 'disconnect')
  t.match(error, { name: 'InformationalError', message: /maxConnectionAge/ })
  t.equal(await (await client.request(get)).body.text(), '1')
  await client.close()
  await origin.close()
})

t.test('maxConnectionAge completes responses; queued requests use the next connection', async (t) => {
  const answers: (() => void)[] = []
  const origin = await rawOrigin((socket, index) =>
    onRequests(socket, (head) => {
      if (head.startsWith('GET /old')) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nha')
      answers.push(() => void socket.write(head.startsWith('GET /old') ? 'lf' : response(`on ${index}`)))
    }),
  )
  const client = new Client(origin.url, { maxConnectionAge: 20, pipelining: 3 })
  const old = client.request({ ...get, path: '/old' })
  const pipelined = client.request(get)
  const { body } = await old
  await until(() => answers.length === 2)
  // By then it is too old: another alarm that was set later has gone off.
  await new Promise((resolve) => setTimeout(resolve, 60))
  const later = client.request(get)
  await new Promise(setImmediate)
  t.strictSame({ ...client.stats }, { connected: true, pending: 1, running: 2, size: 3 }, 'the new request waits')
  answers.shift()?.()
  answers.shift()?.()
  t.equal(await body.text(), 'half')
  t.equal(await (await pipelined).body.text(), 'on 0')
  await until(() => answers.length === 1)
  t.equal(origin.connections, 2)
  answers.shift()?.()
  t.equal(await (await later).body.text(), 'on 1')
  await client.close()
  await origin.close()
})

t.test('rejects an invalid maxConnectionAge', (t) => {
  for (const maxConnectionAge of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, '1']) {
    const options = { maxConnectionAge } as unknown as { maxConnectionAge: number }
    t.throws(() => new Client('http://localhost', options), {
      code: 'UND_ERR_INVALID_ARG',
      message: /maxConnectionAge/,
    })
  }
  t.doesNotThrow(() => new Client('http://localhost', { maxConnectionAge: null }))
  t.end()
})
