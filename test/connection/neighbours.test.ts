import { EventEmitter } from 'node:events'
import { Duplex, Readable } from 'node:stream'
import t from 'tap'
import { buildConnector, Client } from '../../lib/index.js'
import { onRequests, rawOrigin, response } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'

t.test('a pipelined request does not fail when requests ahead of it are aborted', async (t) => {
  let connections = 0
  const arrivals = new EventEmitter()
  // The first request of each connection gets no response, except `/last`.
  const origin = await rawOrigin((socket) => {
    connections++
    let held = false
    onRequests(socket, (head) => {
      const path = head.split(' ')[1] as string
      if (path !== '/last') held = true
      else if (!held) socket.write(response('answered'))
      arrivals.emit(path)
    })
  })
  const client = new Client(origin.url, { pipelining: 8 })
  const given = Array.from({ length: 4 }, (_, index) => {
    const abort = new AbortController()
    const path = `/given-up-${index}`
    const arrived = new Promise((resolve) => arrivals.on(path, resolve))
    const failed = client.request({ path, method: 'GET', signal: abort.signal }).catch((error) => error.name)
    return { abort, arrived, failed }
  })
  const last = client.request({ path: '/last', method: 'GET' })
  for (const [index, { abort, arrived, failed }] of given.entries()) {
    await arrived
    abort.abort()
    t.equal(await failed, 'AbortError', `${index}`)
    // The others are sent again on another connection.
    if (index < 3) await new Promise((resolve) => arrivals.once(`/given-up-${index + 1}`, resolve))
  }
  t.equal(await (await last).body.text(), 'answered')
  t.equal(connections, 5)
  await client.close()
  await origin.close()
})

// A POST waits until the sockets were polled; a GET is accepted within the read that brought the excess bytes.
for (const method of ['POST', 'GET']) {
  t.test(`excess response bytes do not fail a queued ${method} of which no byte was sent`, async (t) => {
    const heads: string[] = []
    const origin = await rawOrigin((socket) => {
      socket.on('error', () => {})
      onRequests(socket, (head, index) => {
        const path = head.split(' ')[1] as string
        heads.push(`${path} ${index}`)
        // In one write, so that the next request starts between the two responses.
        socket.write(`${response(path)}too much`)
      })
    })
    const client = new Client(origin.url)
    const first = client.request({ path: '/first', method: 'GET' })
    const second = client.request({ path: '/second', method, ...(method === 'POST' ? { body: 'x' } : {}) })
    t.equal(await (await first).body.text(), '/first')
    t.equal(await (await second).body.text(), '/second')
    t.strictSame(heads, ['/first 0', '/second 0'], 'each request is sent once, on its own connection')
    await client.close()
    await origin.close()
  })
}

t.test('a pipelined request that is paused and aborted does not block those behind it', async (t) => {
  const heads: string[] = []
  const origin = await rawOrigin((socket) =>
    onRequests(socket, (head) => {
      heads.push(head)
      if (heads.length === 3) for (const body of ['first', 'given up', 'last']) socket.write(response(body))
    }),
  )
  const client = new Client(origin.url, { pipelining: 3 })
  const first = client.request({ path: '/', method: 'GET' })
  client.dispatch(
    { path: '/', method: 'GET' },
    {
      onRequestStart(controller) {
        controller.pause()
        setImmediate(() => controller.abort(new Error('aborted')))
      },
      onResponseError: (_controller, error) => t.match(error, { message: 'aborted' }),
    },
  )
  const last = client.request({ path: '/', method: 'GET' })
  t.equal(await (await first).body.text(), 'first')
  t.equal(await (await last).body.text(), 'last')
  t.equal(origin.connections, 1)
  await client.close()
  await origin.close()
})

t.test('a request is replayed once if the server closes every connection', async (t) => {
  const executed: string[] = []
  const origin = await rawOrigin((socket) => {
    onRequests(socket, (head, index) => {
      executed.push(head.split(' ')[1] as string)
      if (index === 0) socket.end()
    })
  })
  const client = new Client(origin.url, { pipelining: 5 })
  const paths = ['/0', '/1', '/2', '/3', '/4', '/5', '/6', '/7', '/8']
  const ends = paths.map((path) => client.request({ path, method: 'GET' }).catch((error) => error))
  const errors = await Promise.all(ends)
  for (const [index, path] of paths.entries())
    t.match(errors[index], { code: 'UND_ERR_SOCKET', path }, 'each error has its own path')
  for (const path of paths) t.ok(executed.filter((one) => one === path).length <= 2, path)
  await client.destroy()
  await origin.close()
})

