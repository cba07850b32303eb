import { Agent, Pool } from '../../../lib/index.js'
import { echoed, failure, type Scenario, type Surroundings, streamOf } from './common.js'
import { ENDLESS } from './origin.js'

const text = async (one: Surroundings, path: string) => (await one.fetch(path)).text()

/** Returns the number of connections that an action opens. */
async function opening(one: Surroundings, action: () => Promise<unknown>): Promise<number> {
  const before = await one.state()
  await action()
  return (await one.state()).connections - before.connections
}

interface WebSocketLike {
  send(text: string): void
  close(code: number): void
}

/** Results that only a sluice dispatcher has. */
export const pooling: Record<string, Scenario> = {
  '100 concurrent fetches over 2 connections': (one) =>
    one.overPool({ connections: 2 }, async (pool) => {
      const connections = await opening(one, async () => {
        const all = Array.from({ length: 100 }, () => text(one, '/hello'))
        await Promise.all(all)
      })
      const { connected, free, running, pending, queued, size } = pool.stats
      return { connections, connected, free, running, pending, queued, size }
    }),
  '100 sequential fetches over one connection': (one) =>
    one.overPool({ connections: 10 }, () =>
      opening(one, async () => {
        for (let i = 0; i < 100; i++) await text(one, i % 2 ? '/trailers' : '/gzip')
      }),
    ),
  'the connection is reused after a response without a body': (one) =>
    one.overPool({ connections: 1 }, () =>
      opening(one, async () => {
        for (const path of ['/204', '/hints', '/302', '/trailers', '/latin']) await text(one, path)
        await one.fetch('/length', { method: 'HEAD' })
        await one.fetch('/304', { headers: { 'if-none-match': '"1"' } })
        await text(one, '/hello')
      }),
    ),
  // With the native dispatcher the event loop would have no turn in which to abort.
  'abort of an upload': async (one) => {
    const key = one.newKey()
    const aborting = new AbortController()
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(1024)),
    })
    const init = { method: 'POST', body, duplex: 'half', signal: aborting.signal } as const
    const fetching = failure(one.fetch(`/hang?key=${key}`, init))
    await one.requestState(key, ({ received }) => received > 100_000)
    aborting.abort()
    const error = await fetching
    return { error, closed: (await one.requestState(key, ({ closed }) => closed)).closed }
  },
  'a cancelled body frees its connection': (one) =>
    one.overPool({ connections: 1 }, async (pool) => {
      const response = await one.fetch('/endless')
      const waiting = text(one, '/hello')
      const before = pool.stats.pending + pool.stats.queued
      await response.body?.cancel()
      return { before, after: await waiting, running: pool.stats.running }
    }),
  'an unread body pauses its server': async (one) => {
    const key = one.newKey()
    const response = await one.fetch(`/endless?key=${key}`)
    let sent = -1
    // Backpressure: several samples, with time for megabytes between them, show no more bytes.
    for (let same = 0; same < 20; ) {
      const now = (await one.requestState(key, () => true)).sent
      same = now === sent ? same + 1 : 0
      sent = now
    }
    let read = 0
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) read += chunk.length
    return { held: sent < ENDLESS / 2, whole: read === ENDLESS }
  },
  'both branches of a clone over one connection': (one) =>
    one.overPool({ connections: 1 }, async () => {
      const response = await one.fetch('/length')
      const copy = response.clone()
      const [a, b] = await Promise.all([response.arrayBuffer(), copy.arrayBuffer()])
      return [a.byteLength, b.byteLength]
    }),
  'a redirect to another origin, over an Agent': (one) =>
    one.over(new Agent(), async () => {
      const response = await one.fetch('/away', { headers: { authorization: 'secret', 'x-other': 'kept' } })
      const { rawHeaders } = await echoed(response)
      const host = new URL(response.url).hostname
      return { host, secret: rawHeaders.includes('secret'), kept: rawHeaders.includes('kept') }
    }),
  'timeouts of the pool': (one) =>
    one.overPool({ headersTimeout: 30, bodyTimeout: 30 }, async () => {
      const head = await failure(one.fetch('/hang'))
      return { head, body: await failure((await one.fetch('/stall')).text()) }
    }),
  'a pool that was closed or destroyed': (one) =>
    one.overPool({}, async (pool) => {
      const fetching = failure(one.fetch('/hang'))
      const closing = pool.close()
      const closed = await failure(one.fetch('/hello'))
      await pool.destroy()
      await closing
      return { closed, under: await fetching, destroyed: await failure(one.fetch('/hello')) }
    }),
  'TLS with a CA of the caller': async (one) => {
    const { secure, ca } = await one.state()
    return one.over(new Pool(secure, { connections: 1, connect: { ca } }), async () => {
      const body = streamOf(['over ', 'TLS'])
      const posted = await echoed(await one.fetch(`${secure}/echo`, { method: 'POST', body, duplex: 'half' }))
      const connections = await opening(one, async () => {
        for (let i = 0; i < 10; i++) await (await one.fetch(`${secure}/gzip`)).text()
      })
      return { body: posted.body, connections }
    })
  },
  'a WebSocket': async (one) => {
    const { WebSocket } = globalThis as {
      WebSocket?: new (url: string, options: object) => EventTarget & WebSocketLike
    }
    if (WebSocket === undefined) return 'unknown to this runtime'
    return one.overPool({}, async () => {
      const received: unknown[] = []
      const connections = await opening(one, async () => {
        const socket = new WebSocket(one.origin.replace('http', 'ws'), one.options)
        socket.addEventListener('message', (event) => {
          received.push((event as Event & { data: unknown }).data)
          if (received.length === 1) socket.send('my words')
          else socket.close(1000)
        })
        await new Promise((resolve) => socket.addEventListener('close', resolve))
      })
      return { received, connections }
    })
  },
  'an interceptor sees the requests of fetch': (one) =>
    one.overPool({}, async (pool) => {
      const paths: string[] = []
      const noting = pool.compose((dispatch) => (options, handler) => {
        paths.push(`${options.method} ${options.path}`)
        return dispatch(options, handler)
      })
      const response = await one.over(noting, () => one.fetch('/302').then(echoed), true)
      return { paths, method: response.method }
    }),
}
