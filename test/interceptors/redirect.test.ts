import { AsyncLocalStorage } from 'node:async_hooks'
import { Readable } from 'node:stream'
import t from 'tap'
import {
  Agent,
  BalancedPool,
  Client,
  type Dispatcher,
  type DispatchHandler,
  type DispatchInterceptor,
  type DispatchOptions,
  errors,
  interceptors,
  type LegacyDispatchHandler,
  Pool,
  RedirectHandler,
} from '../../lib/index.js'
import { httpOrigin, type Origin, onRequests, rawOrigin, response } from '../servers/origin.js'
import { Recorder, refusal } from '../servers/recorder.js'

interface Seen {
  method: string
  url: string
  headers: Record<string, unknown>
  body: string
}

/** Server: `/?status=…&location=…` sets the response, `/chain/3` redirects to `/chain/2`, other paths return the request. */
async function redirecting(): Promise<Origin & { seen: Seen[] }> {
  const seen: Seen[] = []
  const origin = await httpOrigin((request, reply) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      seen.push({ method, url, headers, body })
      const { pathname, searchParams } = new URL(`http://host${url}`)
      const left = Number(/^\/chain\/(\d+)$/.exec(pathname)?.[1] ?? 0)
      const status = Number(searchParams.get('status') ?? (left > 0 ? 302 : 200))
      const location = searchParams.get('location') ?? (left > 0 ? `/chain/${left - 1}` : null)
      if (location !== null) reply.setHeader('location', location)
      reply.writeHead(status).end(location === null ? `${method} ${url} ${body}` : 'moved')
    })
  })
  return Object.assign(origin, { seen })
}

const to = (location: string, status = 302) => `/?status=${status}&location=${encodeURIComponent(location)}`
const follow = interceptors.redirect({ maxRedirections: 5 })

function overAll(origin: string): Dispatcher[] {
  return [new Client(origin), new Pool(origin), new Agent()].map((one) => one.compose(follow))
}

async function ask(dispatcher: Dispatcher, options: Record<string, unknown>) {
  const { statusCode, headers, body, context } = await dispatcher.request({ path: '/', method: 'GET', ...options })
  return {
    statusCode,
    headers,
    text: await body.text(),
    history: (context as { history?: URL[] }).history?.map(String),
  }
}

t.test('changes method and body by the redirect status', async (t) => {
  const origin = await redirecting()
  const kept = { POST: 'POST', PUT: 'PUT', HEAD: 'HEAD', GET: 'GET' }
  const cases: [number, Record<string, string>][] = [
    [300, kept],
    [301, { ...kept, POST: 'GET' }],
    [302, { ...kept, POST: 'GET' }],
    [303, { POST: 'GET', PUT: 'GET', HEAD: 'HEAD', GET: 'GET' }],
    [307, kept],
    [308, kept],
  ]
  for (const dispatcher of overAll(origin.url)) {
    for (const [status, methods] of cases) {
      for (const [method, then] of Object.entries(methods)) {
        const body = method === 'POST' || method === 'PUT' ? 'sent' : null
        const headers = { 'content-type': 'text/plain', 'Content-Language': 'en', 'x-own': 'stays' }
        origin.seen.length = 0
        const { statusCode, history } = await ask(dispatcher, {
          origin: origin.url,
          path: to('/next?a=b', status),
          method,
          body,
          headers,
        })
        const what = `${method} ${status}`
        t.equal(statusCode, 200, what)
        t.strictSame(history, [`${origin.url}${to('/next?a=b', status)}`, `${origin.url}/next?a=b`], what)
        const [, second] = origin.seen as [Seen, Seen]
        const bodiless = status === 303 || then !== method
        t.equal(second.method, then, what)
        t.equal(second.body, bodiless || body === null ? '' : 'sent', what)
        t.equal(second.headers['x-own'], 'stays', what)
        t.equal(second.headers['content-type'], bodiless ? undefined : 'text/plain', what)
        t.equal(second.headers['content-language'], bodiless ? undefined : 'en', what)
      }
    }
    await dispatcher.close()
  }
  await origin.close()
})

