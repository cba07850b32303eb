import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Duplex, Writable } from 'node:stream'
import t from 'tap'
import { BalancedPool, Client, OutlierDetection, RetryHandler } from '../../lib/index.js'
import { httpOrigin, onRequests, rawOrigin } from '../servers/origin.js'
import { fieldOf } from '../servers/ranges.js'
import { Recorder } from '../servers/recorder.js'
import { get, quick, rest, tag } from '../servers/retrying.js'
import { message } from '../servers/script.js'

const CUT = message('200 OK', '0123', { ...tag, 'content-length': '10' })
const HEAD = 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n'

interface End {
  name: string
  end(socket: Socket): void
  /** Code of the socket error. */
  code: string
}

const ends: End[] = [
  { name: 'FIN', end: (socket) => socket.end(), code: 'UND_ERR_SOCKET' },
  { name: 'RST', end: (socket) => socket.resetAndDestroy(), code: 'ECONNRESET' },
]

const shortBody = (code: string) => ({
  name: 'ResponseContentLengthMismatchError',
  code: 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  message: 'The connection ended 6 bytes before the end of the response body',
  cause: { code },
  fault: 'peer',
  phase: 'body',
  replaySafe: false,
})

/** Sends one response text per connection, and closes it when `goOn` is called. */
async function cutOrigin({ end }: End, answers: string[]) {
  const requests: string[] = []
  const origin = await rawOrigin((socket) =>
    onRequests(socket, (head) => {
      socket.write(answers[Math.min(requests.length, answers.length - 1)] as string)
      requests.push(head)
    }),
  )
  // An RST that arrives before the data is read appears as a FIN.
  const goOn = () => {
    for (const socket of origin.sockets) end(socket)
  }
  return { url: origin.url, requests, goOn, close: () => origin.close() }
}

/** One request by a RetryHandler; the connection of the first attempt closes at the callback `at`. */
async function retried(
  end: End,
  at: string,
  answers: string[],
  options: { errorCodes?: string[] | null; retry?: RetryHandler.RetryCallback },
) {
  const origin = await cutOrigin(end, answers)
  const recorder = new Recorder((name) => {
    if (name === at && origin.requests.length === 1) origin.goOn()
  })
  const client = new Client(origin.url)
  const sent = { ...get, retryOptions: { ...quick, ...options } }
  const dispatch: Client['dispatch'] = (options, handler) => client.dispatch(options, handler)
  client.dispatch(sent, new RetryHandler(sent, { dispatch, handler: recorder }))
  await recorder.ended
  await client.destroy()
  await origin.close()
  return { recorder, requests: origin.requests }
}

/** Reads a body until it fails; `received` is called with the first chunk. */
const readers: Record<string, (client: Client, received: () => void) => Promise<unknown>> = {
  async dispatch(client, received) {
    const recorder = new Recorder((name) => {
      if (name === 'data') received()
    })
    client.dispatch(get, recorder)
    const { error } = await recorder.ended
    if (error !== null) throw error
  },
  async 'request, text()'(client, received) {
    const { body } = await client.request(get)
    body.on('data', received)
    return body.text()
  },
  async 'request, for await'(client, received) {
    const { body } = await client.request(get)
    for await (const _ of body) received()
  },
  stream: (client, received) =>
    client.stream(
      get,
      () =>
        new Writable({
          write(_chunk, _encoding, done) {
            received()
            done()
          },
        }),
    ),
  async pipeline(client, received) {
    for await (const _ of client.pipeline(get, ({ body }) => body).end()) received()
  },
}

