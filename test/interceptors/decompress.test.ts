import type { Duplex } from 'node:stream'
import zlib from 'node:zlib'
import t, { type Test } from 'tap'
import {
  Agent,
  Client,
  type Dispatcher,
  type DispatchHandler,
  errors,
  interceptors,
  type LegacyDispatchHandler,
  Pool,
} from '../../lib/index.js'
import { event, httpOrigin, onRequests, rawOrigin } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'

type Encode = (bytes: Buffer) => Buffer
const zstd = (zlib as { zstdCompressSync?: Encode }).zstdCompressSync
const codings: Record<string, Encode> = {
  gzip: (bytes) => zlib.gzipSync(bytes),
  'x-gzip': (bytes) => zlib.gzipSync(bytes),
  deflate: (bytes) => zlib.deflateSync(bytes),
  'deflate, bare': (bytes) => zlib.deflateRawSync(bytes),
  br: (bytes) => zlib.brotliCompressSync(bytes),
  ...(zstd === undefined ? {} : { zstd }),
}
const nameOf = (coding: string) => coding.split(',')[0] as string
const text = Buffer.from('Water runs through a sluice; water runs through. \u00e9')

/** Dispatch function that delivers the given chunks even when paused, and records calls of its controller. */
function answering(coding: string, pieces: readonly Buffer[], steered: string[] = []): Dispatcher.Dispatch {
  return (_options, handler) => {
    const recorder = handler as DispatchHandler
    let over = false
    const controller = {
      aborted: false,
      paused: false,
      reason: null,
      rawHeaders: ['Content-Encoding', coding, 'X-Own', 'yes', 'CONTENT-LENGTH', '1'],
      rawTrailers: [],
      abort(error?: Error) {
        if (over) return
        over = true
        recorder.onResponseError?.(controller, error as Error)
      },
      pause: () => steered.push('pause'),
      resume: () => steered.push('resume'),
    }
    recorder.onRequestStart?.(controller, null)
    const headers = { 'content-encoding': coding, 'x-own': 'yes', 'content-length': '1' }
    recorder.onResponseStart?.(controller, 200, headers, 'OK')
    for (const piece of pieces) if (!over) recorder.onResponseData?.(controller, piece)
    if (!over) recorder.onResponseEnd?.(controller, { 'x-sum': '1' })
    over = true
    return true
  }
}

const get = { path: '/', method: 'GET' }

function decode(coding: string, pieces: readonly Buffer[], options = {}): Promise<Recorder> {
  const recorder = new Recorder()
  interceptors.decompress(options)(answering(coding, pieces))(get, recorder)
  return recorder.ended
}

/** Checks that the handler received one end or one error, and nothing after it. */
function ends(recorder: Recorder): string {
  const ending = recorder.calls.filter((name) => name === 'end' || name === 'error')
  return ending.length === 1 && recorder.calls.at(-1) === ending[0] ? (ending[0] as string) : recorder.calls.join()
}

t.test('decodes each coding over each dispatcher', async (t) => {
  const origin = await httpOrigin((request, reply) => {
    const name = decodeURIComponent((request.url as string).slice(1))
    const bytes = (codings[name] as Encode)(text)
    reply.writeHead(200, [
      'Content-Encoding',
      nameOf(name).toUpperCase(),
      'X-Own',
      'yes',
      'Content-Length',
      bytes.length,
    ])
    reply.end(bytes)
  })
  for (const dispatcher of [new Client(origin.url), new Pool(origin.url), new Agent()]) {
    const client = dispatcher.compose(interceptors.decompress())
    for (const name of Object.keys(codings)) {
      const options = { origin: origin.url, path: `/${encodeURIComponent(name)}`, method: 'GET' }
      const { headers, body } = await client.request(options)
      t.equal(headers['content-encoding'], undefined, name)
      t.equal(headers['content-length'], undefined)
      t.equal(headers['x-own'], 'yes')
      t.ok(text.equals(Buffer.from(await body.arrayBuffer())), name)
      const raw = await client.request({ ...options, responseHeaders: 'raw' })
      const names = (raw.headers as unknown as string[]).filter((_, i) => i % 2 === 0)
      t.ok(names.includes('X-Own'))
      t.notOk(
        names.some((one) => /^content-/i.test(one)),
        'removes them from rawHeaders',
      )
      await raw.body.dump()
    }
    await dispatcher.close()
  }
  await origin.close()
})