t.test('delivers responses that are not redirects', async (t) => {
  const origin = await redirecting()
  const agent = new Agent().compose(follow)
  for (const path of [to('/x', 304), to('/x', 305), to('/x', 306), to('/x', 201), '/?status=302', to('')]) {
    origin.seen.length = 0
    const { statusCode } = await ask(agent, { origin: origin.url, path })
    t.equal(statusCode, Number(new URLSearchParams(path.slice(2)).get('status')), path)
    t.equal(origin.seen.length, 1, path)
  }
  await agent.close()
  await origin.close()
})

t.test('follows at most maxRedirections redirects', async (t) => {
  const origin = await redirecting()
  const plain = new Agent()
  const chain = { origin: origin.url, path: '/chain/3' }
  const after = async (settings: Parameters<typeof interceptors.redirect>[0], options: object = {}) =>
    ask(plain.compose(interceptors.redirect(settings)), { ...chain, ...options })

  t.equal((await after({ maxRedirections: 3 })).statusCode, 200)
  const short = await after({ maxRedirections: 2 })
  t.strictSame([short.statusCode, short.headers.location, short.text], [302, '/chain/0', 'moved'])
  t.equal(short.history?.length, 3)
  t.equal(
    (await after({ maxRedirections: 3, throwOnMaxRedirect: true })).statusCode,
    200,
    'exactly maxRedirections redirects',
  )
  await t.rejects(after({ maxRedirections: 2, throwOnMaxRedirect: true }), errors.MaxRedirectsError)
  await t.rejects(after({ maxRedirections: 2 }, { throwOnMaxRedirect: true }), { code: 'UND_ERR_REDIRECT_MAX' })

  for (const none of [undefined, null, 0]) {
    origin.seen.length = 0
    const { statusCode, history } = await after({ maxRedirections: none, throwOnMaxRedirect: true })
    t.equal(statusCode, 302)
    t.equal(history, undefined)
    t.equal(origin.seen.length, 1)
  }
  t.equal((await after({}, { maxRedirections: 3 })).statusCode, 200, 'the option of the request applies')
  t.equal(
    (await after({ maxRedirections: 3 }, { maxRedirections: 0 })).statusCode,
    302,
    'the option of the request takes precedence',
  )
  await plain.close()
  await origin.close()
})

t.test('removes credentials and stripped headers on redirects', async (t) => {
  const [here, there] = await Promise.all([redirecting(), redirecting()])
  const agent = new Agent().compose(
    interceptors.redirect({
      maxRedirections: 2,
      stripHeadersOnRedirect: ['X-Once'],
      stripHeadersOnCrossOriginRedirect: ['x-HOME'],
    }),
  )
  const fields: [string, string][] = [
    ['Authorization', 'a'],
    ['COOKIE', 'b'],
    ['proxy-authorization', 'c'],
    ['Host', 'named.example'],
    ['x-once', '1'],
    ['X-Home', '2'],
    ['x-kept', '3'],
  ]
  const forms: [string, () => unknown][] = [
    ['object', () => Object.fromEntries(fields)],
    ['flat array', () => fields.flat()],
    ['pairs', () => fields],
    ['Map', () => new Map(fields)],
    ['Headers', () => new Headers(fields)],
    ['generator', () => fields.values()],
  ]
  for (const [form, make] of forms) {
    for (const [where, origin] of [
      ['/z', here],
      [`${there.url}/z`, there],
    ] as const) {
      here.seen.length = there.seen.length = 0
      await ask(agent, { origin: here.url, path: to(where), headers: make() })
      const what = `${form} to ${where}`
      const first = here.seen[0]?.headers ?? {}
      const last = origin.seen.at(-1)?.headers ?? {}
      const all = ['authorization', 'cookie', 'proxy-authorization', 'x-home', 'x-kept', 'x-once']
      const among = (headers: object) =>
        Object.keys(headers)
          .filter((name) => all.includes(name))
          .sort()
      t.strictSame(among(first), all, what)
      t.equal(first.host, 'named.example', what)
      const left = origin === there ? ['x-kept'] : all.filter((name) => name !== 'x-once')
      t.strictSame(among(last), left, what)
      t.equal(last.host, origin.url.slice('http://'.length), what)
    }
  }
  await agent.close()
  await Promise.all([here.close(), there.close()])
})