for (const end of ends) {
  for (const [name, read] of Object.entries(readers)) {
    t.test(`a body cut off by ${end.name} fails with its length and the socket error: ${name}`, async (t) => {
      const origin = await cutOrigin(end, [`${HEAD}0123`])
      const client = new Client(origin.url)
      const disconnect = once(client, 'disconnect')
      const error: Error = await read(client, origin.goOn).then(
        () => Promise.reject(new Error('no error')),
        (thrown) => thrown,
      )
      t.match(error, shortBody(end.code))
      const [, , reason] = await disconnect
      t.equal(reason, error.cause, 'disconnect reports the same cause')
      await client.close()
      await origin.close()
    })
  }

  for (const start of ['HTTP/1.0 200 OK', 'HTTP/1.1 200 OK\r\nconnection: close']) {
    t.test(`a body cut off by ${end.name} after ${JSON.stringify(start)} fails with the same error`, async (t) => {
      const origin = await cutOrigin(end, [`${start}\r\ncontent-length: 10\r\n\r\n0123`])
      const client = new Client(origin.url)
      const recorder = new Recorder((name) => void (name === 'data' && origin.goOn()))
      client.dispatch(get, recorder)
      t.match((await recorder.ended).error, shortBody(end.code))
      await client.close()
      await origin.close()
    })
  }

  t.test(`a chunked body cut off by ${end.name} fails with the socket error`, async (t) => {
    const origin = await cutOrigin(end, ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n0123\r\n'])
    const client = new Client(origin.url)
    const recorder = new Recorder((name) => void (name === 'data' && origin.goOn()))
    client.dispatch(get, recorder)
    t.match((await recorder.ended).error, { code: end.code, phase: 'body' })
    await client.close()
    await origin.close()
  })

  for (const errorCodes of [null, [end.code], ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH']]) {
    t.test(`resumes a body cut off by ${end.name} by a range request, errorCodes: ${errorCodes}`, async (t) => {
      const { recorder, requests } = await retried(end, 'data', [CUT, rest], { errorCodes })
      t.equal(recorder.error, null)
      t.equal(recorder.body, '0123456789')
      t.equal(fieldOf(requests[1] as string, 'range'), 'bytes=4-9')
    })
  }

  t.test(`does not resume a body cut off by ${end.name} if errorCodes lack its codes`, async (t) => {
    const errorCodes = ends.flatMap(({ code }) => (code === end.code ? [] : [code]))
    const { recorder, requests } = await retried(end, 'data', [CUT, rest], { errorCodes })
    t.match(recorder.error, shortBody(end.code))
    t.equal(requests.length, 1)
  })

  t.test(`a retry callback receives the error of a body cut off by ${end.name} behind the headers`, async (t) => {
    const errors: Error[] = []
    const retry: RetryHandler.RetryCallback = (error, _context, callback) => {
      errors.push(error)
      callback(null)
    }
    const whole = message('200 OK', '0123456789', tag)
    const headers = message('200 OK', '', { ...tag, 'content-length': '10' })
    const { recorder } = await retried(end, 'head 200', [headers, whole], { retry })
    t.equal(recorder.body, '0123456789')
    t.match(errors, [{ code: 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH', cause: { code: end.code } }])
  })

  t.test(`a request pipelined behind bodies cut off by ${end.name} fails with the socket error`, async (t) => {
    const origin = await rawOrigin((socket) =>
      onRequests(socket, (head) => {
        if (head.startsWith('GET /last')) socket.write(`${HEAD}0123`)
      }),
    )
    const client = new Client(origin.url, { pipelining: 3 })
    const cut = (name: string) => {
      if (name === 'data') for (const socket of origin.sockets) end.end(socket)
    }
    const recorders = ['/first', '/second', '/last'].map((path) => {
      const recorder = new Recorder(cut)
      client.dispatch({ path, method: 'GET' }, recorder)
      return recorder
    })
    // Pipelined requests behind the first are replayed once.
    const errors = await Promise.all(recorders.map(async ({ ended }) => (await ended).error))
    t.match(errors, [shortBody(end.code), shortBody(end.code), { code: end.code, path: '/last' }])
    await client.close()
    await origin.close()
  })

  t.test(`an upstream whose bodies are cut off by ${end.name} is ejected`, async (t) => {
    const good = await httpOrigin((_request, reply) => void reply.end('0123456789'))
    const bad = await rawOrigin((socket) =>
      onRequests(socket, () => socket.write(`${HEAD}0123`, () => end.end(socket))),
    )
    const outlierDetection = new OutlierDetection({ consecutiveFailures: 2, maxEjectionPercent: 50, panicThreshold: 1 })
    const pool = new BalancedPool([good.url, bad.url], { outlierDetection })
    let failed = 0
    for (let i = 0; i < 12; i++)
      await pool
        .request(get)
        .then(({ body }) => body.text())
        .catch(() => failed++)
    t.equal(failed, 2, 'the upstream is ejected after two failures')
    await pool.destroy()
    await Promise.all([good.close(), bad.close()])
  })
}

/** A socket without a network. */
class Wire extends Duplex {
  override _read(): void {}

  override _write(_chunk: Buffer, _encoding: string, done: () => void): void {
    done()
    this.emit('written')
  }
}

/** Closes a connection while its response is paused at the headers, with `unread` bytes of a ten-byte body received. */
async function brokenWhilePaused(unread: string): Promise<Recorder> {
  const wire = new Wire()
  const client = new Client('http://simulated.test', { connect: (_target, callback) => callback(null, wire) })
  const recorder: Recorder = new Recorder((name, controller) => {
    if (name !== 'head 200') return
    controller.pause()
    setImmediate(() => wire.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })))
  })
  wire.on('written', () => wire.push(HEAD + unread))
  client.dispatch(get, recorder)
  await recorder.ended
  await client.close()
  return recorder
}

t.test(
  'a reset connection fails a paused response whose unread bytes are complete with the socket error',
  async (t) => {
    t.match((await brokenWhilePaused('0123456789')).error, { code: 'ECONNRESET', phase: 'body' })
    t.match((await brokenWhilePaused('0123')).error, shortBody('ECONNRESET'))
  },
)

t.test('a paused response whose unread bytes are complete ends after FIN without an error', async (t) => {
  const wire = new Wire()
  const client = new Client('http://simulated.test', { connect: (_target, callback) => callback(null, wire) })
  const recorder: Recorder = new Recorder((name, controller) => {
    if (name !== 'head 200') return
    controller.pause()
    setImmediate(() => controller.resume())
  })
  wire.on('written', () => {
    wire.push(`${HEAD}0123456789`)
    wire.push(null)
  })
  client.dispatch(get, recorder)
  await recorder.ended
  t.equal(recorder.error, null)
  t.equal(recorder.body, '0123456789')
  await client.close()
})

t.test('a body cut off by destroy(), an abort or a timeout fails with that error', async (t) => {
  const origin = await rawOrigin((socket) => onRequests(socket, () => socket.write(`${HEAD}0123`)))
  const causes: Record<string, (client: Client, abort: AbortController) => unknown> = {
    UND_ERR_DESTROYED: (client) => client.destroy(),
    ENOUGH: (_client, abort) => abort.abort(Object.assign(new Error('enough'), { code: 'ENOUGH' })),
    UND_ERR_BODY_TIMEOUT: () => {},
  }
  for (const [code, act] of Object.entries(causes)) {
    const client = new Client(origin.url, { bodyTimeout: code === 'UND_ERR_BODY_TIMEOUT' ? 10 : 0 })
    const abort = new AbortController()
    const { body } = await client.request({ ...get, signal: abort.signal })
    body.once('data', () => act(client, abort))
    await t.rejects(once(body, 'end'), { code })
    await client.destroy()
  }
  await origin.close()
})