t.test('decodes bodies split at any byte, and fails truncated ones', async (t) => {
  for (const [name, encode] of Object.entries(codings)) {
    const bytes = encode(text)
    const coding = nameOf(name)
    for (let at = 0; at <= bytes.length; at++) {
      const split = await decode(coding, [bytes.subarray(0, at), bytes.subarray(at)])
      if (ends(split) !== 'end' || split.body !== text.toString('latin1')) t.fail(`${name} split at ${at}`)
      if (at === bytes.length) continue
      const cut = await decode(coding, [bytes.subarray(0, at)])
      // A body without bytes is empty with any coding.
      if (ends(cut) !== (at === 0 ? 'end' : 'error')) t.fail(`${name} cut off at ${at}`)
      if (!text.toString('latin1').startsWith(cut.body)) t.fail(`${name} cut off at ${at} gives something else`)
    }
    const single = await decode(
      coding,
      Array.from(bytes, (byte) => Buffer.of(byte)),
    )
    t.equal(single.body, text.toString('latin1'), name)
    t.strictSame(single.trailers, { 'x-sum': '1' })
    t.strictSame(single.headers, { 'x-own': 'yes' })
    t.strictSame(single.controller?.rawHeaders, ['X-Own', 'yes'])
  }
})

async function inFrames(t: Test): Promise<void> {
  const encode = zstd as Encode & ((bytes: Buffer, options: object) => Buffer)
  const { ZSTD_c_checksumFlag, ZSTD_c_contentSizeFlag } = zlib.constants as unknown as Record<string, number>
  const skippable = Buffer.concat([Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 5, 0, 0, 0]), Buffer.from('note!')])
  const frames = [
    encode(text.subarray(0, 10)),
    skippable,
    encode(text.subarray(10, 20), { params: { [ZSTD_c_checksumFlag as number]: 1 } }),
    encode(Buffer.alloc(0)),
    encode(text.subarray(20), { params: { [ZSTD_c_contentSizeFlag as number]: 0 } }),
    // A block of one byte repeated, and raw ones.
    encode(Buffer.alloc(200_000, 'r')),
    encode(Buffer.from(Array.from({ length: 300 }, (_, i) => (i * i * 7919) % 251))),
    Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]),
  ]
  const bytes = Buffer.concat(frames)
  const whole = await decode('zstd', [bytes])
  const plain = Buffer.concat(whole.chunks)
  t.equal(ends(whole), 'end')
  t.equal(plain.length, text.length + 200_000 + 300)
  t.ok(plain.subarray(0, text.length).equals(text))
  const boundaries = new Set<number>()
  for (let i = 1; i <= frames.length; i++) boundaries.add(Buffer.concat(frames.slice(0, i)).length)
  for (let at = 1; at < bytes.length; at++) {
    const split = await decode('zstd', [bytes.subarray(0, at), bytes.subarray(at)])
    if (ends(split) !== 'end' || !Buffer.concat(split.chunks).equals(plain)) t.fail(`split at ${at}`)
    const cut = await decode('zstd', [bytes.subarray(0, at)])
    if (ends(cut) !== (boundaries.has(at) ? 'end' : 'error')) t.fail(`cut off at ${at}`)
  }
  const single = await decode(
    'zstd',
    Array.from(bytes, (byte) => Buffer.of(byte)),
  )
  t.ok(Buffer.concat(single.chunks).equals(plain))
  const garbage = await decode('zstd', [bytes, Buffer.from('garbage')])
  t.match(garbage.error, { code: 'ZSTD_error_prefix_unknown' })
  const reserved = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 0x07, 0, 0])
  t.equal(ends(await decode('zstd', [reserved])), 'error')

  const waiting = new Recorder((name, controller) => {
    if (name === 'data' && waiting.chunks.length === 1) controller.pause()
  })
  const large = Buffer.concat([encode(Buffer.alloc(3_000_000, 'a')), encode(Buffer.alloc(3_000_000, 'b'))])
  interceptors.decompress()(answering('zstd', [large]))(get, waiting)
  let turns = 0
  await quiet(() => ++turns && Math.min(turns, 20))
  t.equal(waiting.chunks.length, 1)
  waiting.controller?.resume()
  await waiting.ended
  t.equal(ends(waiting), 'end')
  t.ok(
    Buffer.concat(waiting.chunks).equals(Buffer.concat([Buffer.alloc(3_000_000, 'a'), Buffer.alloc(3_000_000, 'b')])),
  )
  t.equal((await decode('zstd', [large], { maxSize: 4_000_000 })).error?.code, 'UND_ERR_RES_EXCEEDED_MAX_SIZE')
}