t.test('keeps servername for the same origin only', async (t) => {
  const dispatched: unknown[] = []
  const controller = { pause() {}, resume() {}, abort() {} }
  const dispatch = (options: DispatchOptions & { servername?: string }, handler: DispatchHandler) => {
    const { origin, path, servername } = options
    dispatched.push([String(origin), path, servername])
    const location = ['/same', 'https://other.test/last'][dispatched.length - 1]
    handler.onRequestStart?.(controller as never, null)
    handler.onResponseStart?.(controller as never, location === undefined ? 200 : 302, location ? { location } : {}, '')
    handler.onResponseEnd?.(controller as never, {})
    return true
  }
  const options = { origin: 'https://one.test', path: '/', method: 'GET' as const, servername: 'name.test' }
  follow(dispatch as never)(options, new Recorder())
  t.strictSame(dispatched, [
    ['https://one.test', '/', 'name.test'],
    ['https://one.test', '/same', 'name.test'],
    ['https://other.test', '/last', undefined],
  ])
})

t.test('resolves the location header', async (t) => {
  const [origin, other] = await Promise.all([redirecting(), redirecting()])
  const agent = new Agent().compose(follow)
  const host = other.url.slice('http:'.length)
  const cases: [string, string][] = [
    ['/abs', `${origin.url}/abs`],
    ['sibling', `${origin.url}/dir/sibling`],
    ['../up', `${origin.url}/up`],
    ['/a#fragment', `${origin.url}/a`],
    ['/with space', `${origin.url}/with%20space`],
    [`${host}/other`, `${other.url}/other`],
    [`${other.url.replace('//', '//user:secret@')}/b`, `${other.url}/b`],
  ]
  for (const [location, where] of cases) {
    const path = `/dir/page${to(location).slice(1)}`
    const { statusCode, history } = await ask(agent, { origin: origin.url, path })
    t.equal(statusCode, 200, location)
    t.equal(history?.at(-1), where, location)
  }
  const queried = await ask(agent, { origin: origin.url, path: '/', query: { status: 302, location: '?x=1' } })
  t.equal(queried.text, 'GET /?x=1 ')
  t.equal(queried.history?.[0], `${origin.url}/?status=302&location=%3Fx%3D1`)
  const slashes = await ask(agent, { origin: origin.url, path: `//evil.example/${to('next').slice(1)}` })
  t.equal(slashes.history?.at(-1), `${origin.url}//evil.example/next`, 'a path that begins with // is not a host')

  for (const location of ['ftp://host/', 'file:///etc/passwd', 'javascript:1', 'http://[', 'data:,x']) {
    origin.seen.length = 0
    await t.rejects(ask(agent, { origin: origin.url, path: to(location) }), {
      code: 'UND_ERR_INVALID_ARG',
      message: /location/,
    })
    t.equal(origin.seen.length, 1, location)
  }
  await agent.close()
  await Promise.all([origin.close(), other.close()])
})

t.test('accepts a location in UTF-8 or latin1, and not several different ones', async (t) => {
  const requestedPaths: string[] = []
  let field = ''
  const origin = await rawOrigin((socket) =>
    onRequests(socket, (head) => {
      const path = head.split(' ', 2)[1] as string
      requestedPaths.push(path)
      const moved = `HTTP/1.1 302 Found\r\n${field}content-length: 0\r\n\r\n`
      socket.write(path === '/' ? moved : response('found'), 'latin1')
    }),
  )
  const client = new Client(origin.url).compose(follow)
  const cases: [string, string, number][] = [
    [`location: ${Buffer.from('/é').toString('latin1')}\r\n`, '/%C3%A9', 200],
    ['location: /\xe9\r\n', '/%C3%A9', 200],
    ['location: /a\r\nlocation: /a\r\n', '/a', 200],
    ['location: /a\r\nlocation: /b\r\n', '/', 302],
  ]
  for (const [text, last, status] of cases) {
    field = text
    t.equal((await ask(client, {})).statusCode, status, text)
    t.equal(requestedPaths.at(-1), last, text)
  }
  await client.close()
  await origin.close()
})

