import { AsyncLocalStorage } from 'node:async_hooks'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo, Server, Socket } from 'node:net'
import { Readable } from 'node:stream'
import tls from 'node:tls'
import t from 'tap'
import {
  Agent,
  Client,
  type Dispatcher,
  type DispatchHandler,
  type DispatchOptions,
  interceptors,
  type LegacyDispatchHandler,
  Pool,
} from '../../lib/index.js'
import { authority, serverIdentity } from '../servers/certificates.js'
import { httpOrigin } from '../servers/origin.js'
import { Recorder, refusal } from '../servers/recorder.js'

type Options = NonNullable<Parameters<typeof interceptors.dns>[0]>
interface Address {
  address: string
  family: 4 | 6
  ttl: number
}

const at = (address: string, ttl?: number) =>
  ({ address, family: address.includes(':') ? 6 : 4, ...(ttl === undefined ? {} : { ttl }) }) as Address

/** Lookup with the given addresses of each host, which counts its calls. */
function lookupOf(...addresses: Address[]) {
  const lookups: string[] = []
  const lookup: Options['lookup'] = (origin, _options, callback) => {
    lookups.push(origin.hostname)
    setImmediate(() => callback(null, addresses))
  }
  return { lookups, lookup: lookup as NonNullable<Options['lookup']> }
}

/** Servers on several loopback addresses at one port; each responds with its address and the `host` header. */
async function onAddresses(addresses: readonly string[], make: () => Server = () => http.createServer(answer)) {
  const servers: Server[] = []
  const sockets = new Set<Socket>()
  let port = 0
  for (const address of addresses) {
    const server = make()
    server.on('connection', (socket: Socket) => {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
      socket.on('error', () => {})
    })
    await new Promise<void>((resolve) => server.listen(port, address, resolve))
    port = (server.address() as AddressInfo).port
    servers.push(server)
  }
  const close = async () => {
    for (const socket of sockets) socket.destroy()
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  }
  return { port, close }
}

function answer(request: http.IncomingMessage, reply: http.ServerResponse): void {
  let body = ''
  request.on('data', (chunk) => {
    body += chunk
  })
  request.on('end', () => reply.end(`${request.socket.localAddress} ${request.headers.host} ${body}`.trim()))
}

async function ask(dispatcher: Dispatcher, options: object): Promise<string> {
  const { body } = await dispatcher.request({ path: '/', method: 'GET', ...options })
  return body.text()
}

t.test('uses the addresses in turn and looks them up once', async (t) => {
  const servers = await onAddresses(['127.0.0.1', '127.0.0.2', '127.0.0.3'])
  const names = lookupOf(at('127.0.0.1'), at('127.0.0.2'), at('127.0.0.3'))
  const agent = new Agent().compose(interceptors.dns({ lookup: names.lookup }))
  const origin = `http://many.test:${servers.port}`
  const host = `many.test:${servers.port}`
  for (const last of [1, 2, 3, 1, 2, 3, 1]) t.equal(await ask(agent, { origin }), `127.0.0.${last} ${host}`)
  t.strictSame(names.lookups, ['many.test'])
  t.equal(await ask(agent, { origin: new URL(origin) }), `127.0.0.2 ${host}`, 'accepts the origin as a URL')

  const forms = [{ 'x-a': '1' }, ['x-a', '1'], [['x-a', '1']], new Map([['x-a', '1']]), new Headers({ 'x-a': '1' })]
  for (const headers of forms) t.match(await ask(agent, { origin, headers }), host)
  t.match(
    await ask(agent, { origin, headers: { HOST: 'own.test' } }),
    'own.test',
    'the host header of the caller takes precedence',
  )
  await agent.close()
  await servers.close()
})