t.test('a request that timed out is not sent again on another connection', async (t) => {
  let executed = 0
  const origin = await rawOrigin((socket) =>
    onRequests(socket, (_, index) => {
      if (index === 0) socket.write(response('first'))
      else executed++
    }),
  )
  const client = new Client(origin.url, { headersTimeout: 100 })
  await (await client.request({ path: '/', method: 'GET' })).body.dump()
  const second = client.request({ path: '/', method: 'GET' })
  await t.rejects(second, { code: 'UND_ERR_HEADERS_TIMEOUT', reusedSocket: true, replaySafe: true })
  t.strictSame([executed, origin.connections], [1, 1])
  await client.close()
  await origin.close()
})

t.test('a request dispatched while the server announces close uses another connection', async (t) => {
  const requested: string[] = []
  const origin = await rawOrigin((socket, index) =>
    onRequests(socket, (head) => {
      requested.push(`${head.split(' ')[1]} on ${index}`)
      if (index > 0) return void socket.write(response('second'))
      socket.write('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nfi')
      finish = () => void socket.end('rst')
    }),
  )
  let finish = () => {}
  const client = new Client(origin.url, { pipelining: 2 })
  const { body } = await client.request({ path: '/first', method: 'GET' })
  const second = client.request({ path: '/second', method: 'GET' })
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  finish()
  t.equal(await body.text(), 'first')
  t.equal(await (await second).body.text(), 'second')
  t.strictSame(requested, ['/first on 0', '/second on 1'])
  await client.close()
  await origin.close()
})

t.test('the response of an aborted request is discarded for those behind it, up to a limit', async (t) => {
  for (const [length, connections] of [
    [100_000, 1],
    [1_000_000, 2],
  ] as const) {
    const abort = new AbortController()
    const paths: string[] = []
    const origin = await rawOrigin((socket) => {
      socket.on('error', () => {})
      onRequests(socket, (head) => {
        paths.push(head.split(' ')[1] as string)
        if (paths.at(-1) !== '/last') return
        abort.abort()
        for (const path of paths.splice(0)) socket.write(response(path === '/long' ? 'x'.repeat(length) : path))
      })
    })
    const client = new Client(origin.url, { pipelining: 3 })
    const first = client.request({ path: '/first', method: 'GET' })
    const long = client.request({ path: '/long', method: 'GET', signal: abort.signal })
    const last = client.request({ path: '/last', method: 'GET' })
    await t.rejects(long, { name: 'AbortError' })
    t.equal(await (await first).body.text(), '/first')
    t.equal(await (await last).body.text(), '/last')
    t.equal(origin.connections, connections, `${length} bytes`)
    await client.close()
    await origin.close()
  }
})

/**
 * Requests each path over one client. Each connection runs its step once it has received the given number of requests.
 */
async function inSteps(steps: readonly { paths: number; step: 'answer' | 'end' | 'abort' }[], targets: string[]) {
  const abort = new AbortController()
  const seen: string[][] = []
  const origin = await rawOrigin((socket, index) => {
    const paths: string[] = []
    seen.push(paths)
    onRequests(socket, (head) => {
      paths.push(head.split(' ')[1] as string)
      const { paths: awaited, step } = steps[index] as (typeof steps)[number]
      if (paths[0] === '/warm' && paths.length === 1) return void socket.write(response('warm'))
      if (paths.filter((path) => path !== '/warm').length < awaited) return
      if (step === 'end') socket.end()
      else if (step === 'abort') abort.abort()
      else for (const path of paths) socket.write(response(path))
    })
  })
  const client = new Client(origin.url, { pipelining: 8 })
  const ask = (path: string) => {
    const signal = path === '/given-up' ? { signal: abort.signal } : {}
    const answer = client.request({ path, method: 'GET', ...signal })
    return answer.then(({ body }) => body.text()).catch((error: Error & { code?: string }) => error.code ?? error.name)
  }
  if (targets[0] === '/warm') await ask('/warm')
  const answers = await Promise.all(targets.filter((path) => path !== '/warm').map(ask))
  await client.close()
  await origin.close()
  return { answers: answers.map(String), seen }
}