t.test('rejects redirect loops, and redirects that the dispatcher can not follow', async (t) => {
  const [origin, other] = await Promise.all([redirecting(), redirecting()])
  let turns = 0
  const ping = await httpOrigin((request, reply) => {
    turns++
    reply.writeHead(302, { location: request.url === '/ping' ? '/pong' : '/ping' }).end()
  })
  const posted = await httpOrigin((request, reply) => {
    request.resume()
    if (request.method === 'POST') reply.writeHead(303, { location: '/form' }).end()
    else reply.end('thanks')
  })
  const agent = new Agent().compose(follow)
  await t.rejects(ask(agent, { origin: ping.url, path: '/ping' }), { code: 'UND_ERR_INVALID_ARG', message: /loop/i })
  t.equal(turns, 2)
  const form = await ask(agent, { origin: posted.url, path: '/form', method: 'POST', body: 'x' })
  t.equal(form.text, 'thanks', 'a POST redirected to its own URL is not a loop')

  // A Client sends to one server only.
  const client = new Client(origin.url).compose(follow)
  const absolute = await ask(client, { path: to(`${origin.url}/abs`), headers: { authorization: 'kept' } })
  t.equal(absolute.text, 'GET /abs ')
  t.equal(origin.seen.at(-1)?.headers.authorization, 'kept', 'keeps credentials for an absolute URL of the same origin')
  const bound = await rawOrigin((socket) =>
    onRequests(socket, () =>
      socket.write(`HTTP/1.1 302 Found\r\nlocation: ${other.url}/x\r\ncontent-length: 0\r\n\r\n`),
    ),
  )
  for (const dispatcher of [new Client(bound.url), new Pool(bound.url)]) {
    await t.rejects(ask(dispatcher.compose(follow), {}), { code: 'UND_ERR_INVALID_ARG', message: /Agent/ })
    await dispatcher.close()
  }
  await Promise.all([client.close(), agent.close()])
  await Promise.all([origin.close(), other.close(), ping.close(), posted.close(), bound.close()])
})

t.test('resends replayable bodies and does not follow with others', async (t) => {
  const origin = await redirecting()
  const bodies: [string, () => unknown, boolean][] = [
    ['string', () => 'abc', true],
    ['Buffer', () => Buffer.from('abc'), true],
    ['ArrayBuffer', () => new Uint8Array([97, 98, 99]).buffer, true],
    ['Blob', () => new Blob(['abc']), true],
    ['array', () => ['a', 'bc'], true],
    ['URLSearchParams', () => new URLSearchParams('abc'), true],
    ['Readable', () => Readable.from(['abc']), false],
    ['web stream', () => new Blob(['abc']).stream(), false],
    [
      'generator',
      async function* () {
        yield 'abc'
      },
      false,
    ],
  ]
  for (const dispatcher of overAll(origin.url)) {
    for (const [name, make, again] of bodies) {
      for (const status of [301, 303, 307, 308]) {
        origin.seen.length = 0
        const options = { origin: origin.url, path: to('/next', status), method: 'POST', body: make() as string }
        const { statusCode, text } = await ask(dispatcher, options)
        const what = `${name} ${status}`
        t.match(origin.seen[0]?.body, /^abc=?$/, what)
        if (status < 304) t.equal(text, 'GET /next ', what)
        else if (again) t.match(origin.seen[1]?.body, /^abc=?$/, what)
        else t.strictSame([statusCode, text, origin.seen.length], [status, 'moved', 1], what)
      }
    }
    await dispatcher.close()
  }
  await origin.close()
})

t.test('closes the connection of a redirect with a long body', async (t) => {
  const origin = await rawOrigin((socket) =>
    onRequests(socket, (head) => {
      if (!head.startsWith('GET / ')) return socket.write(response('there'))
      socket.write('HTTP/1.1 302 Found\r\nlocation: /next\r\ntransfer-encoding: chunked\r\n\r\n')
      const more = () => {
        while (socket.writable && socket.write(`4000\r\n${'x'.repeat(0x4000)}\r\n`));
      }
      socket.on('drain', more)
      more()
    }),
  )
  const client = new Client(origin.url).compose(follow)
  t.equal((await ask(client, {})).text, 'there')
  t.equal(origin.connections, 2)
  await client.close()
  await origin.close()
})