// On older Nodes: test/interceptors/zstd-frames.test.ts.
if (zstd !== undefined) t.test('decodes zstd bodies of several frames', inFrames)

t.test('decodes several codings, passes unknown ones through, and fails corrupt bodies', async (t) => {
  const { gzip, deflate, br } = codings as Record<string, Encode> & { gzip: Encode; deflate: Encode; br: Encode }
  const thrice = br(deflate(gzip(text)))
  for (const coding of ['gzip, deflate, br', ' GZIP ,deflate,, Br,']) {
    for (let at = 0; at <= thrice.length; at += 7) {
      const recorder = await decode(coding, [thrice.subarray(0, at), thrice.subarray(at)])
      t.strictSame([ends(recorder), recorder.body], ['end', text.toString('latin1')], `${coding} split at ${at}`)
    }
    t.equal(ends(await decode(coding, [thrice.subarray(0, -1)])), 'error')
    t.equal(
      ends(await decode(coding, [br(deflate(gzip(text).subarray(0, -1)))])),
      'error',
      'truncated in the innermost coding',
    )
  }
  const members = await decode('gzip', [gzip(text), gzip(text)])
  t.equal(members.body, `${text.toString('latin1')}${text.toString('latin1')}`)

  for (const coding of [
    'compress',
    'x-compress',
    'identity',
    '',
    'gzip, unknown',
    'unknown, gzip',
    '__proto__',
    'constructor',
  ]) {
    const recorder = await decode(coding, [Buffer.from('as it is')])
    t.strictSame([ends(recorder), recorder.body], ['end', 'as it is'], coding)
    t.strictSame(recorder.headers, { 'content-encoding': coding, 'x-own': 'yes', 'content-length': '1' })
    t.equal(recorder.controller?.rawHeaders?.length, 6)
  }

  for (const coding of new Set(Object.keys(codings).map(nameOf))) {
    const recorder = await decode(coding, [Buffer.from('\x0f this was never encoded by anyone')])
    t.equal(ends(recorder), 'error', coding)
    t.equal(recorder.body, '')
  }
  const spoilt = gzip(text)
  spoilt[spoilt.length - 6] = (spoilt[spoilt.length - 6] as number) ^ 1
  t.match((await decode('gzip', [spoilt])).error, { code: 'Z_DATA_ERROR' })

  const times = (count: number) => Array<string>(count).fill('gzip').join()
  const wrap = (count: number): Buffer => (count === 0 ? text : gzip(wrap(count - 1)))
  t.equal((await decode(times(5), [wrap(5)])).body, text.toString('latin1'))
  const six = await decode(times(6), [wrap(6)])
  t.strictSame(six.calls, ['start', 'error'])
  t.equal(six.error?.code, 'UND_ERR_NOT_SUPPORTED')
})

