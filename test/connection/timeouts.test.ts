import { once } from 'node:events'
import net from 'node:net'
import { Duplex, PassThrough, Readable, Writable } from 'node:stream'
import t from 'tap'
import { buildConnector, Client, Pool } from '../../lib/index.js'
import { authority, serverIdentity } from '../servers/certificates.js'
import { event, onRequests, rawOrigin, response } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'
import { inPhase, LOOP_PHASES, threadOrigin } from '../servers/thread-origin.js'

type Failure = Error & { code?: string }

const get = { path: '/', method: 'GET' } as const
const seed = Number(process.env.SLUICE_SEED ?? Math.floor(Math.random() * 2 ** 31))

/** Returns a generator of numbers from 0 to 1 (mulberry32). */
function random(): number {
  state = (state + 0x6d2b79f5) | 0
  let value = Math.imul(state ^ (state >>> 15), 1 | state)
  value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
  return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32
}
let state = seed

/** An operation that ends `delay` ms after the event-loop turn in which `begin` is called. */
type Timed = (delay: number, begin: () => void) => Promise<unknown>

/**
 * Starts when the handler receives callback `name`, and ends with its last callback or the client's next `disconnect`.
 */
function watched(client: Client, name: string, begin: () => void): Promise<unknown> {
  const recorder = new Recorder((callback) => {
    if (callback === name) begin()
  })
  client.dispatch(get, recorder)
  return name === 'end' ? event(client, 'disconnect') : recorder.ended.then(({ error }) => Promise.reject(error))
}