t.test('an abort at any time fails the request once', async (t) => {
  const origin = await redirecting()
  const options = { origin: origin.url, path: '/chain/2', method: 'GET' }
  for (const at of ['start', 'head 200', 'data']) {
    const agent = new Agent().compose(follow)
    const recorder = new Recorder((name, controller) => {
      if (name === at) controller.abort(new Error('enough'))
    })
    agent.dispatch(options, recorder)
    await recorder.ended
    t.equal(recorder.error?.message, 'enough', at)
    t.equal(recorder.calls.filter((name) => name === 'error' || name === 'end').length, 1, at)
    await agent.close()
  }
  for (const at of ['head 200', 'data', 'end']) {
    const agent = new Agent().compose(follow)
    const recorder = new Recorder((name) => {
      if (name === at) throw new Error('thrown')
    })
    agent.dispatch(options, recorder)
    await recorder.ended
    while (recorder.error === null) await new Promise(setImmediate)
    t.equal(recorder.error?.message, 'thrown', `a handler that throws at ${at}`)
    t.equal(recorder.calls.at(-1), 'error')
    await agent.close()
  }
  // Abort between two requests by the first controller, over a dispatcher that calls nothing before it sends.
  let sendSecond = () => {}
  let sent = 0
  const slow: import('../../lib/index.js').DispatchInterceptor = (dispatch) => (request, handler) => {
    if (++sent === 1) return dispatch(request, handler)
    sendSecond = () => dispatch(request, handler)
    return true
  }
  const agent = new Agent().compose(slow, follow)
  const recorder = new Recorder()
  agent.dispatch(options, recorder)
  while (sent < 2) await new Promise(setImmediate)
  recorder.controller?.abort(new Error('in between'))
  t.strictSame(recorder.calls, ['start', 'error'])
  sendSecond()
  await agent.close()
  t.strictSame(recorder.calls, ['start', 'error'], 'no callback after the error')
  t.equal(recorder.error?.message, 'in between')
  t.ok(recorder.controller?.aborted)
  await origin.close()
})

t.test('works with retry and dump', async (t) => {
  let failures = 2
  const origin = await httpOrigin((request, reply) => {
    if (request.url === '/') reply.writeHead(302, { location: '/busy' }).end('moved')
    else if (failures-- > 0) reply.writeHead(503, { 'retry-after': '0' }).end('later')
    else reply.end('served at last')
  })
  const retry = interceptors.retry({ minTimeout: 1, maxTimeout: 5 })
  for (const [chain, text] of [
    [[retry, follow], 'served at last'],
    [[follow, retry], 'served at last'],
    [[interceptors.dump(), retry, follow], ''],
    [[follow, retry, interceptors.dump()], ''],
  ] as const) {
    failures = 2
    const agent = new Agent().compose([...chain])
    const answer = await ask(agent, { origin: origin.url })
    t.strictSame([answer.statusCode, answer.text], [200, text])
    await agent.close()
  }
  await origin.close()
})