t.test('concurrent requests share one lookup, and can be aborted', async (t) => {
  const servers = await onAddresses(['127.0.0.1', '127.0.0.2'])
  let found = () => {}
  let lookupCount = 0
  const trace = new AsyncLocalStorage<number>()
  const traces: unknown[] = []
  const agent = new Agent().compose(
    (dispatch) => (options, handler) => {
      traces.push(trace.getStore())
      return dispatch(options, handler)
    },
    interceptors.dns({
      lookup: (_origin, _options, callback) => {
        lookupCount++
        found = () => callback(null, [at('127.0.0.1'), at('127.0.0.2')])
      },
    }),
  )
  const origin = `http://slow.test:${servers.port}`
  const all = Promise.all([1, 2, 3, 4].map((number) => trace.run(number, () => ask(agent, { origin }))))
  const abort = new AbortController()
  const given = agent.request({ origin, path: '/', method: 'GET', signal: abort.signal })
  abort.abort(new Error('no patience'))
  await t.rejects(given, { message: 'no patience' })
  found()
  const where = (await all).map((text) => text.split(' ', 1)[0])
  t.strictSame(where, ['127.0.0.1', '127.0.0.2', '127.0.0.1', '127.0.0.2'])
  t.equal(lookupCount, 1)
  t.strictSame(traces, [1, 2, 3, 4], 'each request runs in the async context of its caller')
  await agent.close()
  await servers.close()
})

t.test('records expire after their ttl, limited by maxTTL', async (t) => {
  const servers = await onAddresses(['127.0.0.1', '127.0.0.2'])
  const realNow = Date.now
  let now = realNow()
  t.teardown(() => {
    Date.now = realNow
  })
  Date.now = () => now
  const origin = `http://brief.test:${servers.port}`
  const cases: [Options, (number | undefined)[], [number, number][]][] = [
    // After so many ms, so many lookups in all.
    [
      {},
      [1000],
      [
        [0, 1],
        [999, 1],
        [1000, 2],
      ],
    ],
    [
      {},
      [undefined],
      [
        [0, 1],
        [9_999, 1],
        [10_000, 2],
      ],
    ],
    [
      { maxTTL: 500 },
      [1000],
      [
        [0, 1],
        [499, 1],
        [500, 2],
      ],
    ],
    [
      { maxTTL: 500 },
      [100],
      [
        [0, 1],
        [99, 1],
        [100, 2],
      ],
    ],
    [
      { maxTTL: 60_000 },
      [undefined],
      [
        [0, 1],
        [59_999, 1],
        [60_000, 2],
      ],
    ],
    [
      { maxTTL: 0 },
      [100_000],
      [
        [0, 1],
        [99_999, 1],
        [100_000, 2],
      ],
    ],
    [
      {},
      [0],
      [
        [0, 1],
        [0, 2],
      ],
    ],
  ]
  for (const [options, [ttl], moments] of cases) {
    const names = lookupOf(at('127.0.0.1', ttl))
    const agent = new Agent().compose(interceptors.dns({ ...options, lookup: names.lookup }))
    const start = now
    for (const [later, lookups] of moments) {
      now = start + later
      await ask(agent, { origin })
      t.equal(names.lookups.length, lookups, `${JSON.stringify(options)}, ttl ${ttl}, after ${later} ms`)
    }
    await agent.close()
  }
  const mixed = lookupOf(at('127.0.0.1', 50), at('127.0.0.2', 500))
  const agent = new Agent().compose(interceptors.dns({ lookup: mixed.lookup }))
  const next = async () => (await ask(agent, { origin })).split(' ', 1)[0]
  t.strictSame([await next(), await next(), await next()], ['127.0.0.1', '127.0.0.2', '127.0.0.1'])
  now += 50
  t.strictSame([await next(), await next()], ['127.0.0.2', '127.0.0.2'], 'each record expires separately')
  t.equal(mixed.lookups.length, 1)
  await agent.close()
  await servers.close()
})

