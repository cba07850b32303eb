import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Readable, Writable } from 'node:stream'
import { Client, type Dispatcher } from 'sluice'
import type { Case, World } from '../servers.js'

type Body = Dispatcher.RequestOptions['body']

/** Runs a case with a Client and closes it afterwards. */
function byClient(use: (client: Client, world: World) => Promise<void>): Case {
  return async (world) => {
    const client = new Client(world.http)
    try {
      await use(client, world)
    } finally {
      await client.destroy()
    }
  }
}

/** Sends a body twice and checks what the origin received. */
function sending(make: () => Body, part: { text: string | RegExp; framing?: string; type?: string | RegExp }): Case {
  return byClient(async (client) => {
    for (const method of ['POST', 'PUT'] as const) {
      const { statusCode, headers, body } = await client.request({ path: '/echo', method, body: make() as never })
      assert.equal(statusCode, 200)
      assert.equal(headers['x-method'], method)
      const text = await body.text()
      if (typeof part.text === 'string') assert.equal(text, part.text)
      else assert.match(text, part.text)
      if (part.framing !== undefined) assert.equal(headers['x-framing'], part.framing)
      if (part.type !== undefined) assert.match(String(headers['x-content-type']), new RegExp(part.type))
    }
  })
}

function form(): FormData {
  const form = new FormData()
  form.append('name', 'väl"ue')
  form.append('file', new Blob(['contents'], { type: 'text/x-test' }), 'a.txt')
  return form
}

async function* words(): AsyncGenerator<string> {
  for (const word of ['one ', 'two ', 'three']) yield word
}

const requestBodies: Record<string, Case> = {
  string: sending(() => 'grüß dich', { text: 'grüß dich', framing: '11' }),
  Uint8Array: sending(() => new TextEncoder().encode('bytes'), { text: 'bytes', framing: '5' }),
  Readable: sending(() => Readable.from(['one ', 'two']), { text: 'one two', framing: 'chunked' }),
  'async iterable': sending(() => words() as never, { text: 'one two three', framing: 'chunked' }),
  Blob: sending(() => new Blob(['a ', 'blob'], { type: 'text/x-blob' }) as never, { text: 'a blob', framing: '6' }),
  FormData: sending(form, {
    text: /name="name"\r\n\r\nväl"ue\r\n.*filename="a.txt"\r\n.*text\/x-test\r\n\r\ncontents\r\n/s,
    type: 'multipart/form-data; boundary=',
  }),
  ReadableStream: sending(() => new Blob(['web ', 'stream']).stream() as never, { text: 'web stream' }),
  'larger than all buffers': byClient(async (client) => {
    const piece = Buffer.alloc(100_000, 'x')
    const body = Readable.from(Array.from({ length: 30 }, () => piece))
    const answer = await client.request({ path: '/echo', method: 'POST', body })
    assert.equal((await answer.body.arrayBuffer()).byteLength, 3_000_000)
  }),
  'expect: 100-continue': byClient(async (client) => {
    const { body } = await client.request({
      path: '/echo',
      method: 'POST',
      headers: { expect: '100-continue' },
      body: 'after the go-ahead',
    })
    assert.equal(await body.text(), 'after the go-ahead')
  }),
}

const get = (client: Client, path: string) => client.request({ path, method: 'GET' })

const responseBodies: Record<string, Case> = {
  json: byClient(async (client) => assert.deepEqual(await (await get(client, '/json')).body.json(), { a: [1, 2, 3] })),
  'bytes, blob': byClient(async (client) => {
    assert.deepEqual([...(await (await get(client, '/hello')).body.bytes()).slice(0, 2)], [104, 101])
    const blob = await (await get(client, '/hello')).body.blob()
    assert.equal(blob.size, 5)
  }),
  'as a Readable': byClient(async (client) => {
    const { body } = await get(client, '/bytes?n=1000000')
    let length = 0
    for await (const chunk of body) length += (chunk as Uint8Array).length
    assert.equal(length, 1_000_000)
  }),
  'paused by a slow reader': byClient(async (client) => {
    const { body } = await get(client, '/bytes?n=5000000')
    let length = 0
    const slow = new Writable({
      write(chunk: Uint8Array, _encoding, done) {
        length += chunk.length
        setImmediate(done)
      },
    })
    body.pipe(slow)
    await once(slow, 'finish')
    assert.equal(length, 5_000_000)
  }),
  'trailers, early hints, HEAD, 204': byClient(async (client) => {
    const trailing = await get(client, '/trailers')
    assert.equal(await trailing.body.text(), 'one two')
    assert.deepEqual({ ...trailing.trailers }, { 'x-sum': '42' })
    const hints: unknown[] = []
    const onInfo = (info: { statusCode: number }) => hints.push(info.statusCode)
    const hinted = await client.request({ path: '/hints', method: 'GET', onInfo } as never)
    assert.equal(await hinted.body.text(), 'hinted')
    assert.deepEqual(hints, [103])
    const head = await client.request({ path: '/hello', method: 'HEAD' })
    assert.equal(head.headers['content-length'], '5')
    assert.equal(await head.body.text(), '')
    const none = await get(client, '/none')
    assert.equal(none.statusCode, 204)
    assert.equal(await none.body.text(), '')
  }),
}