t.test('does not decode HEAD, skipped statuses and error responses', async (t) => {
  const bytes = zlib.gzipSync(text)
  const origin = await httpOrigin((request, reply) => {
    const status = Number(request.headers['x-status'] ?? 200)
    const bodiless = request.method === 'HEAD' || status === 204 || status === 304
    if (status === 103) reply.writeEarlyHints({ link: '</a>' })
    reply.writeHead(status === 103 ? 200 : status, { 'content-encoding': 'gzip' })
    reply.end(bodiless ? undefined : bytes)
  })
  const client = new Client(origin.url)
  const ask = async (settings: object, status: number, method = 'GET') => {
    const options = { path: '/', method, headers: { 'x-status': String(status) } }
    const { headers, body } = await client.compose(interceptors.decompress(settings)).request(options)
    return [headers['content-encoding'] ?? null, (await body.bytes()).length]
  }
  const decoded = [null, text.length]
  const encoded = ['gzip', bytes.length]
  t.strictSame(await ask({}, 200), decoded)
  t.strictSame(await ask({}, 206), decoded)
  t.strictSame(await ask({}, 103), decoded, 'after a 103')
  t.strictSame(await ask({}, 399), decoded)
  t.strictSame(await ask({}, 400), encoded)
  t.strictSame(await ask({}, 503), encoded)
  t.strictSame(await ask({ skipErrorResponses: false }, 503), decoded)
  t.strictSame(await ask({ skipStatusCodes: [200] }, 200), encoded)
  t.strictSame(await ask({ skipErrorResponses: false, skipStatusCodes: [500] }, 500), encoded)
  for (const settings of [{}, { skipStatusCodes: [] }]) {
    t.strictSame(await ask(settings, 204), ['gzip', 0])
    t.strictSame(await ask(settings, 304), ['gzip', 0])
    t.strictSame(await ask(settings, 200, 'HEAD'), ['gzip', 0])
  }
  await client.close()
  await origin.close()
  const bad: [object, RegExp][] = [
    [{ skipStatusCodes: 204 }, /skipStatusCodes/],
    [{ skipStatusCodes: ['204'] }, /skipStatusCodes/],
    [{ skipErrorResponses: 1 }, /skipErrorResponses/],
    [{ maxSize: -1 }, /maxSize/],
    [{ maxSize: 1.5 }, /maxSize/],
    [{ maxSize: '1' }, /maxSize/],
  ]
  for (const [options, message] of bad) {
    t.throws(() => interceptors.decompress(options), { code: 'UND_ERR_INVALID_ARG', message })
  }
})

t.test('maxSize limits the decoded size', async (t) => {
  const bomb = zlib.gzipSync(Buffer.alloc(4_000_000))
  for (const [maxSize, body, coding, good] of [
    [text.length, zlib.gzipSync(text), 'gzip', true],
    [text.length - 1, zlib.gzipSync(text), 'gzip', false],
    [0, bomb, 'gzip', true],
    [3_999_999, bomb, 'gzip', false],
    [4_000_000, bomb, 'gzip', true],
    [100_000, zlib.gzipSync(bomb), 'gzip, gzip', false],
  ] as const) {
    const recorder = await decode(coding, [body], { maxSize })
    t.equal(ends(recorder), good ? 'end' : 'error', `${maxSize}`)
    const size = Buffer.concat(recorder.chunks).length
    if (good) continue
    t.ok(recorder.error instanceof errors.ResponseExceededMaxSizeError)
    t.ok(size <= maxSize, `${size} of ${maxSize}`)
  }
  // The middle stage exceeds the limit, while the final output is small.
  const shrunk = zlib.gzipSync(Buffer.from('small'), { level: 0 })
  const padded = zlib.gzipSync(Buffer.concat([shrunk, ...Array(2000).fill(zlib.gzipSync(Buffer.alloc(0)))]))
  t.match(await decode('gzip, gzip', [padded], { maxSize: 1000 }), { error: { code: 'UND_ERR_RES_EXCEEDED_MAX_SIZE' } })
  t.equal((await decode('gzip, gzip', [padded])).body, 'small')
  if (zstd !== undefined) {
    const { ZSTD_c_windowLog } = zlib.constants as unknown as { ZSTD_c_windowLog: number }
    const wide = (zstd as (bytes: Buffer, options: object) => Buffer)(Buffer.alloc(17_000_000, 'ab'), {
      params: { [ZSTD_c_windowLog]: 24 },
    })
    t.equal(ends(await decode('zstd', [wide])), 'error', 'RFC 9659: no window above 8 MB')
  }
})

