import { once } from 'node:events'
import { PassThrough, Readable, Stream } from 'node:stream'
import t from 'tap'
import { Client, Pool } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

/** Answers `/endless` with lines that never end, `/typed` with a form, and all else with its request body. */
async function server() {
  return httpOrigin((request, response) => {
    if (request.url === '/typed') {
      response.setHeader('content-type', 'application/x-www-form-urlencoded')
      return void response.end('a=1')
    }
    if (request.url !== '/endless') return void request.pipe(response)
    request.resume()
    const more = () => {
      while (!response.destroyed && response.write('line\n')) {}
    }
    response.on('drain', more)
    more()
  })
}

async function textOf(stream: AsyncIterable<unknown>): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += chunk
  return text
}

const post = { path: '/', method: 'POST' } as const
const endless = { path: '/endless', method: 'POST' } as const

t.test('pipeline() reads an old-style stream with and without pause and destroy', async (t) => {
  const origin = await server()
  const client = new Client(origin.url)
  for (const extra of [{}, { pause() {}, resume() {} }, { destroy() {} }, { pause() {}, resume() {}, destroy() {} }]) {
    const duplex = client.pipeline(post, ({ body }) => {
      const old = Object.assign(new Stream(), { readable: true }, extra)
      body.on('data', (chunk) => old.emit('data', chunk)).on('end', () => old.emit('end') && old.emit('close'))
      return old as never
    })
    t.equal(await textOf(duplex.end('part')), 'part', Object.keys(extra).join())
  }
  await client.close()
  await origin.close()
})

const results: Record<string, (body: Readable) => Readable> = {
  'takes a part of the body': (body) => body.take(1) as unknown as Readable,
  'ends its generator early': (body) =>
    Readable.from(
      (async function* () {
        for await (const chunk of body) return void (yield chunk)
      })(),
    ),
  'destroys the body': (body) => {
    body.destroy()
    return Readable.from(['own'])
  },
  'destroys the body with an error': (body) => {
    body.on('error', () => {}).destroy(new Error('unwanted'))
    return Readable.from(['own'])
  },
  'leaves the body unread': () => Readable.from(['own']),
  'pauses the body and ends': (body) => {
    const out = new PassThrough()
    body.once('data', (chunk) => {
      body.pause()
      out.end(chunk.subarray(0, 4))
    })
    return out
  },
}

for (const [name, handler] of Object.entries(results)) {
  t.test(`pipeline() whose handler ${name} ends normally and frees its connection`, async (t) => {
    const origin = await server()
    const pool = new Pool(origin.url, { connections: 1 })
    const duplex = pool.pipeline(endless, ({ body }) => handler(body) as never)
    duplex.end('x')
    t.ok((await textOf(duplex)).length > 0)
    const { body } = await pool.request({ ...post, body: 'next' })
    t.equal(await body.text(), 'next')
    t.equal(pool.stats.running, 0)
    await pool.close()
    await origin.close()
  })
}

t.test('pipeline() ends or fails with a stream that had already ended, failed or been destroyed', async (t) => {
  const origin = await server()
  const client = new Client(origin.url)
  const ended = new PassThrough().end().resume()
  await once(ended, 'end')
  t.equal(await textOf(client.pipeline(post, () => ended as never).end('x')), '')
  const failed = new PassThrough().on('error', () => {}).destroy(new Error('disk full'))
  await new Promise((resolve) => failed.once('close', resolve))
  await t.rejects(textOf(client.pipeline(post, () => failed as never).end('x')), { message: 'disk full' })
  const destroyed = new PassThrough().destroy()
  await t.rejects(textOf(client.pipeline(post, () => destroyed as never).end('x')), { name: 'AbortError' })
  await client.destroy()
  await origin.close()
})

t.test('the body of pipeline() has the high-water mark and the content type of its request', async (t) => {
  const origin = await server()
  const client = new Client(origin.url)
  const seen: unknown[] = []
  const duplex = client.pipeline({ path: '/typed', method: 'GET', highWaterMark: 1024 }, ({ body }) => {
    seen.push(body.readableHighWaterMark)
    const out = new PassThrough()
    const form = (body as unknown as { formData(): Promise<FormData> }).formData()
    form.then((fields) => out.end(String(fields.get('a'))))
    return out
  })
  t.equal(await textOf(duplex.end()), '1')
  t.strictSame(seen, [1024])
  await client.close()
  await origin.close()
})

t.test('an abort while an interceptor waits ends the call at once, and nothing is sent', async (t) => {
  const origin = await server()
  const client = new Client(origin.url)
  let later = (): void => {}
  const composed = client.compose((dispatch) => (options, handler) => {
    later = () => void dispatch(options, handler)
    return true
  })
  for (const reason of [new Error('stop'), 'user left']) {
    const abort = new AbortController()
    const { signal } = abort
    const streamed = composed.stream({ path: '/', method: 'GET', signal }, () => t.fail('no response comes') as never)
    const requested = composed.request({ path: '/', method: 'GET', signal })
    const connected = composed.connect({ origin: origin.url, path: 'a.test:1', signal })
    const upgraded = composed.upgrade({ path: '/', signal })
    const duplex = composed.pipeline({ ...post, signal }, ({ body }) => body)
    const failed = new Promise((resolve) => duplex.on('error', resolve))
    abort.abort(reason)
    t.equal(await failed, reason)
    for (const call of [streamed, requested, connected, upgraded]) {
      t.equal(await (call as Promise<unknown>).catch((error) => error), reason)
    }
  }
  const abort = new AbortController()
  const { signal } = abort
  const calls = [
    () => composed.request({ path: '/', method: 'GET', signal }),
    () => composed.connect({ origin: origin.url, path: 'a.test:1', signal }),
    () => composed.upgrade({ path: '/', signal }),
  ].map((call) => [call(), later] as const)
  abort.abort()
  for (const [call, dispatch] of calls) {
    await t.rejects(call as Promise<unknown>, { name: 'AbortError' })
    dispatch()
  }
  t.equal(client.stats.size, 0)
  await client.close()
  await origin.close()
})

t.test('pipeline() closes the connection of an unread body when its own stream has ended', async (t) => {
  const origin = await server()
  const client = new Client(origin.url)
  const duplex = client.pipeline(endless, ({ body }) => {
    body.resume()
    return Readable.from(['own'])
  })
  t.equal(await textOf(duplex.end()), 'own')
  const { body } = await client.request({ path: '/typed', method: 'GET' })
  t.equal(await body.text(), 'a=1')
  await client.close()
  await origin.close()
})

const readers: Record<string, (body: Readable & { text(): Promise<string> }) => unknown> = {
  'a listener': (body) => body.on('data', () => {}),
  'a pipe': (body) => body.pipe(new PassThrough().resume()),
  'text()': (body) => body.text().catch(() => {}),
}

for (const [name, read] of Object.entries(readers)) {
  t.test(`a signal ends a pipeline whose body is read by ${name} after its own result has ended`, async (t) => {
    const origin = await server()
    const client = new Client(origin.url)
    const abort = new AbortController()
    const duplex = client.pipeline({ ...endless, signal: abort.signal }, ({ body }) => {
      read(body as never)
      return Readable.from(['own'])
    })
    t.equal(await textOf(duplex.end()), 'own')
    t.equal(client.stats.running, 1, 'the body is still read')
    abort.abort()
    await client.close()
    t.equal(client.stats.running, 0)
    await origin.close()
  })
}