t.test('timeouts fire neither early nor later than a timer of the same delay', async (t) => {
  t.comment(`SLUICE_SEED=${seed}`)
  const silent = await rawOrigin((socket) => socket.resume())
  const partial = await rawOrigin((socket) => {
    onRequests(socket, () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe'))
  })
  const plain = await rawOrigin((socket) => onRequests(socket, () => socket.write(response('x'))))
  const hinting = await rawOrigin((socket) => {
    onRequests(socket, () => socket.write(response('x', { 'keep-alive': 'timeout=1' })))
  })
  const secure = { hostname: 'localhost', protocol: 'https:', port: '443' }
  const kinds: Record<string, Timed> = {
    connect: async (timeout, begin) => {
      // A busy loop delays intermediate steps; that delay is added.
      const httpSocket = net.connect(silent.port, '127.0.0.1')
      await once(httpSocket, 'connect')
      const connector = buildConnector({ timeout })
      begin()
      return new Promise((resolve) => connector({ ...secure, httpSocket }, (...result) => resolve(result)))
    },
    headers: (headersTimeout, begin) => watched(new Client(silent.url, { headersTimeout }), 'start', begin),
    body: (bodyTimeout, begin) => watched(new Client(partial.url, { bodyTimeout }), 'data', begin),
    'keep-alive': (keepAliveTimeout, begin) => watched(new Client(plain.url, { keepAliveTimeout }), 'end', begin),
    'keep-alive of the server': (delay, begin) => {
      const client = new Client(hinting.url, { keepAliveTimeoutThreshold: 1000 - delay })
      return watched(client, 'end', begin)
    },
    'keep-alive, bounded': (keepAliveMaxTimeout, begin) => {
      const client = new Client(hinting.url, { keepAliveMaxTimeout, keepAliveTimeoutThreshold: 0 })
      return watched(client, 'end', begin)
    },
    'time to live': async (clientTtl, begin) => {
      const pool = new Pool(plain.url, { clientTtl })
      begin()
      const disconnected = event(pool, 'disconnect')
      await (await pool.request(get)).body.text()
      await disconnected
    },
  }
  const early: string[] = []
  const late: string[] = []
  // Opening connections keeps the event loop busy.
  const opening = ['connect', 'time to live']
  // These end with an event: the socket is closed after the turn of the timeout, and the event follows in another.
  const closing = ['keep-alive', 'keep-alive of the server', 'keep-alive, bounded', 'time to live']
  // A timeout that is due waits for one more event-loop turn.
  const afterTurns = (turns: number, then: () => void): void => {
    if (turns === 0) then()
    else setImmediate(() => afterTurns(turns - 1, then))
  }
  const measure = async (kind: string, timed: Timed, again = 2): Promise<void> => {
    const delay = (opening.includes(kind) ? 30 : 1) + random() * 60
    let started = 0
    let rang = false
    const ring = (since: number) => {
      const left = since + delay + 2 - performance.now()
      if (left > 0) setTimeout(ring, Math.ceil(left), since)
      else afterTurns(closing.includes(kind) ? 4 : 2, () => (rang = true))
    }
    const passed = timed(delay, () => {
      if (started > 0) return
      started = performance.now()
      // Received data is read and requests are written by then: the alarm is set.
      process.nextTick(() => ring(performance.now()))
    })
    await passed.catch(() => {})
    const elapsed = performance.now() - started
    if (elapsed < delay) early.push(`${kind} of ${delay} after ${elapsed}`)
    if (!rang) return
    // The system delays a timer occasionally, while a fault of the client would do so every time.
    if (again > 0) return measure(kind, timed, again - 1)
    late.push(`${kind} of ${delay} after ${elapsed}`)
  }
  for (const [kind, timed] of Object.entries(kinds)) {
    const opens = opening.includes(kind)
    for (let round = 0; round < (opens ? 5 : 1); round++) {
      await Promise.all(Array.from({ length: opens ? 2 : 20 }, () => measure(kind, timed)))
    }
  }
  t.strictSame(early, [], 'early')
  t.strictSame(late, [], 'late')
  await Promise.all([silent, partial, plain, hinting].map((origin) => origin.close()))
})

t.test('data that arrived while the event loop was busy is in time', async (t) => {
  for (const phase of LOOP_PHASES) {
    const origin = await threadOrigin()
    const client = new Client(origin.url, { headersTimeout: 1000, bodyTimeout: 100, connectTimeout: 100 })
    const block = () => origin.block(150)
    let first: Promise<unknown> | undefined
    await inPhase(phase, () => {
      first = client.request(get)
      block()
    })
    await origin.nextData()
    origin.send({ write: response('') })
    await first
    const answer = client.request({ ...get, headersTimeout: 100 })
    answer.catch(() => {})
    await origin.nextData()
    await inPhase(phase, () => {
      origin.send({ write: 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe' })
      block()
    })
    const { body } = await answer
    const text = body.text()
    text.catch(() => {})
    await inPhase(phase, () => {
      origin.send({ write: 'llo' })
      block()
    })
    t.equal(await text, 'hello', phase)
    await client.close()
    await origin.close()
  }
})

t.test('data that arrived over TLS while the event loop was busy is in time', async (t) => {
  const ca = await authority()
  const identity = await serverIdentity(ca)
  for (const phase of LOOP_PHASES) {
    const origin = await threadOrigin(identity)
    const client = new Client(origin.url, { connectTimeout: 150, connect: { ca: ca.cert } })
    let answer: ReturnType<Client['request']> | undefined
    await inPhase(phase, () => {
      answer = client.request(get)
      origin.block(400)
    })
    answer?.catch(() => {})
    await Promise.race([origin.nextData(), answer])
    origin.send({ write: response('x') })
    t.equal(await (await answer)?.body.text(), 'x', phase)
    await client.close()
    await origin.close()
  }
})

t.test('a server that sent nothing while the event loop was busy times out at once', async (t) => {
  for (const phase of LOOP_PHASES) {
    const origin = await threadOrigin()
    const client = new Client(origin.url, { headersTimeout: 100, bodyTimeout: 100 })
    const order: string[] = []
    const after = (name: string) => setTimeout(() => setImmediate(() => setImmediate(() => order.push(name))), 2)
    const failed = client.request(get).catch((error: Failure) => order.push(String(error.code)))
    await origin.nextData()
    await inPhase(phase, () => {
      origin.block(150)
      after('later')
    })
    await failed
    await client.request(get).catch(() => {})
    t.strictSame(order.slice(0, 2), ['UND_ERR_HEADERS_TIMEOUT', 'later'], phase)
    await client.destroy()
    await origin.close()
  }
})

t.test('single bytes do not extend the headers timeout', async (t) => {
  const origin = await threadOrigin()
  const client = new Client(origin.url, { headersTimeout: 100 })
  const answer = client.request(get)
  answer.catch(() => {})
  await origin.nextData()
  await inPhase('poll', () => {
    origin.send({ write: 'HTTP/1.1 200 OK\r\nx-slow: ' })
    origin.block(150)
  })
  await t.rejects(answer, { code: 'UND_ERR_HEADERS_TIMEOUT', phase: 'headers' })
  await client.destroy()
  await origin.close()
})

t.test('headersTimeout: 0 is no limit, even in the tick in which the keep-alive timeout passes', async (t) => {
  const origin = await rawOrigin((socket) => onRequests(socket, () => setTimeout(() => socket.write(response('x')), 5)))
  // Both timers are due in one turn: that of the idle connection, and the one that sends the next request.
  for (let round = 0; round < 20; round++) {
    const client = new Client(origin.url, { keepAliveTimeout: 10, headersTimeout: 0 })
    await (await client.request(get)).body.text()
    const until = performance.now() + 11
    const second = new Promise<void>((resolve) => setTimeout(resolve, 1)).then(() => client.request(get))
    while (performance.now() < until);
    t.equal(await (await second).body.text(), 'x')
    await client.close()
  }
  await origin.close()
})

t.test('a paused reader does not cause a body timeout', async (t) => {
  const timeout = 30
  const rest = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
  const head = 'HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n'
  const origin = await rawOrigin((socket) => {
    socket.once('data', () => socket.write(head + 'x'.repeat(299_999)))
  })
  const options = { bodyTimeout: timeout }
  const silence = { code: 'UND_ERR_BODY_TIMEOUT' }

  await t.test('a handler that pauses', async (t) => {
    const client = new Client(origin.url, options)
    const recorder = new Recorder((name, controller) => {
      if (name === 'data' && recorder.chunks.length === 1) controller.pause()
    })
    client.dispatch(get, recorder)
    await rest(4 * timeout)
    t.strictSame(recorder.calls, ['start', 'head 200', 'data'])
    recorder.controller?.resume()
    await recorder.ended
    t.match(recorder.error, silence, 'bodyTimeout applies again after resume()')
    t.equal(recorder.body.length, 299_999)
    await client.close()
  })

  await t.test('a handler that pauses at the headers, in the event-loop turn of the timeout', async (t) => {
    const client = new Client(origin.url, options)
    const recorder = new Recorder((name, controller) => {
      if (name === 'head 200') controller.pause()
    })
    client.dispatch(get, recorder)
    await rest(4 * timeout)
    t.strictSame(recorder.calls, ['start', 'head 200'])
    recorder.controller?.resume()
    t.match((await recorder.ended).error, silence)
    await client.close()
  })

  await t.test('a body that is not read', async (t) => {
    const client = new Client(origin.url, options)
    const { body } = await client.request({ ...get, highWaterMark: 1000 })
    await rest(4 * timeout)
    t.equal(body.errored, null)
    await t.rejects(body.text(), silence)
    await client.close()
  })

  await t.test('a slow Writable of stream()', async (t) => {
    const client = new Client(origin.url, options)
    let taken = 0
    const slow = new Writable({
      highWaterMark: 1,
      write(chunk: Buffer, _encoding, callback) {
        taken += chunk.length
        setTimeout(callback, 2 * timeout)
      },
    })
    await t.rejects(
      client.stream(get, () => slow),
      silence,
    )
    t.equal(taken, 299_999)
    await client.close()
  })

  await t.test('a pipeline whose other end is full', async (t) => {
    const client = new Client(origin.url, options)
    const duplex = client.pipeline(get, ({ body }) => body.pipe(new PassThrough({ highWaterMark: 1 })))
    duplex.end()
    const failed = event<[Failure]>(duplex, 'error')
    await rest(4 * timeout)
    duplex.resume()
    t.match((await failed)[0], silence)
    await client.close()
  })

  await origin.close()
})

t.test('a slow body source does not cause a headers timeout', async (t) => {
  const rest = () => new Promise((resolve) => setTimeout(resolve, 100))
  async function* slow() {
    await rest()
    yield 'a'
    await rest()
    yield 'b'
    await rest()
    yield 'END'
  }
  const bodies: Record<string, () => Readable | AsyncIterable<string>> = {
    stream: () => Readable.from(slow()),
    iterable: slow,
  }
  const origin = await rawOrigin((socket) => {
    socket.on('data', (chunk) => {
      if (chunk.includes('expect:')) socket.write('HTTP/1.1 100 Continue\r\n\r\n')
      if (chunk.includes('END') && !chunk.includes('/silent')) socket.write(response('taken'))
    })
  })
  for (const [name, body] of Object.entries(bodies)) {
    for (const expectContinue of [false, true]) {
      const client = new Client(origin.url, { headersTimeout: 30 })
      const options = { path: '/', method: 'PUT', expectContinue } as const
      const { body: answer } = await client.request({ ...options, body: body() })
      t.equal(await answer.text(), 'taken', `${name}${expectContinue ? ', continued' : ''}`)
      await client.close()
    }
  }
  await origin.close()

  const silent = await rawOrigin((socket) => socket.resume())
  const client = new Client(silent.url, { headersTimeout: 30 })
  const recorder = new Recorder()
  let ended = 0
  const whole = Readable.from(slow()).on('end', () => (ended = performance.now()))
  client.dispatch({ path: '/', method: 'PUT', body: whole }, recorder)
  t.match(
    (await recorder.ended).error,
    { code: 'UND_ERR_HEADERS_TIMEOUT' },
    'no response after the whole request was sent',
  )
  t.ok(ended > 0 && performance.now() - ended >= 30, 'headersTimeout starts at the end of the request body')
  await client.destroy()
  await silent.close()
})

/** A socket to a peer that reads 10 kB per ms, at most `limit` bytes, and responds after `size` bytes. */
function slowly(size: number, limit = Infinity): Duplex {
  let taken = 0
  return new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, callback) {
      taken += chunk.length
      if (taken > limit) return
      if (taken > size) this.push(response('taken'))
      setTimeout(callback, chunk.length / 10_000)
    },
  })
}