t.test('selects address families by dualStack and affinity', async (t) => {
  const servers = await onAddresses(['127.0.0.1', '127.0.0.2', '::1'])
  const both = [at('127.0.0.1'), at('::1'), at('127.0.0.2')]
  const origin = `http://dual.test:${servers.port}`
  const turns = async (options: Options, addresses = both) => {
    const agent = new Agent().compose(interceptors.dns({ ...options, lookup: lookupOf(...addresses).lookup }))
    const where: string[] = []
    for (let i = 0; i < 4; i++) where.push((await ask(agent, { origin })).split(' ', 1)[0] as string)
    await agent.close()
    return where
  }
  const four = ['127.0.0.1', '127.0.0.2', '127.0.0.1', '127.0.0.2']
  const six = ['::1', '::1', '::1', '::1']
  t.strictSame(await turns({}), ['127.0.0.1', '::1', '127.0.0.2', '::1'])
  t.strictSame(await turns({ affinity: null }), ['127.0.0.1', '::1', '127.0.0.2', '::1'])
  t.strictSame(await turns({ affinity: 4 }), four)
  t.strictSame(await turns({ affinity: 6 }), six)
  t.strictSame(
    await turns({ affinity: 6 }, [at('127.0.0.1'), at('127.0.0.2')]),
    four,
    'uses the other family if there is no address of the preferred one',
  )
  t.strictSame(await turns({}, [at('::1')]), six)
  t.strictSame(await turns({ dualStack: false }), four)
  t.strictSame(await turns({ dualStack: false, affinity: 6 }), six)
  await t.rejects(turns({ dualStack: false, affinity: 6 }, [at('127.0.0.1')]), {
    code: 'UND_ERR_INFO',
    message: /dual/,
  })
  const families: unknown[] = []
  for (const options of [{}, { dualStack: false }, { dualStack: false, affinity: 6 as const }]) {
    const agent = new Agent().compose(
      interceptors.dns({
        ...options,
        lookup: (url, { family, all }, callback) => {
          families.push([url instanceof URL && url.href, family, all])
          callback(null, both)
        },
      }),
    )
    await ask(agent, { origin })
    await agent.close()
  }
  const href = `${origin}/`
  t.strictSame(families, [
    [href, 0, true],
    [href, 4, true],
    [href, 6, true],
  ])
  await servers.close()
})

t.test('sends to the next address when one can not be connected to', async (t) => {
  const servers = await onAddresses(['127.0.0.3'])
  const names = lookupOf(at('127.0.0.1'), at('127.0.0.2'), at('127.0.0.3'))
  const attempts: string[] = []
  const watch: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) => {
    attempts.push(new URL(options.origin as string).hostname)
    return dispatch(options, handler)
  }
  const origin = `http://half.test:${servers.port}`
  const agent = new Agent().compose(watch, interceptors.dns({ lookup: names.lookup }))
  const recorder = new Recorder()
  agent.dispatch({ origin, path: '/', method: 'GET' }, recorder)
  await recorder.ended
  t.strictSame(recorder.calls, ['start', 'head 200', 'data', 'end'])
  t.strictSame(attempts, ['127.0.0.1', '127.0.0.2', '127.0.0.3'])
  const bodies = ['bytes', Readable.from(['stream']), new Blob(['blob'])]
  for (const body of bodies) t.match(await ask(agent, { origin, method: 'PUT', body }), '127.0.0.3')
  t.strictSame(attempts.slice(3), ['127.0.0.3', '127.0.0.3', '127.0.0.3'])
  t.equal(names.lookups.length, 1)
  await agent.close()

  const stream = new Agent().compose(interceptors.dns({ lookup: names.lookup }))
  t.match(await ask(stream, { origin, method: 'POST', body: Readable.from(['unread as yet']) }), 'unread as yet')
  await stream.close()
  await servers.close()

  // If no address accepts connections, the error is that of the last one, and the next request looks up again.
  names.lookups.length = attempts.length = 0
  const lost = new Agent().compose(watch, interceptors.dns({ lookup: names.lookup }))
  for (let lookups = 1; lookups <= 2; lookups++) {
    await t.rejects(ask(lost, { origin }), { code: 'ECONNREFUSED', message: /127\.0\.0\.3/ })
    t.equal(names.lookups.length, lookups)
    t.equal(attempts.length, 3 * lookups)
  }
  await lost.close()
})

