import { execFile } from 'node:child_process'
import diagnostics from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { PassThrough, type Readable, Writable } from 'node:stream'
import type { ReadableStream as WebStream } from 'node:stream/web'
import { setTimeout as wait } from 'node:timers/promises'
import tls from 'node:tls'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { buildConnector, Client, type Dispatcher, interceptors } from '../../lib/index.js'
import fc from '../property.js'
import { authority, serverIdentity } from '../servers/certificates.js'
import { listen, onRequests, rawOrigin } from '../servers/origin.js'

/** Bytes that depend on their position and on the response. */
function bytes(length: number, seed: number): Buffer {
  const all = Buffer.alloc(length)
  for (let i = 0; i < length; i++) all[i] = (i * 31 + (i >> 8) * 7 + seed * 13) & 0xff
  return all
}

type Framing = 'length' | 'chunked' | 'close' | 'gzip'

/** Serves the response that the path describes: `/framing/length/seed/pieces`. */
function answer(path: string): Buffer[] {
  const [, framing, length, seed, count] = path.split('/')
  const body = bytes(Number(length), Number(seed))
  const pieces = Math.max(1, Number(count))
  const size = Math.ceil(body.length / pieces) || 1
  const parts = Array.from({ length: Math.ceil(body.length / size) }, (_, i) => body.subarray(i * size, (i + 1) * size))
  const head = (fields: string) => Buffer.from(`HTTP/1.1 200 OK\r\n${fields}\r\n\r\n`)
  if (framing === 'chunked') {
    const chunks = parts.map((part) =>
      Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]),
    )
    return [head('transfer-encoding: chunked'), ...chunks, Buffer.from('0\r\n\r\n')]
  }
  if (framing === 'close') return [head('connection: close'), ...parts]
  if (framing === 'length') return [head(`content-length: ${body.length}`), ...parts]
  const packed = gzipSync(body)
  return [head(`content-encoding: gzip\r\ncontent-length: ${packed.length}`), packed]
}

function serve(socket: Socket): void {
  socket.on('error', () => {})
  onRequests(socket, (head) => {
    const [method, path = ''] = head.split(' ')
    // The last chunk of a request body looks like a request head.
    if (method !== 'GET' || socket.writableEnded) return
    for (const part of answer(path)) socket.write(part)
    if (path.startsWith('/close')) socket.end()
  })
}

/** Operations that consumers apply to the memory of a chunk once they have its bytes. */
const treatments = {
  transfer: (chunk: Uint8Array) => void structuredClone(chunk.buffer, { transfer: [chunk.buffer as ArrayBuffer] }),
  overwrite: (chunk: Uint8Array) => void new Uint8Array(chunk.buffer).fill(0xee),
}
type Treatment = keyof typeof treatments

/** Keeps the bytes of chunks, checks that their memory holds nothing else, and applies `treat` to it. */
class Taker {
  readonly #treatment: Treatment
  readonly #kept: Buffer[] = []
  readonly #seen = new Set<ArrayBufferLike>()

  constructor(treatment: Treatment) {
    this.#treatment = treatment
  }

