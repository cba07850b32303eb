import { once } from 'node:events'
import net from 'node:net'
import { Duplex } from 'node:stream'
import t from 'tap'
import { processClock } from '../../lib/base/clock.js'
import { buildConnector, Client, type DispatchHandler, Pool } from '../../lib/index.js'
import { response } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'

const get = { path: '/', method: 'GET' } as const

/** A socket without a network. Tests push the data of the server. */
class Wire extends Duplex {
  written = ''

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written += chunk
    done()
    this.emit('written')
  }
}

function over(wire: Wire): Client {
  return new Client('http://simulated.test', { connect: (_target, callback) => callback(null, wire) })
}

t.test('destroying a client cancels a connection that is being established', async (t) => {
  const wire = new Wire()
  const client = new Client('http://simulated.test', { connect: () => wire })
  const refused = client.request(get).catch((error) => error.code)
  await client.destroy()
  t.equal(await refused, 'UND_ERR_DESTROYED')
  t.ok(wire.destroyed)
})

t.test('each request of a destroyed client gets an error with its own context', async (t) => {
  const wire = new Wire()
  const client = over(wire)
  const post = client.request({ path: '/post', method: 'POST' }).catch((error) => error)
  const waits = client.request({ path: '/waits', method: 'POST' }).catch((error) => error)
  await once(wire, 'written')
  await client.destroy()
  t.match(await post, { code: 'UND_ERR_DESTROYED', path: '/post', replaySafe: false })
  t.match(await waits, { code: 'UND_ERR_DESTROYED', path: '/waits', replaySafe: true, bytesWritten: 0 })
})

t.test('the error of a destroyed client has the phase send for a replayable in-flight request', async (t) => {
  const wire = new Wire()
  const client = over(wire)
  const first = client.request(get)
  await once(wire, 'written')
  wire.push(response('first'))
  await (await first).body.dump()
  wire.written = ''
  const second = client.request(get).catch((error) => error)
  await once(wire, 'written')
  await client.destroy()
  const known = { reusedSocket: true, replaySafe: true, bytesWritten: wire.written.length }
  t.match(await second, { code: 'UND_ERR_DESTROYED', phase: 'wait', ...known })
})

t.test('destroy(error) fails all requests with the same error object', async (t) => {
  const wire = new Wire()
  const pool = new Pool('http://simulated.test', {
    connections: 1,
    connect: (_target, callback) => callback(null, wire),
  })
  const post = pool.request({ path: '/post', method: 'POST' }).catch((error) => error)
  const waits = pool.request({ path: '/waits', method: 'POST' }).catch((error) => error)
  await once(wire, 'written')
  const given = Object.assign(new Error('enough'), { code: 'ENOUGH' })
  await pool.destroy(given)
  t.equal(await post, given)
  t.equal(await waits, given)
  t.strictSame(Object.keys(given), ['code'])
})

t.test('a response received before the server closed is delivered when its handler resumes', async (t) => {
  const server = net.createServer((socket) => socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\nbody')))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as net.AddressInfo
  const client = new Client(`http://127.0.0.1:${port}`, {
    connect: (_target, callback) => {
      const socket = net.connect(port, '127.0.0.1', () => callback(null, socket))
      socket.on('close', () => recorder.controller?.resume())
    },
  })
  const recorder: Recorder = new Recorder((name, controller) => {
    if (name === 'head 200') controller.pause()
  })
  client.dispatch(get, recorder)
  await recorder.ended
  t.equal(recorder.error, null)
  t.equal(recorder.body, 'body')
  await client.close()
  server.close()
})

t.test('a connection established in the tick of its timeout leaves no alarm', async (t) => {
  const server = net.createServer((socket) => socket.on('error', () => {}).end())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as net.AddressInfo
  const before = processClock.size
  const socket = await new Promise<Duplex | null>((resolve, reject) => {
    const target = { protocol: 'http:', hostname: '127.0.0.1', port: String(port) }
    buildConnector({ timeout: 20 })(target, (error, opened) => (error === null ? resolve(opened) : reject(error)))
    for (const end = performance.now() + 60; performance.now() < end; ) {}
  })
  t.equal(processClock.size, before)
  socket?.destroy()
  server.close()
})

t.test('a request aborted as its connection is established is not started by the next one', async (t) => {
  const wire = new Wire()
  const client = over(wire)
  const calls: string[] = []
  let abort = (): void => {}
  client.once('connect', () => abort())
  const next = new Recorder()
  const first: DispatchHandler = {
    onRequestQueued: (controller) => {
      abort = () => controller.abort()
    },
    onRequestStart: () => void calls.push('start'),
    onResponseError: () => {
      calls.push('error')
      client.dispatch({ path: '/next', method: 'GET' }, next)
    },
  }
  wire.on('written', () => wire.push('HTTP/1.1 204 No Content\r\n\r\n'))
  client.dispatch(get, first)
  await next.ended
  t.strictSame(calls, ['error'])
  t.match(wire.written, /^GET \/next /)
  await client.close()
})

t.test('a request that a handler dispatches after a synchronous connector error gets a connection', async (t) => {
  const wire = new Wire()
  let refused = 0
  const client = new Client('http://simulated.test', {
    connect: (_target, callback) => (refused++ === 0 ? callback(new Error('refused'), null) : callback(null, wire)),
  })
  const second = new Recorder()
  const first = new Recorder((name) => {
    if (name === 'error') client.dispatch(get, second)
  })
  wire.on('written', () => wire.push('HTTP/1.1 204 No Content\r\n\r\n'))
  client.dispatch(get, first)
  await second.ended
  t.equal(first.error?.message, 'refused')
  t.equal(second.statusCode, 204)
  await client.close()
})

t.test('emits an error event when a handler throws while a closed client rejects its request', async (t) => {
  const client = new Client('http://simulated.test')
  await client.close()
  const reported = once(client as never, 'error')
  const room = client.dispatch(get, {
    onResponseError() {
      throw new Error('thrown')
    },
  })
  t.equal(room, true)
  t.match(await reported, [{ message: 'thrown' }])
})