t.test('records with a port are used and removed by address and port', async (t) => {
  const [first, second] = [await onAddresses(['127.0.0.1']), await onAddresses(['127.0.0.1'])]
  const refusing = await onAddresses(['127.0.0.1'])
  await refusing.close()
  const ports = [refusing.port, first.port, second.port]
  const names = lookupOf(...ports.map((port) => ({ ...at('127.0.0.1'), port })))
  const attempts: string[] = []
  const watch: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) => {
    attempts.push(new URL(options.origin as string).port)
    return dispatch(options, handler)
  }
  const agent = new Agent().compose(watch, interceptors.dns({ lookup: names.lookup }))
  for (let i = 0; i < 4; i++) t.equal(await ask(agent, { origin: 'http://ported.test:81' }), '127.0.0.1 ported.test:81')
  t.equal(names.lookups.length, 1)
  t.equal(attempts.filter((port) => port === String(refusing.port)).length, 1)
  for (const { port } of [first, second]) t.ok(attempts.includes(String(port)))
  await agent.close()
  for (const port of [0, 65_536, 1.5, '80/path', '']) {
    const lookup = lookupOf({ ...at('127.0.0.1'), port } as never).lookup
    const bad = new Agent().compose(interceptors.dns({ lookup }))
    await t.rejects(ask(bad, { origin: 'http://bad.test' }), { code: 'UND_ERR_INVALID_ARG', message: /port/ })
    await bad.close()
  }
  const text = { ...at('127.0.0.1'), port: String(first.port) } as never
  const lenient = new Agent().compose(interceptors.dns({ lookup: lookupOf(text).lookup }))
  t.match(await ask(lenient, { origin: 'http://text.test' }), 'text.test')
  await Promise.all([lenient.close(), first.close(), second.close()])
})

t.test('does not send a request again that was sent', async (t) => {
  let requests = 0
  const servers = await onAddresses(['127.0.0.1', '127.0.0.2'], () =>
    http.createServer((request) => {
      requests++
      if (request.url === '/reset') request.socket.resetAndDestroy()
      else request.socket.destroy()
    }),
  )
  const names = lookupOf(at('127.0.0.1'), at('127.0.0.2'))
  const agent = new Agent().compose(interceptors.dns({ lookup: names.lookup }))
  const origin = `http://cut.test:${servers.port}`
  for (const path of ['/reset', '/close', '/reset', '/close']) {
    requests = 0
    await t.rejects(ask(agent, { origin, path, method: 'POST', body: 'once' }))
    t.equal(requests, 1, path)
  }
  await agent.close()
  await servers.close()
})

t.test('TLS server name and certificate are those of the host', async (t) => {
  const ca = await authority()
  const one = await serverIdentity(ca, 'one.test')
  const two = tls.createSecureContext(await serverIdentity(ca, 'two.test'))
  const identities = { ...one, SNICallback: choose }
  function choose(name: string, callback: (error: null, context?: tls.SecureContext) => void) {
    if (name === 'two.test') callback(null, two)
    else callback(null)
  }
  const servers = await onAddresses(['127.0.0.1'], () =>
    https.createServer(identities, (request, reply) => {
      const { servername } = request.socket as unknown as { servername: string }
      reply.end(`${servername} ${request.headers.host}`)
    }),
  )
  const names = lookupOf(at('127.0.0.1'))
  const plain = new Agent({ connections: 1, connect: { ca: ca.cert } })
  const agent = plain.compose(interceptors.dns({ lookup: names.lookup }))
  for (const name of ['one.test', 'two.test', 'two.test', 'one.test']) {
    const origin = `https://${name}:${servers.port}`
    t.equal(
      await ask(agent, { origin }),
      `${name} ${name}:${servers.port}`,
      'separate connections although the address is the same',
    )
  }
  // Concurrent requests for both names never share a connection.
  const both = ['one.test', 'two.test', 'one.test', 'two.test']
  const responses = await Promise.all(both.map((name) => ask(agent, { origin: `https://${name}:${servers.port}` })))
  t.strictSame(
    responses,
    both.map((name) => `${name} ${name}:${servers.port}`),
  )
  await t.rejects(ask(agent, { origin: `https://three.test:${servers.port}` }), {
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  })
  await plain.close()
  await servers.close()
})

