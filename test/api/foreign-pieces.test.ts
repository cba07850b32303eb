import { PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { Client, type DispatchController, interceptors } from '../../lib/index.js'

const url = 'http://localhost'
const text = '{"a":"ü"}'
const bytes = Buffer.from(text)

/** Bytes in the middle of other memory. */
function view(content: Uint8Array): Uint8Array {
  const memory = new Uint8Array(content.length + 2).fill(0x78)
  memory.set(content, 1)
  return memory.subarray(1, -1)
}

/** A dispatcher whose interceptor answers by itself with these pieces. */
function answering(pieces: (Uint8Array | string)[], status = 200, headers: Record<string, string> = {}) {
  const controller = { abort() {}, pause() {}, resume() {}, aborted: false, paused: false, reason: null }
  return new Client(url).compose(() => (_options, handler) => {
    const given = controller as unknown as DispatchController
    handler.onRequestStart?.(given, {})
    handler.onResponseStart?.(given, status, { 'content-type': 'application/json', ...headers }, 'OK')
    for (const piece of pieces) handler.onResponseData?.(given, piece as Buffer)
    handler.onResponseEnd?.(given, {})
    return true
  })
}

const forms: Record<string, (Uint8Array | string)[]> = {
  'one Uint8Array': [view(bytes)],
  'several of them': [view(bytes.subarray(0, 6)), view(bytes.subarray(6))],
  text: [text.slice(0, 4), '', text.slice(4)],
}

for (const [name, pieces] of Object.entries(forms)) {
  t.test(`a body of ${name} is read in each way`, async (t) => {
    for (const headers of [{}, { 'content-length': String(bytes.length) }]) {
      const dispatcher = answering(pieces, 200, headers)
      const body = async () => (await dispatcher.request({ path: '/', method: 'GET' })).body
      t.equal(await (await body()).text(), text)
      t.strictSame(await (await body()).json(), { a: 'ü' })
      t.strictSame(Buffer.from(await (await body()).bytes()), bytes)
      t.strictSame(Buffer.from(await (await body()).arrayBuffer()), bytes)
      t.equal(await (await (await body()).blob()).text(), text)
      t.strictSame(await buffer(await body()), bytes)
      const chunks: Buffer[] = []
      for await (const chunk of await body()) chunks.push(chunk as Buffer)
      t.ok(chunks.every((chunk) => Buffer.isBuffer(chunk)))
      t.equal(Buffer.concat(chunks).toString(), text)
      const sink = new PassThrough()
      await dispatcher.stream({ path: '/', method: 'GET' }, () => sink)
      t.strictSame(await buffer(sink), bytes)
      const duplex = dispatcher.pipeline({ path: '/', method: 'GET' }, ({ body }) => body)
      t.strictSame(await buffer(duplex.end()), bytes)
    }
  })
}

t.test('interceptors accept chunks of other classes as well', async (t) => {
  const zipped = answering([view(gzipSync(bytes))], 200, { 'content-encoding': 'gzip' })
  const all = [interceptors.retry(), interceptors.redirect({ maxRedirections: 1 }), interceptors.decompress()]
  const { body } = await zipped.compose(all).request({ path: '/', method: 'GET' })
  t.strictSame(await body.json(), { a: 'ü' })
  const failing = answering([view(bytes)], 400).compose(interceptors.responseError())
  const error = await failing.request({ path: '/', method: 'GET' }).catch((error) => error)
  t.match(error, { statusCode: 400, body: { a: 'ü' } })
})
