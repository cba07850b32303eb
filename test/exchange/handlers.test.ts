import t from 'tap'
import { Client, errors, type LegacyDispatchHandler } from '../../lib/index.js'
import { event, httpOrigin, onRequests, rawOrigin, response } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'

const get = { path: '/', method: 'GET' }

/** Responds with a 103, headers, a body in two chunks and a trailer. */
const RICH =
  'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n' +
  'HTTP/1.1 200 Fine\r\nX-Twice: 1\r\nx-twice: 2\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n'
const REST = '3\r\ndef\r\n0\r\nx-end: yes\r\n\r\n'

function richOrigin() {
  return rawOrigin((socket) => {
    onRequests(socket, () => {
      socket.write(RICH)
      setImmediate(() => socket.write(REST))
    })
  })
}

t.test('current handlers receive all callbacks in order', async (t) => {
  const origin = await richOrigin()
  const client = new Client(origin.url)
  const recorder = new Recorder()
  client.dispatch(get, recorder)
  await recorder.ended
  // The network decides how the body is divided.
  t.strictSame([...new Set(recorder.calls)], ['start', 'head 103', 'head 200', 'data', 'end'])
  t.strictSame(recorder.headers['x-twice'], ['1', '2'])
  t.equal(recorder.body, 'abcdef')
  t.strictSame(recorder.trailers, { 'x-end': 'yes' })
  t.strictSame(recorder.controller?.rawHeaders, ['X-Twice', '1', 'x-twice', '2', 'transfer-encoding', 'chunked'])
  t.strictSame(recorder.controller?.rawTrailers, ['x-end', 'yes'])
  t.equal(recorder.controller?.aborted, false)
  t.equal(recorder.controller?.reason, null)
  recorder.controller?.abort(new Error('too late'))
  t.equal(recorder.controller?.aborted, false, 'abort() after the end has no effect')
  await client.close()
  await origin.close()
})

t.test('legacy handlers receive all callbacks in order', async (t) => {
  const origin = await richOrigin()
  const client = new Client(origin.url)
  const calls: unknown[] = []
  await new Promise<void>((resolve, reject) => {
    let resume = () => {}
    let data = ''
    const handler: LegacyDispatchHandler = {
      onConnect: (abort) => calls.push(['connect', typeof abort]),
      onResponseStarted: () => calls.push('started'),
      onHeaders: (statusCode, headers, onResume, statusText) => {
        resume = onResume
        calls.push([statusCode, headers.map(String), statusText])
        return true
      },
      onData: (chunk) => {
        data += String(chunk)
        setImmediate(() => resume())
        return false
      },
      onComplete: (trailers) => {
        calls.push(data, (trailers as Buffer[]).map(String))
        resolve()
      },
      onError: reject,
      onBodySent: (chunk) => calls.push(`sent ${chunk}`),
      onRequestSent: () => calls.push('request sent'),
    }
    client.dispatch({ ...get, method: 'POST', body: 'up' }, handler)
  })
  t.strictSame(calls, [
    ['connect', 'function'],
    'sent up',
    'request sent',
    'started',
    [103, ['link', '</a>'], 'Early Hints'],
    [200, ['X-Twice', '1', 'x-twice', '2', 'transfer-encoding', 'chunked'], 'Fine'],
    'abcdef',
    ['x-end', 'yes'],
  ])
  await client.close()
  await origin.close()
})

t.test('abort() in any callback fails the request once, and the client stays usable', async (t) => {
  const origin = await richOrigin()
  const client = new Client(origin.url)
  for (const [place, calls] of [
    ['start', ['start', 'error']],
    ['head 103', ['start', 'head 103', 'error']],
    ['head 200', ['start', 'head 103', 'head 200', 'error']],
    ['data', ['start', 'head 103', 'head 200', 'data', 'error']],
  ] as const) {
    const reason = new Error(`aborted at ${place}`)
    const order: string[] = []
    const recorder = new Recorder((name, controller) => {
      if (name !== place) return
      controller.abort(reason)
      controller.abort(new Error('again'))
      order.push(String(controller.aborted), String(controller.reason === reason))
    })
    client.dispatch(get, recorder)
    await recorder.ended
    t.equal(recorder.error, reason)
    t.strictSame([...recorder.calls].sort(), [...calls].sort(), place)
    t.strictSame(order, ['true', 'true'])
  }
  const after = new Recorder()
  client.dispatch(get, after)
  await after.ended
  t.equal(after.error, null)
  await client.close()
  await origin.close()
})