t.test('RedirectHandler works as documented', async (t) => {
  const origin = await redirecting()
  const client = new Client(origin.url)
  const options = { origin: origin.url, path: '/chain/1', method: 'GET', headers: { 'x-a': '1', 'x-b': '2' } }
  const recorder = new Recorder()
  const handler = new RedirectHandler(
    client.dispatch.bind(client),
    2,
    { ...options, maxRedirections: 9, throwOnMaxRedirect: true, stripHeadersOnRedirect: ['x-a'] },
    recorder,
  )
  t.equal(handler.maxRedirections, 2)
  t.equal(handler.handler, recorder)
  t.equal(handler.location, null)
  t.strictSame(handler.history, [])
  t.notOk('maxRedirections' in handler.opts || 'stripHeadersOnRedirect' in handler.opts)
  t.not(handler.opts, options)
  client.dispatch(options, handler)
  await recorder.ended
  t.strictSame(recorder.calls, ['start', 'start', 'head 200', 'data', 'end'])
  t.strictSame(handler.history.map(String), [`${origin.url}/chain/1`, `${origin.url}/chain/0`])
  t.equal(handler.opts.path, '/chain/0')
  t.equal(origin.seen.at(-1)?.headers['x-a'], undefined)
  t.equal(origin.seen.at(-1)?.headers['x-b'], '2')

  const built = RedirectHandler.buildDispatch(client, 5)
  const second = new Recorder()
  built({ path: to(`${origin.url}/chain/2`), method: 'GET', headers: { authorization: 'mine' } }, second)
  await second.ended
  t.equal(second.statusCode, 200)
  t.equal(origin.seen.at(-1)?.headers.authorization, 'mine', 'keeps credentials for the origin of the client')

  // A legacy handler, and a handler with one callback.
  const status = await new Promise((resolve, reject) =>
    built(options, { onHeaders: (code) => resolve(code), onError: reject } as LegacyDispatchHandler as DispatchHandler),
  )
  t.equal(status, 200)
  await new Promise<void>((resolve) => built(options, { onResponseEnd: () => resolve() }))

  const bad: [unknown[], RegExp][] = [
    [[null, 1, options, recorder], /dispatch/],
    [[built, -1, options, recorder], /maxRedirections/],
    [[built, 1.5, options, recorder], /maxRedirections/],
    [[built, '1', options, recorder], /maxRedirections/],
    [[built, 1, { ...options, throwOnMaxRedirect: 'yes' }, recorder], /throwOnMaxRedirect/],
    [[built, 1, { ...options, stripHeadersOnRedirect: 'x' }, recorder], /stripHeadersOnRedirect/],
    [[built, 1, { ...options, stripHeadersOnCrossOriginRedirect: [1] }, recorder], /stripHeadersOnCrossOrigin/],
    [[built, 1, null, recorder], /opts/],
    [[built, 1, options, null], /handler/],
  ]
  for (const [list, message] of bad) {
    const make = () => new RedirectHandler(...(list as ConstructorParameters<typeof RedirectHandler>))
    t.throws(make, { code: 'UND_ERR_INVALID_ARG', message })
  }
  t.throws(() => RedirectHandler.buildDispatch(client, -1), { code: 'UND_ERR_INVALID_ARG', message: /maxRedirections/ })
  t.throws(() => interceptors.redirect({ maxRedirections: 0.5 }), { code: 'UND_ERR_INVALID_ARG' })
  t.match(refusal(client.compose(follow), { ...options, maxRedirections: -1 }), { code: 'UND_ERR_INVALID_ARG' })
  await client.close()
  await origin.close()
})

t.test('redirected requests are sent in the async context of the caller', async (t) => {
  const origin = await redirecting()
  const place = new AsyncLocalStorage<number>()
  const places: unknown[] = []
  const client = new Client(origin.url)
  const noting = client.compose(
    (dispatch) => (options, handler) => {
      places.push(place.getStore())
      return dispatch(options, handler)
    },
    follow,
  )
  await place.run(1, async () => (await noting.request({ path: '/', method: 'GET' })).body.dump())
  await place.run(2, async () => (await noting.request({ path: '/chain/2', method: 'GET' })).body.dump())
  t.strictSame(places, [1, 2, 2, 2])
  await client.close()
  await origin.close()
})

t.test('fails a redirect to an origin that the dispatcher does not send to, without a request', async (t) => {
  const [origin, other] = await Promise.all([redirecting(), redirecting()])
  for (const Kind of [Client, Pool, BalancedPool]) {
    const dispatcher = new Kind(origin.url)
    origin.seen.length = other.seen.length = 0
    const composed = dispatcher.compose(follow).compose((dispatch) => (options, handler) => dispatch(options, handler))
    const elsewhere = { path: to(`${other.url}/x`), headers: { authorization: 'mine' } }
    await t.rejects(ask(composed, elsewhere), { code: 'UND_ERR_INVALID_ARG', message: /Agent/ }, Kind.name)
    t.strictSame([origin.seen.length, other.seen.length], [1, 0], Kind.name)
    await ask(composed, { path: to(`${origin.url}/x`), headers: { authorization: 'mine' } })
    t.equal(
      origin.seen.at(-1)?.headers.authorization,
      'mine',
      `${Kind.name}: follows an absolute URL of its own origin`,
    )
    await dispatcher.close()
  }
  await Promise.all([origin.close(), other.close()])
})