t.test('does not look up addresses and missing origins', async (t) => {
  const servers = await onAddresses(['127.0.0.1', '::1'])
  const names = lookupOf(at('127.0.0.9'))
  const dns = interceptors.dns({ lookup: names.lookup })
  const agent = new Agent().compose(dns)
  const host = `127.0.0.1:${servers.port}`
  t.equal(await ask(agent, { origin: `http://${host}` }), `127.0.0.1 ${host}`)
  t.equal(await ask(agent, { origin: `http://[::1]:${servers.port}` }), `::1 [::1]:${servers.port}`)
  t.match(refusal(agent, { path: '/', method: 'GET' }), { code: 'UND_ERR_INVALID_ARG' })
  t.match(refusal(agent, { origin: 'nonsense', path: '/', method: 'GET' }), { code: 'UND_ERR_INVALID_ARG' })
  t.strictSame(names.lookups, [])
  // Lookup of the operating system.
  const local = new Agent().compose(interceptors.dns())
  t.match(await ask(local, { origin: `http://localhost:${servers.port}` }), `localhost:${servers.port}`)
  // A Client connects to its own origin.
  for (const dispatcher of [new Client(`http://${host}`), new Pool(`http://${host}`)]) {
    t.equal(await ask(dispatcher.compose(dns), {}), `127.0.0.1 ${host}`)
    await dispatcher.close()
  }
  await Promise.all([agent.close(), local.close()])
  await servers.close()
})

t.test('the pick option selects the address', async (t) => {
  const servers = await onAddresses(['127.0.0.1', '127.0.0.2'])
  const origin = `http://picked.test:${servers.port}`
  const seen: unknown[] = []
  const agent = new Agent().compose(
    interceptors.dns({
      affinity: 4,
      lookup: lookupOf(at('127.0.0.1'), at('127.0.0.2'), at('::1')).lookup,
      pick: (url, { records }, affinity) => {
        seen.push([url.href, records[4]?.ips.map(({ address }) => address), records[6]?.ips.length, affinity])
        return records[4]?.ips.at(-1) ?? null
      },
    }),
  )
  for (let i = 0; i < 2; i++) t.match(await ask(agent, { origin }), '127.0.0.2')
  t.strictSame(seen[1], [`${origin}/`, ['127.0.0.1', '127.0.0.2'], 1, 4])
  await agent.close()
  await servers.close()
  for (const [pick, message] of [
    [() => null, /No DNS entries/],
    [
      () => {
        throw new Error('undecided')
      },
      /undecided/,
    ],
    // A pick function that always selects an address that refuses connections.
    [() => at('127.0.0.1'), /ECONNREFUSED/],
  ] as const) {
    const lost = new Agent().compose(interceptors.dns({ lookup: lookupOf(at('127.0.0.1')).lookup, pick }))
    await t.rejects(ask(lost, { origin }), { message })
    await lost.close()
  }
})