t.test('an upload times out only when the server stops reading it', async (t) => {
  const size = 4_000_000
  function* pieces(length: number) {
    for (let sent = 0; sent < size; sent += length) yield Buffer.alloc(length)
  }
  const bodies: Record<string, () => Buffer | Iterable<Buffer>> = {
    'one Buffer': () => Buffer.alloc(size),
    'large pieces': () => pieces(2_000_000),
    'small pieces': () => pieces(40_000),
  }
  // Neither timeouts nor these sockets keep the process alive.
  const alive = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(alive))
  for (const [name, body] of Object.entries(bodies)) {
    const headers = { 'content-length': String(size) }
    const ask = (socket: Duplex) => {
      const connect = (_options: object, callback: (error: null, socket: never) => void) =>
        callback(null, socket as never)
      const client = new Client('http://localhost', { headersTimeout: 150, connect })
      return client.request({ path: '/', method: 'PUT', headers, body: body() })
    }
    const started = performance.now()
    t.equal(await (await ask(slowly(size))).body.text(), 'taken', name)
    t.ok(performance.now() - started > 150, 'it took longer than the timeout')
    const failure = await ask(slowly(size, size / 2)).catch((error) => error)
    t.match(failure, { code: 'UND_ERR_HEADERS_TIMEOUT', phase: 'send', replaySafe: false })
    t.ok(failure.bytesWritten < 0.9 * size, `${failure.bytesWritten} bytes were handed over`)
  }
})