  readonly take = (chunk: Uint8Array): void => {
    if (chunk.length === 0) return
    if (chunk.byteLength !== chunk.buffer.byteLength)
      throw new Error(`${chunk.byteLength} of ${chunk.buffer.byteLength}`)
    if (this.#seen.has(chunk.buffer)) throw new Error('memory of another chunk')
    this.#seen.add(chunk.buffer)
    this.#kept.push(Buffer.concat([chunk]))
    treatments[this.#treatment](chunk)
  }

  get all(): Buffer {
    return Buffer.concat(this.#kept)
  }
}

type Request = Dispatcher.DispatchOptions
type Mode = (client: Dispatcher, request: Request, taker: Taker) => Promise<unknown>

const stop = () => {}

const ended = (stream: Readable): Promise<void> =>
  new Promise((resolve, reject) => {
    stream.on('end', resolve)
    stream.on('error', reject)
  })

async function readAll(stream: WebStream<Uint8Array>, take: (chunk: Uint8Array) => void): Promise<void> {
  const reader = stream.getReader()
  for (let next = await reader.read(); !next.done; next = await reader.read()) take(next.value)
}

const modes: Record<string, Mode> = {
  'a handler': (client, request, { take }) =>
    new Promise((resolve, reject) => {
      client.dispatch(request, {
        onRequestStart: stop,
        onResponseStart: stop,
        onResponseData: (_controller, chunk) => take(chunk),
        onResponseEnd: resolve,
        onResponseError: (_controller, error) => reject(error),
      })
    }),
  'a handler that pauses': (client, request, { take }) =>
    new Promise((resolve, reject) => {
      client.dispatch(request, {
        onRequestStart: stop,
        onResponseStart: stop,
        onResponseData(controller, chunk) {
          controller.pause()
          setImmediate(() => controller.resume())
          take(chunk)
        },
        onResponseEnd: resolve,
        onResponseError: (_controller, error) => reject(error),
      })
    }),
  'a legacy handler': (client, request, { take }) =>
    new Promise((resolve, reject) => {
      const taken = (raw: Buffer[] | string[] | null) => {
        const memory = new Set((raw ?? []).map((text) => (text as Buffer).buffer))
        for (const buffer of memory) structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })
      }
      const handler = {
        onConnect: stop,
        onHeaders: (_status: number, headers: Buffer[]) => taken(headers),
        onData: take,
        onComplete(trailers: Buffer[]) {
          taken(trailers)
          resolve(null)
        },
        onError: reject,
      }
      client.dispatch(request, handler as unknown as Dispatcher.DispatchHandler)
    }),
  "'data'": async (client, request, { take }) => {
    const { body } = await client.request(request)
    await ended(body.on('data', take))
  },
  "'data' behind a pause": async (client, request, { take }) => {
    const { body } = await client.request(request)
    await wait(5)
    body.on('data', (chunk) => {
      take(chunk)
      body.pause()
      setImmediate(() => body.resume())
    })
    await ended(body)
  },
  'for await': async (client, request, { take }) => {
    const { body } = await client.request(request)
    for await (const chunk of body) take(chunk)
  },
  'for await of chunks that have joined': async (client, request, { take }) => {
    const { body } = await client.request(request)
    for await (const chunk of body) {
      take(chunk)
      await new Promise(setImmediate)
    }
  },
  'read(7)': async (client, request, { take }) => {
    const { body } = await client.request(request)
    body.on('readable', () => {
      for (let piece = body.read(7) ?? body.read(); piece !== null; piece = body.read(7) ?? body.read()) take(piece)
    })
    await ended(body)
  },
  'read(100000)': async (client, request, { take }) => {
    const { body } = await client.request(request)
    body.on('readable', () => {
      for (let piece = body.read(100_000) ?? body.read(); piece !== null; piece = body.read()) take(piece)
    })
    await ended(body)
  },
  'the web stream': async (client, request, { take }) => {
    const { body } = await client.request(request)
    await readAll(body.body as unknown as WebStream<Uint8Array>, take)
  },
  'a byte stream': async (client, request, { take }) => {
    const { body } = await client.request(request)
    const pieces = body[Symbol.asyncIterator]()
    const stream = new ReadableStream({
      type: 'bytes',
      async pull(controller) {
        const { done, value } = await pieces.next()
        if (!done) return controller.enqueue(value)
        controller.close()
        controller.byobRequest?.respond(0)
      },
    })
    await readAll(stream as unknown as WebStream<Uint8Array>, (chunk) => take(new Uint8Array(chunk)))
  },
  'bytes()': async (client, request, { take }) => take(await (await client.request(request)).body.bytes()),
  'arrayBuffer(), late': async (client, request, { take }) => {
    const { body } = await client.request(request)
    await wait(2)
    take(new Uint8Array(await body.arrayBuffer()))
  },
  'blob()': async (client, request, { take }) => {
    const blob = await (await client.request(request)).body.blob()
    take(new Uint8Array(await blob.arrayBuffer()))
  },
  'stream()': (client, request, { take }) =>
    client.stream(request, () => new Writable({ write: (chunk, _encoding, done) => done(void take(chunk) as never) })),
  'pipeline()': async (client, request, { take }) => {
    const duplex = client.pipeline(request, ({ body }) => body)
    duplex.end()
    for await (const chunk of duplex) take(chunk)
  },
  'pipeline(), taken within': async (client, request, { take }) => {
    const duplex = client.pipeline(request, ({ body }) => {
      const out = new PassThrough()
      body.on('data', take).on('end', () => out.end())
      return out
    })
    duplex.end()
    await ended(duplex.resume() as unknown as Readable)
  },
  'an interceptor that retries': (client, request, taker) =>
    (modes['a handler'] as Mode)(client.compose(interceptors.retry()), request, taker),
  'interceptors, for await': (client, request, taker) =>
    (modes['for await'] as Mode)(client.compose(interceptors.redirect(), interceptors.retry()), request, taker),
}

const framings: Framing[] = ['length', 'chunked', 'close']
const someLength = fc.oneof(
  fc.integer({ min: 1, max: 200 }),
  fc.integer({ min: 4000, max: 9000 }),
  fc.integer({ min: 60_000, max: 900_000 }),
)

/** Checks that Node's buffer pool is intact: small buffers keep what is written to them. */
function poolWorks(): boolean {
  const all = Array.from({ length: 50 }, (_, i) => Buffer.from(`number ${i}`))
  return all.every((one, i) => one.toString() === `number ${i}`)
}

t.test('response chunks can be transferred or overwritten, with every way to read a body', async (t) => {
  const server = await rawOrigin(serve)
  const ca = await authority()
  const secure = await listen(tls.createServer(await serverIdentity(ca), serve), { protocol: 'https:' })
  const connector = buildConnector()
  const clients = {
    plain: () => new Client(server.url, { pipelining: 3 }),
    'the parser without WebAssembly': () => new Client(server.url, { parser: 'js' }),
    "a connector of the caller's": () =>
      new Client(server.url, { connect: (options, callback) => connector({ ...options }, callback) }),
    TLS: () => new Client(secure.url, { connect: { ca: ca.cert } }),
  }
  let seed = 0
  for (const [name, open] of Object.entries(clients)) {
    const calls = fc.array(
      fc.tuple(
        fc.constantFrom(...Object.keys(modes)),
        fc.constantFrom(...framings),
        someLength,
        fc.integer({ min: 1, max: 12 }),
        fc.constantFrom<Treatment>('transfer', 'overwrite'),
      ),
      { minLength: 1, maxLength: 6 },
    )
    await fc.assert(
      fc.asyncProperty(calls, async (all) => {
        const client = open()
        await Promise.all(
          all.map(async ([mode, framing, length, pieces, treatment]) => {
            const taker = new Taker(treatment)
            const number = ++seed
            const request = { path: `/${framing}/${length}/${number}/${pieces}`, method: 'GET' as const }
            await (modes[mode] as Mode)(client, request, taker)
            if (!taker.all.equals(bytes(length, number))) throw new Error(`other bytes by ${mode}`)
          }),
        )
        if (!poolWorks()) throw new Error('the pool of the process is gone')
        await client.close()
      }),
      { numRuns: 25 },
    )
    t.pass(name)
  }
  await server.close()
  await secure.close()
})

t.test('chunks that an interceptor decompresses can be transferred or overwritten', async (t) => {
  const server = await rawOrigin(serve)
  const client = new Client(server.url, { pipelining: 3 })
  const decoding = client.compose(interceptors.decompress())
  for (const name of ['a handler', 'a legacy handler', "'data'", 'for await', 'bytes()', 'stream()']) {
    for (const treatment of ['transfer', 'overwrite'] as const) {
      // One zlib chunk; a full chunk and the start of another; many chunks.
      for (const length of [5, 16_384, 20_000, 300_000]) {
        const taker = new Taker(treatment)
        await (modes[name] as Mode)(decoding, { path: `/gzip/${length}/${length}/1`, method: 'GET' }, taker)
        if (!taker.all.equals(bytes(length, length))) t.fail(`${name}, ${treatment}, ${length} bytes`)
      }
    }
  }
  t.ok(poolWorks())
  await client.close()
  await server.close()
})

t.test('the bytes of a tunnel can be transferred, also those received with the headers', async (t) => {
  const server = await rawOrigin((socket) => {
    onRequests(socket, (head) => {
      const upgrade = head.startsWith('GET') ? '101 S\r\nconnection: upgrade\r\nupgrade: x' : '200 OK'
      socket.write(`HTTP/1.1 ${upgrade}\r\n\r\nearly`)
      setTimeout(() => socket.end('late'), 5)
    })
  })
  const connector = buildConnector()
  const clients = [
    new Client(server.url),
    new Client(server.url, { parser: 'js' }),
    new Client(server.url, { connect: (options, callback) => connector({ ...options }, callback) }),
  ]
  for (const client of clients) {
    for (const open of [() => client.upgrade({ path: '/' }), () => client.connect({ path: 'a:1' })]) {
      const { socket } = await open()
      const taker = new Taker('transfer')
      socket.on('data', taker.take)
      await ended(socket)
      t.equal(taker.all.toString(), 'earlylate')
    }
    await client.close()
  }
  t.ok(poolWorks())
  await server.close()
})

t.test('the body of a refused CONNECT can be transferred', async (t) => {
  const refusing = await rawOrigin((socket) =>
    onRequests(socket, () => {
      socket.write('HTTP/1.1 407 No\r\ntransfer-encoding: chunked\r\n\r\n3\r\nnot\r\n')
      setTimeout(() => socket.write('4\r\n you\r\n0\r\n\r\n'), 5)
    }),
  )
  const client = new Client(refusing.url)
  const { socket } = await client.connect({ path: 'a:1' })
  const taker = new Taker('transfer')
  await wait(20)
  for await (const chunk of socket) taker.take(chunk)
  t.equal(taker.all.toString(), 'not you')
  t.ok(poolWorks())
  await client.close()
  await refusing.close()
})

t.test('a subscriber of body chunks gets copies', async (t) => {
  const server = await rawOrigin(serve)
  const client = new Client(server.url)
  const published = new Taker('transfer')
  const subscriber = (message: unknown) => published.take((message as { chunk: Buffer }).chunk)
  diagnostics.subscribe('undici:request:bodyChunkReceived', subscriber)
  const borrowing = (taker: Taker): Promise<unknown> =>
    new Promise((resolve, reject) => {
      client.dispatch(
        { path: '/length/300000/3/1', method: 'GET' },
        {
          borrowsChunks: true,
          onRequestStart: stop,
          onResponseData: (_controller, chunk) => taker.take(Buffer.concat([chunk, Buffer.alloc(0)])),
          onResponseEnd: resolve,
          onResponseError: (_controller, error) => reject(error),
        },
      )
    })
  const taker = new Taker('overwrite')
  await (modes['a handler'] as Mode)(client, { path: '/length/300000/1/1', method: 'GET' }, taker)
  await (modes["'data'"] as Mode)(client, { path: '/chunked/300/2/3', method: 'GET' }, taker)
  const kept: Buffer[] = []
  await borrowing({ take: (chunk: Buffer) => void kept.push(Buffer.from(chunk)) } as unknown as Taker)
  diagnostics.unsubscribe('undici:request:bodyChunkReceived', subscriber)
  const all = Buffer.concat([bytes(300_000, 1), bytes(300, 2)])
  t.ok(taker.all.equals(all))
  t.ok(Buffer.concat(kept).equals(bytes(300_000, 3)))
  t.ok(published.all.equals(Buffer.concat([all, bytes(300_000, 3)])))
  await client.close()
  await server.close()
})

t.test('a wrapped or patched handler gets chunks that it can keep', async (t) => {
  const server = await rawOrigin(serve)
  const client = new Client(server.url)
  type Handler = Dispatcher.DispatchHandler & { onResponseData(controller: unknown, chunk: Buffer): void }
  const wrappers: Record<string, (handler: Handler, take: (chunk: Buffer) => void) => Handler> = {
    proxied: (handler, take) =>
      new Proxy(handler, {
        get(target, key) {
          const value = Reflect.get(target, key) as unknown
          if (typeof value !== 'function') return value
          return (...values: unknown[]) => {
            if (key === 'onResponseData') take(values[1] as Buffer)
            return value.apply(target, values) as unknown
          }
        },
      }),
    patched(handler, take) {
      const { onResponseData } = handler
      handler.onResponseData = (controller, chunk) => {
        take(chunk)
        onResponseData.call(handler, controller, chunk)
      }
      return handler
    },
  }
  for (const [name, wrap] of Object.entries(wrappers)) {
    for (const path of ['/length/5/1/1', '/length/3000/1/1', '/length/900000/1/1', '/chunked/900/1/9']) {
      const kept: Buffer[] = []
      const wrapping = client.compose(
        (dispatch) => (options, handler) =>
          dispatch(
            options,
            wrap(handler as Handler, (chunk) => kept.push(chunk)),
          ),
      )
      const { body } = await wrapping.request({ path, method: 'GET' })
      const length = Number(path.split('/')[2])
      t.ok(Buffer.from(await body.bytes()).equals(bytes(length, 1)), `${name}: ${path}`)
      t.ok(Buffer.concat(kept).equals(bytes(length, 1)), `${name}: ${path}, as it was kept`)
      for (const chunk of kept) t.equal(chunk.buffer.byteLength, chunk.byteLength)
    }
  }
  await client.close()
  await server.close()
})

t.test('a zero-copy chunk can not be transferred: only the request whose handler attempts it fails', async (t) => {
  const server = await rawOrigin(serve)
  for (const parser of ['wasm', 'js'] as const) {
    const client = new Client(server.url, { parser })
    const others = new Client(server.url, { parser })
    const dispatched = new Promise<string>((resolve) => {
      client.dispatch(
        { path: '/length/300000/1/1', method: 'GET' },
        {
          borrowsChunks: true,
          onRequestStart: stop,
          onResponseData: (_controller, chunk) => treatments.transfer(chunk),
          onResponseEnd: () => resolve('end'),
          onResponseError: (_controller, error) => resolve(error.name),
        },
      )
    })
    // Node 20 copies memory that can not be transferred, later versions throw.
    t.match(await dispatched, parser === 'wasm' ? /^(DataCloneError|TypeError|end)$/ : 'end')
    for (const one of [client, others]) {
      const { body } = await one.request({ path: '/length/300000/2/1', method: 'GET' })
      t.ok(Buffer.from(await body.bytes()).equals(bytes(300_000, 2)), parser)
    }
    await client.close()
    await others.close()
  }
  await server.close()
})

/** Prints how many KB of buffers are held per started response. */
const streams = (url: string, count: number) => `
  import { Agent } from ${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)}
  const agent = new Agent({ connections: null })
  const settle = async () => {
    for (let i = 0; i < 5; i++) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      globalThis.gc()
    }
  }
  let received = 0
  const { body } = await agent.request({ origin: '${url}', path: '/once', method: 'GET' })
  await body.bytes()
  await settle()
  const before = process.memoryUsage().arrayBuffers
  for (let i = 0; i < ${count}; i++) {
    const { body } = await agent.request({ origin: '${url}', path: '/', method: 'GET' })
    body.on('error', () => {}).on('data', (chunk) => {
      received += chunk.length
      if (received === Number(process.argv[1]) * ${count}) {
        settle().then(() => {
          console.log((process.memoryUsage().arrayBuffers - before) / ${count} / 1024)
          process.exit()
        })
      }
    })
  }`

t.test('a response that waits for data holds no memory', async (t) => {
  const cases: [fields: string, sizes: number[]][] = [
    // 97 280 and 98 304 bytes fill the input buffer and a body read buffer exactly.
    ['connection: close', [9, 97_280, 195_584, 200_000, 258_048, 1_000_000]],
    ['content-length: 90000000', [200_000, 1_048_576]],
    ['transfer-encoding: chunked', [65_536]],
  ]
  for (const [fields, bursts] of cases) {
    for (const size of bursts) {
      const server = await rawOrigin((socket) =>
        onRequests(socket, (head) => {
          const chunked = fields.endsWith('chunked') ? `${size.toString(16)}\r\n` : ''
          if (head.startsWith('GET /once')) return void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx')
          socket.write(`HTTP/1.1 200 OK\r\n${fields}\r\n\r\n`)
          // One burst of data that does not end with a separate read.
          setTimeout(() => {
            if (chunked !== '') socket.write(chunked)
            socket.write(Buffer.alloc(size, 97))
          }, 5)
        }),
      )
      const output = await new Promise<string>((resolve) => {
        const args = ['--expose-gc', '--input-type=module', '-e', streams(server.url, 120), '--', String(size)]
        execFile(process.execPath, args, { timeout: 20_000 }, (error, out, err) => resolve(out || `${error} ${err}`))
      })
      // The whole process has one spare buffer of 96 KB, and at most eight wait for a read.
      t.ok(Number(output) < 8, `${fields}, ${size} bytes: ${output.trim()} KB`)
      await server.close()
    }
  }
})

t.test('a connection that closes while it waits for data gives its memory back', async (t) => {
  // The read fills the input buffer exactly, so that a body read buffer is taken for the next one.
  const sent = Buffer.alloc(97_280, 97)
  const server = await rawOrigin((socket) =>
    onRequests(socket, (head) => {
      const silent = head.startsWith('GET /silent')
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${silent ? 90_000_000 : 30_000_000}\r\n\r\n`)
      setTimeout(() => socket.write(silent ? sent : Buffer.alloc(30_000_000, 98)), 5)
    }),
  )
  for (let i = 0; i < 20; i++) {
    const client = new Client(server.url)
    const { body } = await client.request({ path: '/silent', method: 'GET' })
    let received = 0
    for await (const chunk of body) {
      received += (chunk as Buffer).length
      if (received === sent.length) break
    }
    await client.destroy()
  }
  const client = new Client(server.url)
  const { body } = await client.request({ path: '/', method: 'GET' })
  const lengths = new Set<number>()
  for await (const chunk of body) lengths.add((chunk as Buffer).length)
  t.ok(lengths.has(98_304), [...lengths].join())
  await client.close()
  await server.close()
})