t.test('failing lookups fail the request', async (t) => {
  const origin = 'http://lost.test:1'
  const missing = Object.assign(new Error('nobody knows it'), { code: 'ENOTFOUND' })
  const cases: [Options['lookup'], object][] = [
    [(_origin, _options, callback) => callback(missing, []), missing],
    [(_origin, _options, callback) => void setImmediate(callback, missing, []), missing],
    [(_origin, _options, callback) => callback(null, []), { code: 'UND_ERR_INFO' }],
    [(_origin, _options, callback) => callback(null, undefined as never), { code: 'UND_ERR_INVALID_ARG' }],
    [(_origin, _options, callback) => callback(null, [at('evil.test/')]), { code: 'UND_ERR_INVALID_ARG' }],
    [(_origin, _options, callback) => callback(null, [at('1.2.3.4:80')]), { code: 'UND_ERR_INVALID_ARG' }],
    [(_origin, _options, callback) => callback(null, [null as never]), { code: 'UND_ERR_INVALID_ARG' }],
    [
      () => {
        throw missing
      },
      missing,
    ],
  ]
  for (const [lookup, error] of cases) {
    let lookupCount = 0
    const counting: Options['lookup'] = (...args) => {
      lookupCount++
      ;(lookup as NonNullable<typeof lookup>)(...args)
    }
    const agent = new Agent().compose(interceptors.dns({ lookup: counting }))
    for (let i = 1; i <= 2; i++) {
      const recorder = new Recorder()
      t.ok(agent.dispatch({ origin, path: '/', method: 'GET' }, recorder))
      await recorder.ended
      t.strictSame(recorder.calls, ['error'])
      t.match(recorder.error, error)
      t.equal(lookupCount, i, 'failures are not cached')
    }
    await agent.close()
  }
})

t.test('the storage option stores the records', async (t) => {
  const origin = await httpOrigin((_request, reply) => reply.end('ok'))
  const many = ['a', 'b', 'c', 'a', 'b']
  const go = async (agent: Dispatcher, names: readonly string[]) => {
    for (const name of names) await ask(agent, { origin: `http://${name}.test:${origin.port}` })
  }
  for (const [maxItems, lookups] of [
    [1, ['a', 'b', 'c', 'a', 'b']],
    [2, ['a', 'b', 'c', 'a', 'b']],
    [3, ['a', 'b', 'c']],
    [undefined, ['a', 'b', 'c']],
  ] as const) {
    const names = lookupOf(at('127.0.0.1'))
    const agent = new Agent()
    await go(agent.compose(interceptors.dns({ lookup: names.lookup, maxItems })), many)
    t.strictSame(
      names.lookups,
      lookups.map((name) => `${name}.test`),
      `at most ${maxItems}`,
    )
    await agent.close()
  }

  const calls: unknown[] = []
  const kept = new Map<string, Parameters<NonNullable<Options['storage']>['set']>[1]>()
  let full = false
  const storage: NonNullable<Options['storage']> = {
    get size() {
      return kept.size
    },
    get: (name) => kept.get(name) ?? null,
    set(name, records, options) {
      calls.push(['set', name, records?.records[4]?.ips.map(({ address, ttl }) => [address, ttl]), options])
      kept.set(name, records)
    },
    delete(name) {
      calls.push(['delete', name])
      kept.delete(name)
    },
    full: () => full,
  }
  const names = lookupOf(at('127.0.0.1', 500), at('127.0.0.7', 900))
  const agent = new Agent()
  const composed = agent.compose(interceptors.dns({ lookup: names.lookup, storage }))
  await go(composed, ['a', 'a'])
  t.strictSame(names.lookups, ['a.test'])
  t.strictSame(calls, [
    [
      'set',
      'a.test',
      [
        ['127.0.0.1', 500],
        ['127.0.0.7', 900],
      ],
      { ttl: 900 },
    ],
    ['set', 'a.test', [['127.0.0.1', 500]], { ttl: 500 }],
  ])
  full = true
  await go(composed, ['b', 'b', 'a'])
  t.strictSame(
    names.lookups,
    ['a.test', 'b.test', 'b.test'],
    'hosts that do not fit into the storage are looked up each time',
  )
  await origin.close()
  calls.length = 0
  await t.rejects(go(composed, ['a']), { code: 'ECONNREFUSED' })
  t.strictSame(calls, [['delete', 'a.test']])
  await agent.close()
})