function collector(): Writable & { text: string } {
  const writable = new Writable({
    write(chunk: Buffer, _encoding, done) {
      collected.text += chunk.toString()
      done()
    },
  })
  const collected = Object.assign(writable, { text: '' })
  return collected
}

const stream: Record<string, Case> = {
  'into a Writable': byClient(async (client) => {
    const into = collector()
    const { opaque } = await client.stream({ path: '/hello', method: 'GET', opaque: 'mine' }, ({ statusCode }) => {
      assert.equal(statusCode, 200)
      return into
    })
    assert.equal(opaque, 'mine')
    assert.equal(into.text, 'hello')
  }),
}

const pipeline: Record<string, Case> = {
  'through a duplex': byClient(async (client) => {
    const into = collector()
    Readable.from(['to and ', 'fro'])
      .pipe(client.pipeline({ path: '/echo', method: 'POST' }, ({ body }) => body))
      .pipe(into)
    await once(into, 'finish')
    assert.equal(into.text, 'to and fro')
  }),
}

const dispatch: Record<string, Case> = {
  'by a handler': byClient(async (client) => {
    const calls = await new Promise<unknown[]>((resolve, reject) => {
      const calls: unknown[] = []
      client.dispatch({ path: '/hello', method: 'GET' }, {
        onRequestStart: () => calls.push('start'),
        onResponseStart: (_controller, statusCode) => calls.push(statusCode),
        onResponseData: (_controller, chunk) => calls.push(chunk.toString()),
        onResponseEnd: () => resolve(calls),
        onResponseError: (_controller, error) => reject(error),
      } as Dispatcher.DispatchHandler)
    })
    assert.deepEqual(calls, ['start', 200, 'hello'])
  }),
  'by a legacy handler': byClient(async (client) => {
    const calls = await new Promise<unknown[]>((resolve, reject) => {
      const calls: unknown[] = []
      const handler = {
        onConnect: () => calls.push('connect'),
        onHeaders: (statusCode: number) => calls.push(statusCode) > 0,
        onData: (chunk: Buffer) => calls.push(chunk.toString()) > 0,
        onComplete: () => resolve(calls),
        onError: reject,
      }
      client.dispatch({ path: '/hello', method: 'GET' }, handler as Dispatcher.DispatchHandler)
    })
    assert.deepEqual(calls, ['connect', 200, 'hello'])
  }),
}

/** Returns the bytes that arrived with the response headers, and the echoed bytes. */
async function talk(socket: import('node:stream').Duplex): Promise<void> {
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    if (text.endsWith('ping')) socket.end()
  })
  socket.write('ping')
  await once(socket, 'end')
  socket.destroy()
  assert.equal(text, 'welcome ping')
}

const connect: Record<string, Case> = {
  'a tunnel in both directions': byClient(async (client) => {
    const { statusCode, socket } = await client.connect({ path: 'elsewhere:80' })
    assert.equal(statusCode, 200)
    await talk(socket)
  }),
}

const upgrade: Record<string, Case> = {
  'in both directions': byClient(async (client) => {
    const { headers, socket } = await client.upgrade({ path: '/any', protocol: 'echo' })
    assert.equal(headers.upgrade, 'echo')
    await talk(socket)
  }),
}

export const messages = {
  'request bodies': requestBodies,
  'response bodies': responseBodies,
  stream,
  pipeline,
  dispatch,
  connect,
  upgrade,
}