t.test('a handler that throws fails only its own request', async (t) => {
  const origin = await richOrigin()
  const client = new Client(origin.url)
  for (const place of ['start', 'head 103', 'head 200', 'data', 'end']) {
    const recorder = new Recorder((name) => {
      if (name === place) throw new Error(`thrown at ${place}`)
    })
    client.dispatch(get, recorder)
    await recorder.ended
    if (place === 'end') await new Promise(setImmediate)
    t.match(recorder.error, { message: `thrown at ${place}` }, place)
  }
  const thrown = event<[Error]>(client, 'error')
  const recorder = new Recorder((name, controller) => {
    if (name === 'head 200') controller.abort()
    if (name === 'error') throw new Error('in the last callback')
  })
  client.dispatch(get, recorder)
  t.equal((await thrown)[0].message, 'in the last callback')
  t.ok(recorder.error instanceof errors.RequestAbortedError)
  const uncaught = event<[Error]>(process, 'uncaughtException')
  client.dispatch(
    get,
    new Recorder((name, controller) => {
      if (name === 'start') controller.abort()
      if (name === 'error') throw new Error('unheard')
    }),
  )
  t.match((await uncaught)[0].message, /unheard/)
  await client.close()
  await origin.close()
})

t.test('aborting a pipelined request does not affect the others', async (t) => {
  const origin = await rawOrigin((socket) => {
    let heads = 0
    onRequests(socket, () => {
      heads++
      if (heads === 3) for (const body of ['one', 'two', 'three']) socket.write(response(body))
    })
  })
  const client = new Client(origin.url, { pipelining: 3 })
  const recorders = [new Recorder(), new Recorder(), new Recorder()]
  for (const recorder of recorders) client.dispatch(get, recorder)
  await event(client, 'connect')
  await new Promise(setImmediate)
  recorders[1]?.controller?.abort(new Error('not needed'))
  await Promise.all(recorders.map((recorder) => recorder.ended))
  t.strictSame(
    recorders.map(({ body }) => body),
    ['one', '', 'three'],
  )
  t.match(recorders[1]?.error, { message: 'not needed' })
  t.equal(origin.connections, 1)
  await client.close()
  await origin.close()
})

t.test('a request aborted while queued is not written to a socket', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('ok'))
  const client = new Client(origin.url)
  const abort = new AbortController()
  const first = client.request(get)
  const waiting = client.request({ ...get, signal: abort.signal })
  t.equal(client.stats.pending, 2)
  abort.abort()
  const error = await waiting.catch((reason) => reason)
  t.match(error, { name: 'AbortError' })
  t.equal(client.stats.pending, 1)
  t.equal(await (await first).body.text(), 'ok')
  await client.close()
  await origin.close()
})

t.test('dispatch, close and destroy work within every callback', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('ok'))
  for (const place of ['start', 'head 200', 'data', 'end']) {
    const client = new Client(origin.url, { pipelining: 2 })
    const inner = new Recorder()
    const outer = new Recorder((name) => {
      if (name === place) client.dispatch(get, inner)
    })
    client.dispatch(get, outer)
    await Promise.all([outer.ended, inner.ended])
    t.strictSame([outer.body, inner.body], ['ok', 'ok'], `dispatch at ${place}`)
    await client.close()

    const closing = new Client(origin.url)
    let closed: Promise<void> | null = null
    const last = new Recorder((name) => {
      if (name === place) closed = closing.close()
    })
    closing.dispatch(get, last)
    await last.ended
    await closed
    t.equal(last.body, 'ok', `close at ${place}`)

    const dying = new Client(origin.url)
    let destroyed: Promise<void> | null = null
    const victim = new Recorder((name) => {
      if (name === place) destroyed = dying.destroy(new Error('bang'))
    })
    dying.dispatch(get, victim)
    await victim.ended
    await destroyed
    t.equal(victim.calls.filter((call) => call === 'end' || call === 'error').length, 1, `destroy at ${place}`)
  }
  await origin.close()
})