t.test('supports legacy handlers and upgrades, and rejects invalid options', async (t) => {
  const servers = await onAddresses(['127.0.0.1'], () => {
    const server = http.createServer(answer)
    server.on('upgrade', (_request, socket) =>
      socket.write('HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
    )
    return server
  })
  const agent = new Agent().compose(interceptors.dns({ lookup: lookupOf(at('127.0.0.2'), at('127.0.0.1')).lookup }))
  const options = { origin: `http://old.test:${servers.port}`, path: '/', method: 'GET' }
  let text = ''
  await new Promise<void>((resolve, reject) => {
    const handler: LegacyDispatchHandler = {
      onData(chunk) {
        text += chunk
        return true
      },
      onComplete: () => resolve(),
      onError: reject,
    }
    agent.dispatch(options, handler as DispatchHandler)
  })
  t.equal(text, `127.0.0.1 old.test:${servers.port}`)
  const { socket } = await agent.upgrade({ ...options, protocol: 'x' } as Parameters<typeof agent.upgrade>[0])
  socket.destroy()
  for (const at of ['start', 'head 200', 'data', 'end']) {
    const recorder = new Recorder((name) => {
      if (name === at) throw new Error('thrown')
    })
    agent.dispatch(options, recorder)
    await recorder.ended
    while (recorder.error === null) await new Promise(setImmediate)
    t.equal(recorder.error.message, 'thrown', `a handler that throws at ${at}`)
    t.equal(recorder.calls.at(-1), 'error')
  }
  t.throws(() => agent.dispatch(options, null as never), { code: 'UND_ERR_INVALID_ARG' })
  await t.rejects(ask(agent, { ...options, path: 'nowhere' }), { code: 'UND_ERR_INVALID_ARG' })
  await agent.close()
  await servers.close()

  const bad: [object, RegExp][] = [
    [{ maxTTL: -1 }, /maxTTL/],
    [{ maxTTL: '1' }, /maxTTL/],
    [{ maxItems: 0 }, /maxItems/],
    [{ maxItems: Number.NaN }, /maxItems/],
    [{ affinity: 5 }, /affinity/],
    [{ dualStack: 1 }, /dualStack/],
    [{ lookup: 1 }, /lookup/],
    [{ pick: 1 }, /pick/],
    [{ storage: {} }, /storage/],
  ]
  for (const [given, message] of bad) {
    t.throws(() => interceptors.dns(given as Options), { code: 'UND_ERR_INVALID_ARG', message })
  }
  t.doesNotThrow(() => interceptors.dns({ affinity: null, maxTTL: Number.POSITIVE_INFINITY }))
})

t.test('works below redirect and retry', async (t) => {
  let failures = 1
  const servers = await onAddresses(['127.0.0.1', '127.0.0.2'], () =>
    http.createServer((request, reply) => {
      const { host } = request.headers
      if (request.url === '/') reply.writeHead(302, { location: '/next' }).end()
      else if (failures-- > 0) reply.writeHead(503, { 'retry-after': '0' }).end()
      else reply.end(`${host}${request.url}`)
    }),
  )
  const agent = new Agent().compose(
    interceptors.dns({ lookup: lookupOf(at('127.0.0.9'), at('127.0.0.1'), at('127.0.0.2')).lookup }),
    interceptors.retry({ minTimeout: 1 }),
    interceptors.redirect({ maxRedirections: 2 }),
  )
  const origin = `http://chain.test:${servers.port}`
  const { body, context } = await agent.request({ origin, path: '/', method: 'GET' } as DispatchOptions)
  t.equal(await body.text(), `chain.test:${servers.port}/next`)
  t.strictSame((context as { history: URL[] }).history.map(String), [`${origin}/`, `${origin}/next`])
  await agent.close()
  await servers.close()
})
