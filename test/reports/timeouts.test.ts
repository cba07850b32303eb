import { getEventListeners, once } from 'node:events'
import t from 'tap'
import { Client, type Dispatcher } from '../../lib/index.js'
import { response } from '../servers/origin.js'
import { failureOf, report } from './scene.js'

const ok = response('ok')
const PART = 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf'

/** Sends no response to `/silent`, and half a body to `/half`. */
function patchy(socket: { write(text: string): unknown }, head: string): void {
  if (head.includes('/half')) socket.write(PART)
  else if (!head.includes('/silent')) socket.write(ok)
}

report(
  'headersTimeout fails a request without a response, and the next request succeeds',
  { onRequest: patchy, options: { headersTimeout: 50 } },
  async (t, { ask, name }) => {
    t.equal((await failureOf(ask({ path: '/silent' }))).code, 'UND_ERR_HEADERS_TIMEOUT', name)
    t.equal((await ask()).text, 'ok', name)
  },
)

report(
  'bodyTimeout fails a stalled response, and the next request succeeds',
  { onRequest: patchy, options: { bodyTimeout: 50 } },
  async (t, { ask, name }) => {
    t.equal((await failureOf(ask({ path: '/half' }))).code, 'UND_ERR_BODY_TIMEOUT', name)
    t.equal((await ask()).text, 'ok', name)
  },
)

report(
  'a timeout of 0 is disabled',
  {
    onRequest: (socket) => setTimeout(() => socket.write(ok), 60),
    options: { headersTimeout: 0, bodyTimeout: 0, connectTimeout: 0 },
    dispatchers: ['Client'],
  },
  async (t, { ask, name }) => {
    t.equal((await ask()).text, 'ok', name)
  },
)

report(
  'a reader that pauses for longer than bodyTimeout does not fail the response',
  {
    onRequest: (socket) => socket.write(response('x'.repeat(300_000))),
    options: { bodyTimeout: 40 },
    ways: ['request'],
  },
  async (t, { dispatcher, origin, name }) => {
    const { body } = await dispatcher.request({ origin: origin.url, path: '/', method: 'GET' } as never)
    await once(body, 'readable')
    await new Promise((resolve) => setTimeout(resolve, 120))
    let length = 0
    for await (const chunk of body) length += chunk.length
    t.equal(length, 300_000, name)
  },
)

report(
  'a connection that is never established fails with the timeout of its request',
  { onRequest: () => {}, options: { connect: () => {} }, ways: ['request', 'stream', 'pipeline', 'dispatch'] },
  async (t, { ask, name }) => {
    t.equal((await failureOf(ask({ timeouts: { connect: 50 } }))).code, 'UND_ERR_CONNECT_TIMEOUT', name)
  },
)

report(
  'timeouts.total fails a request whose response trickles',
  {
    onRequest(socket) {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
      const timer = setInterval(() => socket.write('1\r\nx\r\n'), 10)
      socket.on('close', () => clearInterval(timer))
    },
    options: { timeouts: { total: 100 } },
  },
  async (t, { ask, name }) => {
    t.equal((await failureOf(ask())).code, 'SLUICE_ERR_TOTAL_TIMEOUT', name)
  },
)

report(
  'a request with an aborted signal is not sent',
  { onRequest: (socket) => socket.write(ok) },
  async (t, { ask, name, origin }) => {
    const reason = new Error('too late')
    t.equal((await failureOf(ask({ signal: AbortSignal.abort(reason) }))).message, 'too late', name)
    t.ok(origin.connections <= 1, name)
    t.equal((await ask()).text, 'ok', name)
  },
)

report(
  'aborting a request before its response does not affect others',
  { onRequest: patchy },
  async (t, { ask, name, origin }) => {
    const controller = new AbortController()
    const failure = failureOf(ask({ path: '/silent', signal: controller.signal }))
    while (origin.connections === 0) await new Promise(setImmediate)
    controller.abort()
    t.equal((await failure).name, 'AbortError', name)
    t.equal((await ask()).text, 'ok', name)
  },
)

report(
  'aborting within a body fails its reader, and the next request succeeds',
  { onRequest: patchy },
  async (t, { ask, name, origin }) => {
    const controller = new AbortController()
    const failure = failureOf(ask({ path: '/half', signal: controller.signal }))
    while (origin.connections === 0) await new Promise(setImmediate)
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
    controller.abort()
    t.equal((await failure).name, 'AbortError', name)
    t.equal((await ask()).text, 'ok', name)
  },
)

report(
  'AbortSignal.timeout aborts a queued request',
  // A handler gets its controller when the request leaves the queue, so it can not abort before.
  { onRequest: () => {}, dispatchers: ['Client', 'Pool', 'Agent'], ways: ['request', 'stream', 'pipeline', 'fetch'] },
  async (t, { ask, name }) => {
    const first = failureOf(ask())
    t.equal((await failureOf(ask({ signal: AbortSignal.timeout(40) }))).name, 'TimeoutError', name)
    // The first request ends with the dispatcher.
    first.catch(() => {})
  },
)

report(
  'hundreds of requests leave no listener on a shared signal',
  { onRequest: (socket) => socket.write(ok), dispatchers: ['Client', 'Agent'], ways: ['request', 'stream', 'fetch'] },
  async (t, { ask, name }) => {
    const warnings: Error[] = []
    const note = (warning: Error) => void warnings.push(warning)
    process.on('warning', note)
    const { signal } = new AbortController()
    for (let round = 0; round < 300; round++) await ask({ signal })
    await new Promise(setImmediate)
    process.off('warning', note)
    // The runtime's fetch removes its listener on garbage collection.
    if (!name.startsWith('fetch')) t.equal(getEventListeners(signal, 'abort').length, 0, name)
    t.strictSame(
      warnings.filter(({ name }) => name === 'MaxListenersExceededWarning' && !name.startsWith('fetch')),
      [],
      name,
    )
  },
)

t.test('requests work and do not time out under fake timers', async (t) => {
  const { setTimeout, setImmediate, clearTimeout } = globalThis
  const idle = () => ({ unref: () => {}, ref: () => {}, refresh: () => {} })
  const dispatchers: Dispatcher[] = []
  try {
    Object.assign(globalThis, { setTimeout: idle, setImmediate: idle, clearTimeout: () => {} })
    const client = new Client('http://127.0.0.1:9', {
      connect: (_options, callback) => callback(new Error('no'), null),
    })
    dispatchers.push(client)
    t.equal((await failureOf(client.request({ path: '/', method: 'GET' }))).message, 'no')
  } finally {
    Object.assign(globalThis, { setTimeout, setImmediate, clearTimeout })
  }
  for (const dispatcher of dispatchers) await dispatcher.destroy()
})