t.test('a paused reader stops the server', async (t) => {
  const wrap = (count: number): Buffer =>
    count === 0 ? Buffer.alloc(30_000_000, 'x') : zlib.gzipSync(wrap(count - 1), { level: 0 })
  let bytes: Buffer = Buffer.alloc(0)
  let written = 0
  let fields = () => ''
  const origin = await rawOrigin((socket) =>
    onRequests(socket, () => {
      socket.write(`HTTP/1.1 200 OK\r\n${fields()}content-length: ${bytes.length}\r\n\r\n`)
      const more = () => {
        while (written < bytes.length) {
          const piece = bytes.subarray(written, written + 65_536)
          written += piece.length
          if (!socket.write(piece)) return
        }
      }
      socket.on('drain', more)
      more()
    }),
  )
  const client = new Client(origin.url)
  for (const [at, codings] of [
    ['start', 1],
    ['head 200', 1],
    ['data', 1],
    ['data', 3],
  ] as const) {
    written = 0
    bytes = wrap(codings)
    fields = () => 'content-encoding: gzip\r\n'.repeat(codings)
    let size = 0
    let paused = false
    const recorder = new Recorder((name, controller) => {
      if (name === 'data') size += (recorder.chunks.pop() as Buffer).length
      if (name !== at || paused) return
      paused = true
      controller.pause()
    })
    client.compose(interceptors.decompress()).dispatch(get, recorder)
    await quiet(() => written)
    t.ok(written < bytes.length / 2, `paused at ${at}, the server wrote ${written} bytes`)
    t.ok(size < 200_000, `${size} bytes were delivered`)
    t.ok(recorder.controller?.paused)
    recorder.controller?.resume()
    await recorder.ended
    t.equal(ends(recorder), 'end')
    t.equal(size, 30_000_000)
  }
  await client.close()
  await origin.close()
})

/** Resolves when a number above 0 has not changed for many event-loop turns, in which zlib can work. */
async function quiet(count: () => number): Promise<void> {
  let last = -1
  for (let still = 0; still < 20; still = count() === last && last > 0 ? still + 1 : 0) {
    last = count()
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => zlib.gzip('x', resolve))
  }
}

t.test('pauses the connection while the decoder is full or paused', async (t) => {
  const bytes = zlib.gzipSync(Buffer.alloc(1_000_000, 'x'), { level: 0 })
  const pieces = Array.from({ length: 20 }, (_, i) =>
    bytes.subarray(i * 50_000, i === 19 ? undefined : (i + 1) * 50_000),
  )
  const steered: string[] = []
  const recorder = new Recorder()
  interceptors.decompress()(answering('gzip', pieces, steered))(get, recorder)
  t.strictSame([...new Set(steered)], ['pause'], 'pauses the connection synchronously')
  await recorder.ended
  t.equal(recorder.body.length, 1_000_000)

  // Chunks that arrive although the connection is paused are kept.
  for (const at of ['start', 'head 200', 'data']) {
    const waiting = new Recorder((name, controller) => {
      if (name === at && waiting.chunks.length < 2) controller.pause()
    })
    interceptors.decompress()(answering('gzip', pieces))(get, waiting)
    let turns = 0
    await quiet(() => ++turns && Math.min(turns, 5))
    t.equal(waiting.chunks.length, at === 'data' ? 1 : 0, at)
    waiting.controller?.resume()
    await waiting.ended
    t.equal(waiting.body.length, 1_000_000)
  }

  // One stage does not run ahead of the next: its output stays below the limit.
  const grown = zlib.gzipSync(zlib.gzipSync(Buffer.alloc(5_000_000), { level: 0 }))
  const paused = new Recorder((name, controller) => {
    if (name === 'head 200') controller.pause()
  })
  interceptors.decompress({ maxSize: 200_000 })(answering('gzip, gzip', [grown]))(get, paused)
  let turns = 0
  await quiet(() => ++turns && Math.min(turns, 20))
  t.strictSame(paused.calls, ['start', 'head 200'])
  paused.controller?.resume()
  await paused.ended
  t.equal(paused.error?.code, 'UND_ERR_RES_EXCEEDED_MAX_SIZE')
})

t.test('delivers flushed data before the rest of the body', async (t) => {
  let finish = () => {}
  const origin = await httpOrigin((_request, reply) => {
    const gzip = zlib.createGzip()
    reply.writeHead(200, { 'content-encoding': 'gzip' })
    gzip.pipe(reply)
    gzip.write('first')
    gzip.flush()
    finish = () => gzip.end('last')
  })
  const client = new Client(origin.url).compose(interceptors.decompress())
  const { body } = await client.request(get)
  const [first] = await event<[Buffer]>(body as unknown as Duplex, 'data')
  t.equal(String(first), 'first')
  finish()
  t.equal(String((await event<[Buffer]>(body as unknown as Duplex, 'data'))[0]), 'last')
  await event(body as unknown as Duplex, 'end')
  await client.close()
  await origin.close()
})

