import type { Socket } from 'node:net'
import t from 'tap'
import { Agent, Client, type Dispatcher, interceptors, Pool, RoundRobinPool } from '../../lib/index.js'
import { httpOrigin, rawOrigin } from '../servers/origin.js'

const dispatchers: Record<string, (url: string) => Dispatcher> = {
  Client: (url) => new Client(url),
  'Client with pipelining': (url) => new Client(url, { pipelining: 2 }),
  Pool: (url) => new Pool(url),
  RoundRobinPool: (url) => new RoundRobinPool(url),
  Agent: () => new Agent(),
  'composed Pool': (url) => new Pool(url).compose(interceptors.retry()),
}

interface Stalling {
  readonly body: unknown
  /** The second chunk was requested. */
  readonly stalled: Promise<void>
  /** The source was closed. */
  readonly ended: Promise<unknown>
}

/** A web stream that yields one chunk and then stalls. */
function webStream(): Stalling {
  let onSecondPull = () => {}
  const stalled = new Promise<void>((resolve) => {
    onSecondPull = resolve
  })
  let cancelled = (_reason: unknown) => {}
  const ended = new Promise((resolve) => {
    cancelled = resolve
  })
  let first = true
  const body = new ReadableStream(
    {
      pull(controller) {
        if (first) controller.enqueue(Buffer.from('some'))
        else onSecondPull()
        const given = first
        first = false
        return given ? undefined : new Promise(() => {})
      },
      cancel: (reason) => cancelled(reason),
    },
    { highWaterMark: 0 },
  )
  return { body, stalled, ended }
}

/** An async iterator that yields one chunk and then stalls. */
function iterator(): Stalling {
  let onSecondPull = () => {}
  const stalled = new Promise<void>((resolve) => {
    onSecondPull = resolve
  })
  let close = (_value: unknown) => {}
  const ended = new Promise((resolve) => {
    close = resolve
  })
  let first = true
  const next = () => {
    if (!first) onSecondPull()
    const given = first
    first = false
    return given ? Promise.resolve({ done: false, value: 'some' }) : new Promise(() => {})
  }
  const end = async () => {
    close('closed')
    return { done: true, value: undefined }
  }
  return { body: { [Symbol.asyncIterator]: () => ({ next, return: end }) }, stalled, ended }
}

const kinds = { 'web stream': webStream, 'asynchronous iterator': iterator }
const cases = Object.entries(dispatchers).flatMap(([name, make]) =>
  Object.entries(kinds).map(([kind, stalling]) => ({ name, make, kind, stalling })),
)

for (const { name, make, kind, stalling } of cases) {
  t.test(`closes a stalled ${kind} when its request fails: ${name}`, async (t) => {
    let arrived = (_socket: Socket) => {}
    const origin = await rawOrigin((socket) => void socket.once('data', () => arrived(socket)))
    const ways: Record<string, (request: { dispatcher: Dispatcher; abort: AbortController; socket: Socket }) => void> =
      {
        signal: ({ abort }) => abort.abort(new Error('no patience')),
        destroy: ({ dispatcher }) => void dispatcher.destroy(new Error('no patience')),
        reset: ({ socket }) => void socket.resetAndDestroy(),
      }
    for (const [way, end] of Object.entries(ways)) {
      const dispatcher = make(origin.url)
      const { body, stalled, ended } = stalling()
      const abort = new AbortController()
      const read = new Promise<Socket>((resolve) => {
        arrived = resolve
      })
      const options = { origin: origin.url, path: '/', method: 'PUT', body, signal: abort.signal } as const
      const answer = dispatcher.request(options as never)
      answer.catch(() => {})
      await stalled
      end({ dispatcher, abort, socket: await read })
      await t.rejects(answer, way)
      await ended
      t.pass(`${way}: it is closed`)
      await dispatcher.destroy()
    }
    await origin.close()
  })
}

for (const [kind, stalling] of Object.entries(kinds)) {
  t.test(`closes a stalled ${kind} when the response completes first`, async (t) => {
    const origin = await rawOrigin((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 413 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'))
    })
    const client = new Client(origin.url)
    const { body, ended } = stalling()
    const { statusCode } = await client.request({ path: '/', method: 'PUT', body } as never)
    t.equal(statusCode, 413)
    await ended
    await client.close()
    await origin.close()
  })
}

t.test('closes an async iterator once, ignores its errors then, and does not close one that has ended', async (t) => {
  const origin = await httpOrigin((request, reply) => void request.resume().on('end', () => reply.end()))
  const client = new Client(origin.url)
  let ends = 0
  const source = (last: () => Promise<unknown>) => {
    const pieces = ['a', 'b']
    const next = async () => {
      const value = pieces.shift()
      return value === undefined ? last() : { done: false, value }
    }
    const end = () => {
      ends++
      throw new Error('it can not be closed')
    }
    return { [Symbol.asyncIterator]: () => ({ next, return: end }) }
  }
  const put = async (source: unknown, signal?: AbortSignal) => {
    const { body } = await client.request({ path: '/', method: 'PUT', body: source, signal } as never)
    await body.dump()
  }
  await put(source(async () => ({ done: true, value: undefined })))
  t.equal(ends, 0, 'ended')
  await t.rejects(put(source(() => Promise.reject(new Error('lost')))), { message: 'lost' })
  t.equal(ends, 0, 'failed')
  const abort = new AbortController()
  const stalls = () => {
    abort.abort()
    return new Promise(() => {})
  }
  await t.rejects(put(source(stalls), abort.signal), { name: 'AbortError' })
  await new Promise(setImmediate)
  t.equal(ends, 1, 'stalled')
  await client.destroy()
  await origin.close()
})

t.test('does not cancel a web stream that has ended, and reports the error of one that fails', async (t) => {
  const bodies: string[] = []
  const origin = await httpOrigin((request, reply) => {
    let body = ''
    request.on('error', () => {})
    request.on('data', (piece) => {
      body += piece
    })
    request.on('end', () => {
      bodies.push(body)
      reply.end()
    })
  })
  const client = new Client(origin.url)
  let cancels = 0
  const source = (last: (controller: ReadableStreamDefaultController) => void) => {
    const pieces = ['a', 'b']
    return new ReadableStream({
      pull(controller) {
        const piece = pieces.shift()
        if (piece === undefined) last(controller)
        else controller.enqueue(Buffer.from(piece))
      },
      cancel: () => void cancels++,
    })
  }
  const request = { path: '/', method: 'PUT' } as const
  const whole = await client.request({ ...request, body: source((controller) => controller.close()) } as never)
  await whole.body.dump()
  t.strictSame(bodies, ['ab'])
  t.equal(cancels, 0)
  const failing = source((controller) => controller.error(new Error('lost')))
  await t.rejects(client.request({ ...request, body: failing } as never), { message: 'lost' })
  t.equal(cancels, 0)
  await client.destroy()
  await origin.close()
})
