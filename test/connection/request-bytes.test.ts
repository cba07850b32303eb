import { EventEmitter, once } from 'node:events'
import { connect as netConnect } from 'node:net'
import { Duplex, PassThrough, Readable } from 'node:stream'
import t from 'tap'
import type { BodyInput } from '../../lib/exchange/request.js'
import { Client, interceptors } from '../../lib/index.js'
import { httpOrigin, rawOrigin, response } from '../servers/origin.js'

/** Responds with a lossless digest of the body: runs of a byte as `byte×count`. */
async function runsOrigin() {
  return httpOrigin((request, reply) => {
    const pieces: Buffer[] = []
    request.on('data', (piece) => pieces.push(piece)).on('end', () => reply.end(runs(Buffer.concat(pieces))))
  })
}

function runs(bytes: Buffer): string {
  let text = ''
  for (let at = 0, end = 0; at < bytes.length; at = end) {
    while (bytes[end] === bytes[at]) end++
    text += `${String.fromCharCode(bytes[at] as number)}×${end - at} `
  }
  return text
}

function expected(size: number): string {
  return [...'abcdefgh'].map((byte) => `${byte}×${size} `).join('')
}

/** Yields the same buffer repeatedly, with new content each time. */
class Refilled {
  readonly #memory: Uint8Array
  #next = 97

  constructor(memory: Uint8Array) {
    this.#memory = memory
  }

  get done(): boolean {
    return this.#next > 104
  }

  next(): Uint8Array {
    return this.#memory.fill(this.#next++)
  }

  /** Fills memory that is no longer read. */
  poison(): void {
    this.#memory.fill(63)
  }
}

class OldStream extends EventEmitter {
  readable = true
  readonly #pieces: Refilled
  #paused = false
  #running = false