t.test('reports connection errors, aborts and exceptions of handlers', async (t) => {
  const long = zlib.gzipSync(Buffer.alloc(1_000_000))
  const origin = await rawOrigin((socket) =>
    onRequests(socket, (head) => {
      const whole = head.startsWith('GET /whole')
      const length = long.length + (whole ? 0 : 10)
      socket.write(`HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${length}\r\n\r\n`)
      if (whole) socket.write(long)
      else socket.end(long.subarray(0, 500))
    }),
  )
  const client = new Client(origin.url).compose(interceptors.decompress())
  const cut = new Recorder()
  client.dispatch(get, cut)
  await cut.ended
  t.equal(ends(cut), 'error')
  t.equal(cut.error?.code, 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH')

  const mine = new Error('mine')
  for (const at of ['start', 'head 200', 'data', 'end']) {
    for (const how of ['abort', 'throw']) {
      if (at === 'end' && how === 'abort') continue
      const recorder = new Recorder((name, controller) => {
        if (name !== at) return
        if (how === 'throw') throw mine
        controller.abort(mine)
        t.ok(controller.aborted)
        t.equal(controller.reason, mine)
      })
      client.dispatch({ ...get, path: '/whole' }, recorder)
      await recorder.ended
      // Late callbacks would have been called by then.
      t.equal((await (await client.request({ ...get, path: '/whole' })).body.bytes()).length, 1_000_000)
      t.equal(recorder.error, mine, `${how} at ${at}`)
      t.equal(recorder.calls.filter((name) => name === 'error').length, 1)
      t.equal(recorder.calls.at(-1), 'error')
      t.ok(recorder.calls.filter((name) => name === 'data').length <= (at === 'end' ? 1000 : 1))
    }
  }
  const signal = new AbortController()
  const { body } = await client.request({ ...get, path: '/whole', signal: signal.signal })
  while ((client.stats as { running: number }).running > 0) await new Promise(setImmediate)
  signal.abort(mine)
  await t.rejects(body.text(), mine, 'an abort while decoding fails the body of a completed request')
  await client.close()
  await origin.close()
})

t.test('supports legacy handlers and upgrades', async (t) => {
  const origin = await rawOrigin((socket) =>
    onRequests(socket, (head) => {
      if (/^upgrade:/im.test(head)) return socket.write('HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')
      const bytes = zlib.gzipSync(text)
      socket.write(`HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\ncontent-length: ${bytes.length}\r\n\r\n`)
      socket.write(bytes)
    }),
  )
  const client = new Client(origin.url).compose(interceptors.decompress())
  const pieces: Buffer[] = []
  await new Promise<void>((resolve, reject) => {
    const handler: LegacyDispatchHandler = {
      onHeaders(status, raw, resume) {
        t.strictSame([status, raw], [200, []])
        setImmediate(resume)
        return false
      },
      onData(chunk) {
        pieces.push(chunk)
        return true
      },
      onComplete: () => resolve(),
      onError: reject,
    }
    client.dispatch(get, handler as DispatchHandler)
  })
  t.ok(Buffer.concat(pieces).equals(text))
  const { socket } = await client.upgrade({ path: '/', protocol: 'x' })
  socket.destroy()
  await client.close()
  await origin.close()
})

/** Error of a decoder that reads data after its encoded content as more content. */
function errorBehind(coding: string, tail: string): string | null {
  if (coding === 'zstd') return 'ZSTD_error_prefix_unknown'
  return nameOf(coding).endsWith('gzip') && tail !== '\0' ? 'Z_DATA_ERROR' : null
}

t.test('closes the connection of a body with data after its encoded content', async (t) => {
  for (const [coding, encode] of Object.entries(codings)) {
    for (const tail of ['\0', 'x']) {
      const origin = await rawOrigin((socket) => {
        const piece = (bytes: Buffer) =>
          socket.write(`${bytes.length.toString(16)}\r\n${bytes.toString('latin1')}\r\n`, 'latin1')
        socket.once('data', () => {
          socket.write(`HTTP/1.1 200 OK\r\ncontent-encoding: ${nameOf(coding)}\r\ntransfer-encoding: chunked\r\n\r\n`)
          piece(encode(text))
          const more = () => {
            while (!socket.destroyed && piece(Buffer.alloc(4096, tail))) {}
          }
          socket.on('drain', more)
          more()
        })
      })
      const client = new Client(origin.url)
      const closed = event(client, 'disconnect')
      const { body } = await client
        .compose(interceptors.decompress({ maxSize: 1000 }))
        .request({ path: '/', method: 'GET' })
      const error = errorBehind(coding, tail)
      if (error === null) t.equal(await body.text(), String(text), coding)
      else await t.rejects(body.text(), { code: error }, coding)
      await closed
      await client.close()
      await origin.close()
    }
  }
})

t.test('completes a body within a second although data after it arrives slowly', async (t) => {
  for (const pieces of [1, Number.POSITIVE_INFINITY]) {
    const origin = await rawOrigin((socket) => {
      socket.once('data', () => {
        const whole = zlib.gzipSync(text).toString('latin1')
        const piece = (bytes: string) => socket.write(`${bytes.length.toString(16)}\r\n${bytes}\r\n`, 'latin1')
        socket.write('HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n')
        piece(`${whole}\0`)
        if (pieces > 1) {
          const timer = setInterval(() => piece('\0'), 10)
          socket.once('close', () => clearInterval(timer))
        }
      })
    })
    const client = new Client(origin.url)
    const closed = event(client, 'disconnect')
    const { body } = await client.compose(interceptors.decompress()).request({ path: '/', method: 'GET' })
    t.equal(await body.text(), String(text))
    await closed
    await client.close()
    await origin.close()
  }
})

t.test('discards short data after the encoded content and keeps the connection', async (t) => {
  for (const [coding, encode] of Object.entries(codings)) {
    if (coding === 'zstd') continue
    const whole = Buffer.concat([encode(text), Buffer.alloc(512)])
    const origin = await httpOrigin((_request, reply) => {
      reply.setHeader('content-encoding', nameOf(coding))
      reply.end(whole)
    })
    const client = new Client(origin.url)
    const decoding = client.compose(interceptors.decompress())
    for (let i = 0; i < 2; i++) {
      const { body } = await decoding.request({ path: '/', method: 'GET' })
      t.equal(await body.text(), String(text), coding)
    }
    t.equal(origin.connections, 1)
    await client.close()
    await origin.close()
  }
})

t.test('an empty body with a coding decodes to an empty body', async (t) => {
  const origin = await httpOrigin((request, reply) => {
    reply.writeHead(200, { 'content-encoding': request.url?.slice(1), 'content-length': 0 }).end()
  })
  const client = new Client(origin.url)
  const decoding = client.compose(interceptors.decompress())
  for (const coding of [...new Set(Object.keys(codings).map(nameOf)), 'gzip, br']) {
    const { statusCode, body } = await decoding.request({ path: `/${coding.replace(' ', '')}`, method: 'GET' })
    t.equal(statusCode, 200)
    t.equal(await body.text(), '', coding)
  }
  await client.close()
  await origin.close()
})

t.test('does not resume a truncated decoded body by a range', async (t) => {
  const ranges: unknown[] = []
  const encoded = zlib.gzipSync(text)
  const origin = await httpOrigin((request, reply) => {
    ranges.push(request.headers.range)
    reply.writeHead(200, { etag: '"a"', 'content-encoding': 'gzip', 'content-length': encoded.length + 9 })
    reply.write(encoded, () => reply.destroy())
  })
  const retry = interceptors.retry({ minTimeout: 0, maxRetries: 2 })
  const decompress = interceptors.decompress()
  for (const [agent, outer] of [
    [new Agent(), [decompress, retry]],
    [new Agent(), [decompress, interceptors.redirect({ maxRedirections: 1 }), retry]],
    [new Agent({ timeouts: { total: 60_000 } }).compose(decompress), [retry]],
    [new Agent({ factory: (url, options) => new Pool(url, options).compose(decompress) }), [retry]],
  ] as const) {
    ranges.length = 0
    const { body } = await agent.compose(...outer).request({ origin: origin.url, path: '/', method: 'GET' })
    await t.rejects(body.text(), { code: 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' })
    t.strictSame(ranges, [undefined])
    await agent.close()
  }
  await origin.close()
})