t.test('below dns, a relative redirect keeps the host name, and its address is another origin', async (t) => {
  const origin = await redirecting()
  const { port } = new URL(origin.url)
  const lookup = (_origin: URL, _options: object, done: (error: null, found: never[]) => void) =>
    done(null, [{ address: '127.0.0.1', family: 4, ttl: 1000 } as never])
  for (const order of [
    [follow, interceptors.dns({ lookup })],
    [interceptors.dns({ lookup }), follow],
  ]) {
    const agent = new Agent().compose(...order)
    const headers = { authorization: 'mine' }
    const options = { origin: `http://localhost:${port}`, headers }
    const same = await ask(agent, { ...options, path: to('/same') })
    t.equal(origin.seen.at(-1)?.headers.host, `localhost:${port}`)
    t.equal(origin.seen.at(-1)?.headers.authorization, 'mine')
    t.equal(same.history?.at(-1), `http://localhost:${port}/same`)
    await ask(agent, { ...options, path: to(`http://localhost:${port}/full`) })
    t.equal(origin.seen.at(-1)?.headers.authorization, 'mine')
    await ask(agent, { ...options, path: to(`${origin.url}/address`) })
    t.equal(origin.seen.at(-1)?.headers.host, `127.0.0.1:${port}`)
    t.equal(origin.seen.at(-1)?.headers.authorization, undefined, 'removes credentials for the address of the origin')
    await ask(agent, { ...options, path: to('/named'), headers: { ...headers, host: 'other.test' } })
    t.equal(origin.seen.at(-1)?.headers.host, `localhost:${port}`)
    await agent.close()
  }
  await origin.close()
})

t.test('proxy credentials do not reach the target of a redirect', async (t) => {
  const [proxy, target] = await Promise.all([redirecting(), redirecting()])
  const headers = { 'proxy-authorization': 'secret', authorization: 'mine' }
  const path = target.url + to('/b')
  const agent = new Agent().compose(follow)
  proxy.seen.length = 0
  // The proxy responds like the target.
  await ask(agent, { origin: proxy.url, path, headers })
  t.equal(proxy.seen[0]?.headers['proxy-authorization'], 'secret')
  t.equal(target.seen.at(-1)?.url, '/b')
  t.equal(target.seen.at(-1)?.headers['proxy-authorization'], undefined)
  t.equal(target.seen.at(-1)?.headers.authorization, 'mine')
  const client = new Client(proxy.url).compose(follow)
  await ask(client, { path, headers })
  t.equal(proxy.seen.at(-1)?.url, `${target.url}/b`, 'a Client of the proxy sends the redirected request to the proxy')
  await Promise.all([agent.close(), client.close()])
  await Promise.all([proxy.close(), target.close()])
})

t.test('undefined options are ignored, and null means no redirects and no stripped headers', async (t) => {
  const [here, there] = await Promise.all([redirecting(), redirecting()])
  const strict = {
    maxRedirections: 2,
    throwOnMaxRedirect: true,
    stripHeadersOnRedirect: ['x-once'],
    stripHeadersOnCrossOriginRedirect: ['x-api-key'],
  }
  const agent = new Agent().compose(interceptors.redirect(strict))
  const redirected = (options: object) =>
    ask(agent, {
      origin: here.url,
      path: to(`${there.url}/z`),
      headers: { 'x-api-key': 'k', 'x-once': '1' },
      ...options,
    })
  const passed = () => [there.seen.at(-1)?.headers['x-api-key'], there.seen.at(-1)?.headers['x-once']]
  await redirected(Object.fromEntries(Object.keys(strict).map((name) => [name, undefined])))
  t.strictSame(passed(), [undefined, undefined])
  await t.rejects(ask(agent, { origin: here.url, path: '/chain/5', throwOnMaxRedirect: undefined }), {
    code: 'UND_ERR_REDIRECT_MAX',
  })
  await redirected({ stripHeadersOnCrossOriginRedirect: null, stripHeadersOnRedirect: null })
  t.strictSame(passed(), ['k', '1'])
  t.equal((await redirected({ maxRedirections: null })).statusCode, 302)
  t.equal((await ask(agent, { origin: here.url, path: '/chain/5', throwOnMaxRedirect: null })).statusCode, 302)
  await agent.close()
  await Promise.all([here.close(), there.close()])
})