  constructor(pieces: Refilled) {
    super()
    this.#pieces = pieces
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    if (this.#running) return
    this.#running = true
    setImmediate(() => this.#run())
  }

  #run(): void {
    this.#running = false
    while (!this.#paused && !this.#pieces.done) {
      this.emit('data', this.#pieces.next())
      this.#pieces.poison()
    }
    if (this.#pieces.done) this.emit('end')
  }

  pipe(to: NodeJS.WritableStream): NodeJS.WritableStream {
    this.on('data', (piece) => {
      if (!to.write(piece)) this.pause()
    })
    this.on('end', () => to.end())
    to.on('drain', () => this.resume())
    this.resume()
    return to
  }
}

const sources: Record<string, (pieces: Refilled) => BodyInput> = {
  'an async generator': (pieces) =>
    (async function* () {
      while (!pieces.done) yield pieces.next()
      pieces.poison()
    })(),
  'a generator': (pieces) =>
    (function* () {
      while (!pieces.done) yield pieces.next()
      pieces.poison()
    })(),
  'a web stream': (pieces) =>
    new ReadableStream(
      {
        pull(controller) {
          if (!pieces.done) return controller.enqueue(pieces.next())
          pieces.poison()
          controller.close()
        },
      },
      { highWaterMark: 0 },
    ) as never,
  'a Readable that pushes later': (pieces) =>
    new Readable({
      highWaterMark: 1,
      read() {
        setImmediate(() => {
          if (pieces.done) return this.push(null)
          this.push(pieces.next())
          pieces.poison()
        })
      },
    }),
  'an old-style stream': (pieces) => new OldStream(pieces) as never,
}

for (const [name, make] of Object.entries(sources)) {
  for (const size of [3, 20_000, 200_000]) {
    for (const headers of [{}, { 'content-length': String(8 * size) }]) {
      const framing = 'content-length' in headers ? 'with a length' : 'in chunks'
      t.test(`sends what ${name} yields in one buffer of ${size} bytes, ${framing}`, async (t) => {
        const origin = await runsOrigin()
        const client = new Client(origin.url)
        for (const memory of [new Uint8Array(size), new Uint8Array(new SharedArrayBuffer(size))]) {
          const body = make(new Refilled(memory))
          const answer = await client.request({ path: '/', method: 'POST', headers, body })
          t.equal(await answer.body.text(), expected(size))
        }
        await client.close()
        await origin.close()
      })
    }
  }
}

t.test('sends what is written to pipeline() in one buffer', async (t) => {
  const origin = await runsOrigin()
  const client = new Client(origin.url)
  for (const size of [3, 200_000]) {
    const duplex = client.pipeline({ path: '/', method: 'POST' }, ({ body }) => body)
    const pieces = new Refilled(new Uint8Array(size))
    while (!pieces.done) {
      await new Promise((resolve) => duplex.write(pieces.next(), resolve))
      pieces.poison()
    }
    duplex.end()
    let text = ''
    for await (const chunk of duplex) text += chunk
    t.equal(text, expected(size))
  }
  await client.close()
  await origin.close()
})

for (const size of [10, 100_000, 20_000_000]) {
  t.test(`sends ${size} bytes that are overwritten when onBodySent and onRequestSent are called`, async (t) => {
    const origin = await runsOrigin()
    const client = new Client(origin.url)
    for (const callback of ['onBodySent', 'onRequestSent'] as const) {
      for (const again of ['while connecting', 'on an open connection']) {
        const body = Buffer.alloc(size, 'x')
        const text = await new Promise<string>((resolve, reject) => {
          let text = ''
          client.dispatch({ path: '/', method: 'POST', body }, {
            onRequestStart() {},
            [callback]: () => body.fill('!'),
            onResponseStart() {},
            onResponseData: (_controller: unknown, chunk: Buffer) => (text += chunk),
            onResponseEnd: () => resolve(text),
            onResponseError: (_controller: unknown, error: Error) => reject(error),
          } as never)
        })
        t.equal(text, `x×${size} `, `${callback}, ${again}`)
      }
    }
    await client.close()
    await origin.close()
  })
}

t.test('copies bytes for a custom stream that keeps the chunks written to it', async (t) => {
  const kept: Buffer[] = []
  const socket = new Duplex({
    read() {},
    write(chunk, _encoding, callback) {
      kept.push(chunk)
      callback()
    },
  })
  const client = new Client('http://localhost', { connect: (_options, callback) => callback(null, socket as never) })
  for (const size of [10, 300_000]) {
    const body = Buffer.alloc(size, 'x')
    kept.length = 0
    await new Promise<void>((resolve) => {
      client.dispatch({ path: '/', method: 'POST', body }, {
        onRequestStart() {},
        onRequestSent: () => {
          body.fill('!')
          setImmediate(() => socket.push(response('ok')))
        },
        onResponseStart() {},
        onResponseEnd: () => resolve(),
        onResponseError() {},
      } as never)
    })
    t.equal(Buffer.concat(kept).toString('latin1').split('\r\n\r\n')[1], 'x'.repeat(size))
  }
  await client.destroy()
})

t.test('a body replayed after its memory was overwritten has the original bytes', async (t) => {
  let dropped = false
  const bodies: string[] = []
  const origin = await rawOrigin((socket, index) => {
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      const [head, body] = chunk.toString().split('\r\n\r\n') as [string, string]
      if (head.startsWith('GET')) return void socket.write(response('warm'))
      if (index === 0) {
        dropped = true
        return void socket.destroy()
      }
      bodies.push(body)
      socket.write(response('stored'))
    })
  })
  const client = new Client(origin.url)
  await (await client.request({ path: '/', method: 'GET' })).body.dump()
  const body = Buffer.from('payload')
  const text = await new Promise<string>((resolve) => {
    let text = ''
    client.dispatch({ path: '/', method: 'PUT', idempotent: true, body }, {
      onRequestStart() {},
      onRequestSent: () => void body.fill('!'),
      onResponseStart() {},
      onResponseData: (_controller: unknown, chunk: Buffer) => (text += chunk),
      onResponseEnd: () => resolve(text),
      onResponseError: (_controller: unknown, error: Error) => resolve(error.message),
    } as never)
  })
  t.ok(dropped)
  t.equal(text, 'stored')
  t.strictSame(bodies, ['payload'])
  await client.close()
  await origin.close()
})

/** A connector that takes several event-loop turns. */
function slowly(url: string) {
  const { port } = new URL(url)
  return (_options: unknown, callback: (...result: [null, Duplex] | [Error, null]) => void) => {
    const socket = netConnect(Number(port), '127.0.0.1', () => setTimeout(() => callback(null, socket), 20))
    socket.on('error', (error) => callback(error, null))
  }
}

async function lengthOrigin() {
  return httpOrigin((request, reply) => {
    let length = 0
    request.on('data', (piece) => (length += piece.length)).on('end', () => reply.end(String(length)))
  })
}

function thousands(): Readable {
  let left = 1000
  return new Readable({
    read: function () {
      this.push(left-- > 0 ? Buffer.alloc(1000) : null)
    },
  })
}

const others: Record<string, (stream: Readable, seen: (chunk: Buffer) => void) => void> = {
  "a 'data' listener": (stream, seen) => void stream.on('data', seen),
  'a pipe': (stream, seen) => void stream.pipe(new PassThrough().on('data', seen)),
  'two pipes, one of them slow': (stream, seen) => {
    stream.pipe(new PassThrough().on('data', seen))
    const slow = new PassThrough({ highWaterMark: 1 })
    stream.pipe(slow)
    slow.on('data', () => {
      slow.pause()
      setImmediate(() => slow.resume())
    })
  },
  "a 'readable' listener that was left behind": (stream, seen) => void stream.on('readable', () => {}).on('data', seen),
  'a caller that resumes it': (stream, seen) => {
    stream.on('data', seen)
    let times = 50
    const again = () => {
      stream.resume()
      if (times-- > 0) setImmediate(again)
    }
    again()
  },
}

for (const [name, listen] of Object.entries(others)) {
  for (const order of ['before', 'after'] as const) {
    t.test(`a stream with ${name} from ${order} the request arrives whole, while connecting and queued`, async (t) => {
      const origin = await lengthOrigin()
      const client = new Client(origin.url, { connect: slowly(origin.url) as never })
      const requests = [1, 2].map(async () => {
        const stream = thousands()
        let seen = 0
        const count = (chunk: Buffer) => {
          seen += chunk.length
        }
        if (order === 'before') listen(stream, count)
        const answer = client.request({ path: '/', method: 'PUT', body: stream })
        if (order === 'after') listen(stream, count)
        t.equal(await (await answer).body.text(), '1000000')
        t.equal(seen, 1_000_000, 'the other listener receives the whole body')
      })
      await Promise.all(requests)
      await client.close()
      await origin.close()
    })
  }
}

t.test('a stream is paused while its request waits behind interceptors', async (t) => {
  const origin = await lengthOrigin()
  const lookup = (_origin: URL, _options: unknown, callback: (error: null, records: object[]) => void) =>
    void setTimeout(() => callback(null, [{ address: '127.0.0.1', family: 4, ttl: 1000 }]), 30)
  const client = new Client(origin.url)
  const { port } = new URL(origin.url)
  const named = client.compose(interceptors.dns({ lookup: lookup as never }))
  const stream = thousands()
  let seen = 0
  stream.on('data', (chunk) => (seen += chunk.length))
  const answer = named.request({ origin: `http://name.test:${port}`, path: '/', method: 'PUT', body: stream })
  await new Promise((resolve) => setTimeout(resolve, 10))
  t.equal(seen, 0)
  t.equal(await (await answer).body.text(), '1000000')
  await client.close()
  await origin.close()
})

t.test('sends the data that remains in a partly read stream', async (t) => {
  const origin = await httpOrigin((request, reply) => void request.pipe(reply))
  const client = new Client(origin.url)
  const peeked = Readable.from([Buffer.from('%PDF-1.7 and the rest')], { objectMode: false })
  await once(peeked, 'readable')
  peeked.unshift(peeked.read(4))
  const first = await client.request({ path: '/', method: 'POST', body: peeked })
  t.equal(await first.body.text(), '%PDF-1.7 and the rest')
  const begun = Readable.from(['ab', 'cd', 'ef'])
  for await (const _ of begun.iterator({ destroyOnReturn: false })) break
  const second = await client.request({ path: '/', method: 'POST', body: begun })
  t.equal(await second.body.text(), 'cdef')
  await client.close()
  await origin.close()
})

t.test('a stream that fails before its request is sent fails it with its own error', async (t) => {
  const client = new Client('http://localhost', { connect: () => {} })
  const error = new Error('no such file')
  const failed = new PassThrough().on('error', () => {}).destroy(error)
  t.equal(await client.request({ path: '/', method: 'POST', body: failed }).catch((error) => error), error)
  const waiting = new PassThrough()
  const request = client.request({ path: '/', method: 'POST', body: waiting }).catch((error) => error)
  await new Promise(setImmediate)
  waiting.destroy(error)
  t.equal(await request, error)
  t.equal(client.stats.size, 0)
  t.notOk(Object.hasOwn(error, 'phase'), 'the error is not modified')
  const closed = new PassThrough()
  const premature = client.request({ path: '/', method: 'POST', body: closed })
  closed.destroy()
  await t.rejects(premature, { code: 'ERR_STREAM_PREMATURE_CLOSE' })
  await client.destroy()
})

t.test('destroys a stream whose request fails before it is sent, and rejects it afterwards', async (t) => {
  const client = new Client('http://localhost', {
    connect: (_options, callback) => void setImmediate(() => callback(new Error('refused'), null)),
  })
  const unreached = new PassThrough()
  await t.rejects(client.request({ path: '/', method: 'POST', body: unreached }), { message: 'refused' })
  t.ok(unreached.destroyed)
  const bad = new PassThrough()
  await t.rejects(client.request({ path: 'relative', method: 'POST', body: bad }), { code: 'UND_ERR_INVALID_ARG' })
  t.ok(bad.destroyed)
  await client.close()
  const late = new PassThrough()
  await t.rejects(client.request({ path: '/', method: 'POST', body: late }), { code: 'UND_ERR_DESTROYED' })
  t.ok(late.destroyed)
})

t.test('a stream can be the body of one request only', async (t) => {
  const origin = await httpOrigin((request, reply) => void request.pipe(reply))
  const client = new Client(origin.url)
  const stream = new PassThrough()
  const first = client.request({ path: '/', method: 'POST', body: stream })
  stream.write('a')
  const { body } = await first
  await t.rejects(client.request({ path: '/', method: 'POST', body: stream }), { code: 'UND_ERR_INVALID_ARG' })
  stream.end('b')
  t.equal(await body.text(), 'ab')
  await client.close()
  await origin.close()
})