t.test('pause() defers body data and the end of the connection', async (t) => {
  const origin = await rawOrigin((socket) => {
    onRequests(socket, (head) => {
      const body = 'x'.repeat(300_000)
      if (head.startsWith('GET /close')) socket.end(`HTTP/1.1 200 OK\r\n\r\n${body}`)
      else if (head.startsWith('GET /short')) socket.end(`HTTP/1.1 200 OK\r\ncontent-length: 400000\r\n\r\n${body}`)
      else socket.write(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n493e0\r\n${body}\r\n0\r\n\r\n`)
    })
  })
  const client = new Client(origin.url)
  for (const path of ['/close', '/short', '/chunked']) {
    let paused = false
    const recorder = new Recorder((name, controller) => {
      if (name !== 'data' && name !== 'head 200') return
      t.equal(paused, false, 'no callback while paused')
      paused = true
      controller.pause()
      controller.pause()
      setImmediate(() => {
        paused = false
        controller.resume()
        controller.resume()
      })
    })
    client.dispatch({ path, method: 'GET' }, recorder)
    await recorder.ended
    t.equal(recorder.body.length, 300_000)
    if (path === '/short') t.match(recorder.error, { code: 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH', phase: 'body' })
    else t.equal(recorder.error, null)
  }
  await client.close()
  await origin.close()
})

t.test('pausing at the last byte defers onResponseEnd, but not other requests', async (t) => {
  const origin = await richOrigin()
  const client = new Client(origin.url)
  const seen: string[] = []
  let go: () => void = () => {}
  const recorder: Recorder = new Recorder((name, controller) => {
    seen.push(name)
    if (name !== 'data') return
    controller.pause()
    go = () => controller.resume()
    if (recorder.body.length < 6) go()
  })
  client.dispatch(get, recorder)
  while (client.stats.running > 0 || seen.length === 0) await new Promise(setImmediate)
  t.strictSame(seen.at(-1), 'data', 'paused at the last byte')
  const other = new Recorder()
  client.dispatch(get, other)
  await other.ended
  t.strictSame(seen.at(-1), 'data', 'still paused after another request')
  t.equal(recorder.error, null)
  go()
  await recorder.ended
  t.equal(recorder.body.toString(), 'abcdef')
  const legacy: string[] = []
  await new Promise<void>((resolve) => {
    let resume: () => void = () => {}
    client.dispatch(get, {
      onConnect: () => {},
      onHeaders: (_status, _headers, proceed) => {
        resume = proceed
      },
      onData: (chunk) => {
        legacy.push(String(chunk))
        setImmediate(() => {
          legacy.push('resumed')
          resume()
        })
        return false
      },
      onComplete: () => {
        legacy.push('end')
        resolve()
      },
      onError: t.error,
    } satisfies LegacyDispatchHandler)
  })
  t.strictSame(legacy.slice(-2), ['resumed', 'end'])
  const abandoned = new Recorder((name, controller) => {
    if (name === 'data') controller.pause()
    if (name === 'data') setImmediate(() => controller.abort(new Error('enough')))
  })
  client.dispatch(get, abandoned)
  await abandoned.ended
  t.match(abandoned.error, { message: 'enough' })
  await client.close()
  await origin.close()
})

t.test('a connection closed at any byte of a response fails or completes the request', async (t) => {
  const whole = response('hello')
  const client = { current: null as Client | null }
  for (let cut = 0; cut <= whole.length; cut++) {
    const origin = await rawOrigin((socket) => onRequests(socket, () => socket.end(whole.slice(0, cut))))
    client.current = new Client(origin.url)
    const recorder = new Recorder()
    client.current.dispatch({ path: '/', method: 'POST', body: 'x' }, recorder)
    await recorder.ended
    if (cut === whole.length) t.equal(recorder.error, null, 'whole')
    else if (recorder.error === null) t.fail(`cut at ${cut} was taken for an end`)
    t.ok('hello'.startsWith(recorder.body))
    await client.current.destroy()
    await origin.close()
  }
})