t.test('follows a redirect whose body fails, unless the caller aborts', async (t) => {
  const bodies: Record<string, string> = {
    '/coding': response('no gzip', { 'content-encoding': 'gzip' }),
    '/short': response('x', { 'content-length': '5' }),
    '/chunks': response('', { 'transfer-encoding': 'chunked' }).replace('content-length: 0\r\n', '').concat('zz\r\n'),
    '/large': response('x'.repeat(100), { 'content-length': '100' }),
  }
  const waits: (() => void)[] = []
  const origin = await rawOrigin((socket) => {
    onRequests(socket, (head) => {
      const path = head.split(' ')[1] as string
      if (path === '/end') return void socket.write(response('end'))
      const wanted = (bodies[path] ?? response('', { 'content-length': '5' })).replace('200 OK', '302 Found')
      socket.write(wanted.replace('\r\n', '\r\nlocation: /end\r\n'))
      if (path === '/short') socket.end()
      waits.shift()?.()
    })
  })
  const agent = new Agent({ maxResponseSize: 50 })
  const { decompress, redirect } = interceptors
  const following = agent.compose(decompress(), redirect({ maxRedirections: 2 }))
  for (const path of Object.keys(bodies)) {
    const { statusCode, body } = await following.request({ origin: origin.url, path, method: 'GET' })
    t.strictSame([statusCode, await body.text()], [200, 'end'], path)
  }
  const abort = new AbortController()
  const seen = new Promise<void>((resolve) => waits.push(resolve))
  const given = following.request({ origin: origin.url, path: '/waits', method: 'GET', signal: abort.signal })
  const rejected = t.rejects(given, { message: 'enough' })
  await seen
  setImmediate(() => abort.abort(new Error('enough')))
  await rejected
  await agent.close()
  await origin.close()
})

t.test('a pause applies to the last response, not to the redirects before', async (t) => {
  const origin = await redirecting()
  const client = new Client(origin.url)
  const recorder = new Recorder((name, controller) => {
    if (name === 'start') controller.pause()
    if (name.startsWith('head')) setImmediate(() => controller.resume())
  })
  client.compose(interceptors.redirect({ maxRedirections: 3 })).dispatch({ path: '/chain/2', method: 'GET' }, recorder)
  await recorder.ended
  t.equal(recorder.statusCode, 200)
  t.equal(origin.connections, 1, 'the bodies of the redirects are read')
  await client.close()
  await origin.close()
})

t.test('fails with the exception of onRequestUpgrade', async (t) => {
  const origin = await rawOrigin((socket) => {
    socket.on('error', () => {})
    onRequests(socket, () => socket.write('HTTP/1.1 200 OK\r\n\r\n'))
  })
  const { redirect, retry, decompress, responseError, dump, dns } = interceptors
  const all = { retry: retry(), decompress: decompress(), responseError: responseError(), dump: dump(), dns: dns() }
  for (const [name, interceptor] of Object.entries({ redirect: redirect({ maxRedirections: 2 }), ...all })) {
    // A host name: dns does not look up addresses.
    const client = new Client(origin.url.replace('127.0.0.1', 'localhost'))
    const failed = new Promise<Error>((resolve) => {
      client.compose(interceptor as DispatchInterceptor).dispatch(
        { path: 'target:1', method: 'CONNECT' },
        {
          onRequestUpgrade() {
            throw new Error('mine')
          },
          onResponseError: (_controller, error) => resolve(error),
        },
      )
    })
    t.equal((await failed).message, 'mine', name)
    await client.close()
  }
  await origin.close()
})