t.test('a socket that accepts much data in one write does not stall the upload', async (t) => {
  const socket = new Duplex({
    writableHighWaterMark: 10_000_000,
    read() {},
    write(chunk: Buffer, _encoding, callback) {
      if (chunk.toString('latin1').endsWith('0\r\n\r\n')) this.push(response('taken'))
      callback()
    },
  })
  const client = new Client('http://localhost', { connect: (_options, callback) => callback(null, socket as never) })
  const body = [Buffer.alloc(300_000), Buffer.alloc(300_000)]
  t.equal(await (await client.request({ path: '/', method: 'PUT', body })).body.text(), 'taken')
  await client.close()
})

/** A replayable body that yields small chunks. */
function dripping(drops: number): Blob & { sent: number } {
  async function* drip() {
    for (; blob.sent < drops; blob.sent++) {
      yield new Uint8Array([120])
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  const stream = () => Readable.toWeb(Readable.from(drip()))
  const blob = Object.assign(new Blob([new Uint8Array(drops)]), { sent: 0, stream: stream as never })
  return blob
}

t.test('a pipelined upload does not extend the timeout of the request ahead of it', async (t) => {
  const silent = await rawOrigin((socket) => socket.resume())
  const client = new Client(silent.url, { headersTimeout: 200, pipelining: 2 })
  const body = dripping(100)
  const first = client.request(get)
  const second = client.request({ path: '/', method: 'PUT', idempotent: true, body, headersTimeout: 0 })
  second.catch(() => {})
  await t.rejects(first, { code: 'UND_ERR_HEADERS_TIMEOUT' })
  t.ok(body.sent > 0 && body.sent < 100, `timed out after ${body.sent} chunks`)
  await Promise.all([t.rejects(second), client.destroy()])
  await silent.close()
})

t.test('sending does not extend the body timeout of a response in progress', async (t) => {
  const silent = await rawOrigin((socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n'))
    socket.resume()
  })
  const client = new Client(silent.url, { bodyTimeout: 50, headersTimeout: 0 })
  const body = dripping(60)
  const { body: answer } = await client.request({ path: '/', method: 'PUT', body })
  await t.rejects(answer.text(), { code: 'UND_ERR_BODY_TIMEOUT' })
  t.ok(body.sent < 60, `timed out after ${body.sent} chunks`)
  await client.destroy()
  await silent.close()
})

t.test('an upload whose response completes early does not fail other requests', async (t) => {
  const reasons: Record<string, (controller: AbortController, body: Blob & { sent: number }) => void> = {
    aborted: (controller) => controller.abort(new Error('aborted')),
    failed: (_controller, body) => {
      body.sent = 1e9
    },
  }
  for (const [name, end] of Object.entries(reasons)) {
    const origin = await rawOrigin((socket) => {
      onRequests(socket, (head, index) => {
        if (head.includes('/first')) setTimeout(() => socket.write(response('first')), 60)
        else if (index === 0) socket.write(response('later'))
      })
    })
    const client = new Client(origin.url, { pipelining: 2, headersTimeout: 2000 })
    const body = dripping(100)
    const controller = new AbortController()
    const first = client.request({ path: '/first', method: 'GET' })
    const options = { path: '/', method: 'PUT', idempotent: true, body, signal: controller.signal } as const
    const second = client.request(options)
    const failed = t.rejects(second, name === 'aborted' ? { message: 'aborted' } : { code: /MISMATCH/ }, name)
    while (body.sent < 2) await new Promise((resolve) => setTimeout(resolve, 5))
    end(controller, body)
    await failed
    t.equal(await (await first).body.text(), 'first', 'the earlier request completes')
    t.equal(origin.connections, 1, 'on its connection')
    t.equal(await (await client.request({ path: '/later', method: 'GET' })).body.text(), 'later')
    t.equal(origin.connections, 2, 'a later request uses a new connection')
    await client.close()
    await origin.close()
  }
})

t.test('changing the system clock does not affect timeouts', async (t) => {
  const { now } = Date
  t.teardown(() => {
    Date.now = now
  })
  for (const jump of [1e9, -1e9]) {
    const origin = await threadOrigin()
    const client = new Client(origin.url, { headersTimeout: 60, bodyTimeout: 60, keepAliveTimeout: 60 })
    const answer = client.request(get)
    await origin.nextData()
    Date.now = () => now() + jump
    await new Promise((resolve) => setTimeout(resolve, 20))
    origin.send({ write: response('x') })
    t.equal(await (await answer).body.text(), 'x')
    const started = performance.now()
    t.match((await event<[URL, unknown, Error]>(client, 'disconnect'))[2], { message: 'socket idle timeout' })
    t.ok(performance.now() - started > 30)
    await t.rejects(client.request(get), { code: 'UND_ERR_HEADERS_TIMEOUT' })
    Date.now = now
    await client.destroy()
    await origin.close()
  }
})
