import type { Socket } from 'node:net'
import t from 'tap'
import { Client, DecoratorHandler, type DispatchController } from '../../lib/index.js'
import fc from '../property.js'
import { authority, serverIdentity } from '../servers/certificates.js'
import { httpOrigin, httpsOrigin, onRequests, rawOrigin } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'

/** Bytes that depend on their position. */
function bytes(length: number, seed: number): Buffer {
  const all = Buffer.alloc(length)
  for (let i = 0; i < length; i++) all[i] = (i * 31 + (i >> 8) * 7 + seed) & 0xff
  return all
}

/** Handler that copies zero-copy chunks. */
class Borrower extends Recorder {
  readonly borrowsChunks = true
  readonly lent: Buffer[] = []

  override onResponseData(controller: DispatchController, chunk: Buffer): void {
    this.lent.push(chunk)
    super.onResponseData(controller, Buffer.from(chunk))
  }
}

const sizeOf = (path: string): number => Number(path.slice(1))

function answer(socket: Socket, size: number): void {
  socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`)
  socket.write(bytes(size, size))
}

t.test('delivers consecutive long and short bodies read at any pace', async (t) => {
  const origin = await rawOrigin((socket) =>
    onRequests(socket, (head) => answer(socket, sizeOf(head.split(' ')[1] ?? ''))),
  )
  const size = fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 60_000, max: 700_000 }))
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(size, fc.boolean()), { minLength: 1, maxLength: 8 }),
      fc.nat(5),
      async (all, every) => {
        const client = new Client(origin.url, { pipelining: 4 })
        let chunk = 0
        const recorders = all.map(([length, borrows]) => {
          const recorder = new (borrows ? Borrower : Recorder)((name, controller) => {
            if (name !== 'data' || every === 0 || ++chunk % every !== 0) return
            controller.pause()
            setImmediate(() => controller.resume())
          })
          client.dispatch({ path: `/${length}`, method: 'GET' }, recorder)
          return { recorder, length }
        })
        for (const { recorder, length } of recorders) {
          await recorder.ended
          // Checked only now: the first chunks must not have been overwritten.
          if (!Buffer.concat(recorder.chunks).equals(bytes(length, length))) throw new Error(`wrong bytes of ${length}`)
        }
        await client.close()
      },
    ),
    { numRuns: 40 },
  )
  t.pass('all bytes are where they belong')
  await origin.close()
})

t.test('zero-copy chunks of long bodies allocate no memory', async (t) => {
  const origin = await httpOrigin((request, reply) => {
    const body = bytes(sizeOf(request.url ?? ''), 5)
    if (request.headers['x-chunked'] === undefined) reply.setHeader('content-length', body.length)
    reply.end(body)
  })
  for (const parser of ['wasm', 'js'] as const) {
    const client = new Client(origin.url, { parser })
    for (const headers of [{}, { 'x-chunked': '1' }]) {
      const get = { path: '/600000', method: 'GET', headers }
      const [borrower, keeper, decorated] = [new Borrower(), new Recorder(), new Borrower()]
      client.dispatch(get, borrower)
      client.dispatch(get, keeper)
      client.dispatch(get, new DecoratorHandler(decorated))
      for (const recorder of [borrower, keeper, decorated]) {
        await recorder.ended
        t.ok(Buffer.concat(recorder.chunks).equals(bytes(600_000, 5)))
      }
      const memory = (chunks: Buffer[]) =>
        new Set(chunks.filter(({ length }) => length > 5000).map(({ buffer }) => buffer))
      // Without WebAssembly, a handler could transfer the parser's input buffer by a view of it.
      if (parser === 'wasm') t.equal(memory(borrower.lent).size, 1, 'all chunks are in one input buffer')
      // The interceptor does not set `borrowsChunks` and may keep chunks, whatever handler it wraps.
      t.ok(Buffer.concat(decorated.lent).equals(bytes(600_000, 5)), 'chunks are copied for an interceptor')
    }
    await client.close()
  }
  await origin.close()
})

t.test('handles long bodies that last until close, are cut off, exceed the limit or are aborted', async (t) => {
  const origin = await rawOrigin((socket) => {
    socket.on('error', () => {})
    onRequests(socket, (head) => {
      if (head.startsWith('GET /close'))
        socket.end(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), bytes(900_000, 1)]))
      else if (head.startsWith('GET /cut')) {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 900000\r\n\r\n')
        socket.end(bytes(400_000, 2))
      } else {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n')
        socket.write(bytes(300_001, 3))
      }
    })
  })
  const client = new Client(origin.url)
  const closed = await client.request({ path: '/close', method: 'GET' })
  t.ok(Buffer.from(await closed.body.bytes()).equals(bytes(900_000, 1)))
  const cut = new Recorder()
  client.dispatch({ path: '/cut', method: 'GET' }, cut)
  await cut.ended
  t.match(cut.error, { code: 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH', phase: 'body' })
  t.ok(Buffer.concat(cut.chunks).equals(bytes(400_000, 2)), 'delivers the received bytes')
  const long = await client.request({ path: '/long', method: 'GET' })
  t.equal((await long.body.bytes()).length, 300_000, "one byte too many is nobody's")
  const abandoned = new Recorder((name, controller) => {
    if (name === 'data') controller.abort(new Error('enough'))
  })
  client.dispatch({ path: '/long', method: 'GET' }, abandoned)
  await abandoned.ended
  t.match(abandoned.error, { message: 'enough' })
  const limited = new Client(origin.url, { maxResponseSize: 200_000 })
  await t.rejects((await limited.request({ path: '/long', method: 'GET' })).body.bytes(), {
    code: 'UND_ERR_RES_EXCEEDED_MAX_SIZE',
  })
  await limited.destroy()
  await client.destroy()
  await origin.close()
})

t.test('delivers long bodies over TLS', async (t) => {
  const ca = await authority()
  const { key, cert } = await serverIdentity(ca)
  const origin = await httpsOrigin((request, reply) => reply.end(bytes(sizeOf(request.url ?? ''), 4)), { key, cert })
  const client = new Client(origin.url, { connect: { ca: ca.cert } })
  for (const size of [1_000_000, 3, 131_072, 500_001]) {
    const { body } = await client.request({ path: `/${size}`, method: 'GET' })
    t.ok(Buffer.from(await body.bytes()).equals(bytes(size, 4)))
  }
  t.equal(origin.connections, 1)
  await client.close()
  await origin.close()
})

t.test('delivers TLS records that arrive after reading was paused', async (t) => {
  const ca = await authority()
  const origin = await httpsOrigin(
    (request, reply) => {
      const body = bytes(sizeOf(request.url as string), 3)
      // With and without a length: without one, a lost chunk would not be detected.
      if (request.method === 'GET') reply.setHeader('content-length', body.length)
      reply.end(body)
    },
    await serverIdentity(ca),
  )
  const client = new Client(origin.url, { connect: { ca: ca.cert }, bodyTimeout: 5000 })
  for (const method of ['GET', 'QUERY']) {
    for (let size = 10_000; size <= 110_000; size += 5_000) {
      const recorder = new Recorder((name, controller) => {
        if (name !== 'data') return
        controller.pause()
        setImmediate(() => controller.resume())
      })
      client.dispatch({ path: `/${size}`, method }, recorder)
      await recorder.ended
      if (!Buffer.concat(recorder.chunks).equals(bytes(size, 3))) t.fail(`${method}, ${size}: ${recorder.error}`)
    }
  }
  t.pass('all bytes are where they belong')
  await client.close()
  await origin.close()
})