t.test('a server failure and an abort ahead of a request are counted separately, in either order', async (t) => {
  const failed = await inSteps(
    [
      { paths: 2, step: 'end' },
      { paths: 2, step: 'abort' },
      { paths: 1, step: 'answer' },
    ],
    ['/warm', '/given-up', '/last'],
  )
  t.strictSame(failed.answers, ['20', '/last'])
  t.strictSame(failed.seen, [['/warm', '/given-up', '/last'], ['/given-up', '/last'], ['/last']])
  const givenUp = await inSteps(
    [
      { paths: 3, step: 'abort' },
      { paths: 2, step: 'end' },
      { paths: 1, step: 'answer' },
    ],
    ['/given-up', '/failed', '/last'],
  )
  t.strictSame(givenUp.answers, ['20', 'UND_ERR_SOCKET', '/last'])
  t.strictSame(givenUp.seen, [['/given-up', '/failed', '/last'], ['/failed', '/last'], ['/last']])
})

t.test('replays a request twice if both connections completed other responses', async (t) => {
  const seen: string[] = []
  const origin = await rawOrigin((socket, connection) =>
    onRequests(socket, (head) => {
      const path = head.split(' ')[1] as string
      seen.push(`${connection}${path}`)
      if (path === '/lost' && connection < 2) return socket.end()
      // The second connection gets the request that was lost behind its response.
      client.pipelining = 1
      if (path === '/lost' || path === `/${connection}`) socket.write(response(path))
    }),
  )
  const client = new Client(origin.url, { pipelining: 3 })
  const paths = ['/0', '/1', '/lost']
  const answers = paths.map(async (path) => (await client.request({ path, method: 'GET' })).body.text())
  t.strictSame(await Promise.all(answers), paths)
  t.strictSame(seen, ['0/0', '0/1', '0/lost', '1/1', '1/lost', '2/lost'])
  await client.close()
  await origin.close()
})

t.test('replays a request of which no byte was sent, unless its body was read', async (t) => {
  const origin = await rawOrigin((socket) => onRequests(socket, () => socket.write(response('answered'))))
  const { port } = new URL(origin.url)
  let attempts = 0
  const connect: buildConnector.connector = (target, callback) => {
    if (attempts++ > 0) return buildConnector()({ ...target, hostname: 'localhost', port }, callback)
    const lost = new Duplex({ read() {}, write() {} })
    callback(null, lost as never)
    lost.destroy()
  }
  const client = new Client('http://lost.test', { connect })
  const { body } = await client.request({ path: '/', method: 'POST', body: 'x' })
  t.equal(await body.text(), 'answered')
  t.equal(attempts, 2)
  await client.close()
  attempts = 0
  const other = new Client('http://lost.test', { connect })
  const streamed = other.request({ path: '/', method: 'POST', body: Readable.from(['x']) })
  await t.rejects(streamed, { code: 'UND_ERR_SOCKET', bytesWritten: 0 })
  t.equal(attempts, 1)
  await other.close()
  await origin.close()
})

t.test('a request dispatched within onRequestStart of another is written behind it', async (t) => {
  const origin = await rawOrigin((socket) =>
    onRequests(socket, (head) => void socket.write(response(head.split(' ')[1] as string))),
  )
  const client = new Client(origin.url, { pipelining: 5 })
  await (await client.request({ path: '/warm', method: 'GET' })).body.dump()
  const inner: Recorder[] = []
  const ask = (path: string): Recorder => {
    const recorder = new Recorder((name) => {
      if (name === 'start' && path.length < 4) inner.push(ask(`${path}x`))
    })
    client.dispatch({ path, method: 'GET' }, recorder)
    return recorder
  }
  const outer = [ask('/a'), ask('/b')]
  await Promise.all(outer.map(({ ended }) => ended))
  await Promise.all(inner.map(({ ended }) => ended))
  t.strictSame(
    outer.map(({ body }) => body),
    ['/a', '/b'],
  )
  t.strictSame(inner.map(({ body }) => body).sort(), ['/ax', '/axx', '/bx', '/bxx'])
  await client.close()
  await origin.close()
})
