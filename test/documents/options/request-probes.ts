import { EventEmitter } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { Agent, Client, type Dispatcher } from '../../../lib/index.js'
import { onRequests, response } from '../../servers/origin.js'
import { Recorder } from '../../servers/recorder.js'
import { answer, get, type Probe, served, servedRaw, using } from './probe.js'

type Options = Record<string, unknown>
type Listener = Parameters<typeof served>[0]

/** Sends one request to an origin and returns its response. */
const asking =
  (listener: Listener, base: Options = {}) =>
  (options: Options) =>
    served(listener, ({ url }) => using(new Client(url), (client) => answer(client, { ...base, ...options })))

const echo: Listener = (request, reply) => {
  let body = ''
  request.on('data', (chunk) => {
    body += chunk
  })
  request.on('end', () => reply.end(`${request.method} ${request.url} ${request.headers['x-a'] ?? ''} ${body}`))
}

/** Returns the header section of a request as received. */
const head = (options: Options) =>
  servedRaw(
    (socket) =>
      onRequests(socket, (text) => {
        const [first, ...lines] = text.split('\r\n')
        socket.write(response(lines.find((line) => /^(connection|upgrade|expect)/i.test(line)) ?? (first as string)))
      }),
    ({ url }) => using(new Client(url), (client) => answer(client, options)),
  )

/** Returns how many of two requests arrive before the first response, when the first has `options`. */
const together = (base: Options) => (options: Options) => {
  let most = 0
  return servedRaw(
    (socket) => {
      let waiting = 0
      onRequests(socket, () => {
        most = Math.max(most, ++waiting)
        setImmediate(() => void (waiting-- > 0 && socket.write(response('x'))))
      })
    },
    ({ url }) =>
      using(new Client(url, { pipelining: 2 }), async (client) => {
        await answer(client, {})
        await Promise.all([answer(client, {}), answer(client, { ...base, ...options }), answer(client, {})])
        return String(most)
      }),
  )
}

/** Returns the error of a request in flight whose signal is aborted. */
const aborted = (send: (client: Client, options: Options) => Promise<unknown>) => (options: Options) => {
  const signal = new EventEmitter()
  const given = 'signal' in options ? { signal } : {}
  return servedRaw(
    (socket) =>
      onRequests(socket, () => {
        signal.emit('abort')
        socket.destroy()
      }),
    ({ url }) =>
      using(new Client(url), (client) =>
        send(client, { ...given, path: '/', method: 'GET' }).then(
          () => 'answered',
          ({ name }: Error) => name,
        ),
      ),
  )
}

/** Closes the socket of a tunnel or upgrade, and returns what was received before. */
const over =
  (answerTo: string, send: (client: Client, options: Options) => Promise<unknown>, show: (data: never) => unknown) =>
  (options: Options) =>
    servedRaw(
      (socket) =>
        onRequests(socket, (text) => void socket.write(answerTo.replace('HEAD', text.replaceAll('\r\n', '|')))),
      ({ url }) =>
        using(new Client(url), async (client) => {
          const data = (await send(client, options)) as { socket: { destroy(): void } }
          data.socket.destroy()
          return String(show(data as never))
        }),
    )

const tunnel = (base: Options, show: (data: never) => unknown) =>
  over(
    'HTTP/1.1 200 OK\r\nx-head: HEAD\r\n\r\n',
    (client, options) => client.connect({ ...base, ...options } as never),
    show,
  )
const upgraded = (base: Options, show: (data: never) => unknown) =>
  over(
    'HTTP/1.1 101 Go\r\nconnection: upgrade\r\nupgrade: x\r\nx-head: HEAD\r\n\r\n',
    (client, options) => client.upgrade({ ...base, ...options } as never),
    show,
  )
const sent = ({ headers }: { headers: Record<string, string> }) => headers['x-head']?.replace(/\|.*/, '')
const ownField = ({ headers }: { headers: Record<string, string> }) => /\|x-a: 1/.test(headers['x-head'] as string)
const form = ({ headers }: { headers: object }) => Array.isArray(headers)

/** Options of requests: those of `dispatch`, then those of the other methods. */
export const requestProbes: Record<string, Probe> = {
  'Dispatcher.DispatchOptions.origin': {
    given: 'used below',
    without: 'UND_ERR_INVALID_ARG',
    with: 'GET /  ',
    observe: (options) =>
      served(echo, ({ url }) =>
        using(new Agent(), (agent) => answer(agent, 'origin' in options ? { origin: url } : {})),
      ),
  },
  'Dispatcher.DispatchOptions.path': { given: '/a', without: 'GET /  ', with: 'GET /a  ', observe: asking(echo) },
  'Dispatcher.DispatchOptions.method': {
    given: 'DELETE',
    without: 'GET /  ',
    with: 'DELETE /  ',
    observe: asking(echo),
  },
  'Dispatcher.DispatchOptions.body': {
    given: Readable.from(['abc']),
    without: 'PUT /  ',
    with: 'PUT /  abc',
    observe: asking(echo, { method: 'PUT' }),
  },
  'Dispatcher.DispatchOptions.headers': {
    given: { 'x-a': '1' },
    without: 'GET /  ',
    with: 'GET / 1 ',
    observe: asking(echo),
  },
  'Dispatcher.DispatchOptions.query': {
    given: { a: [1, 2] },
    without: 'GET /  ',
    with: 'GET /?a=1&a=2  ',
    observe: asking(echo),
  },
  'Dispatcher.DispatchOptions.idempotent': { given: false, without: '2', with: '1', observe: together({}) },
  'Dispatcher.DispatchOptions.blocking': {
    given: true,
    without: 'both',
    with: 'first',
    observe: (options) => {
      let first = ''
      return servedRaw(
        (socket) => {
          const paths: string[] = []
          onRequests(socket, (text) => {
            paths.push(/ (\S+)/.exec(text)?.[1] as string)
            if (paths.length === 1 && paths[0] !== '/0') {
              setTimeout(() => {
                first = paths.length === 1 ? 'first' : 'both'
                socket.write(response('x').repeat(2))
              }, 30)
            } else if (paths[0] === '/0') socket.write(response(paths.splice(0).join('')))
          })
        },
        ({ url }) =>
          using(new Client(url, { pipelining: 2 }), async (client) => {
            await answer(client, { path: '/0' })
            await Promise.all([answer(client, { path: '/1', ...options }), answer(client, { path: '/2' })])
            return first
          }),
      )
    },
  },
  'Dispatcher.DispatchOptions.upgrade': {
    given: 'x',
    without: '200',
    with: '101',
    observe: (options) =>
      servedRaw(
        (socket) =>
          onRequests(socket, (text) => {
            const isUpgrade = /^upgrade: x$/im.test(text)
            socket.write(isUpgrade ? 'HTTP/1.1 101 Go\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n' : response(''))
          }),
        ({ url }) =>
          using(new Client(url), async (client) => {
            const recorder = new Recorder()
            client.dispatch({ ...get, ...options }, recorder)
            const { statusCode, socket } = await recorder.ended
            socket?.destroy()
            return String(statusCode)
          }),
      ),
  },
  'Dispatcher.DispatchOptions.headersTimeout': {
    given: 20,
    without: 'x',
    with: 'UND_ERR_HEADERS_TIMEOUT',
    observe: asking((_request, reply) => void setTimeout(() => reply.end('x'), 150)),
  },
  'Dispatcher.DispatchOptions.bodyTimeout': {
    given: 20,
    without: 'xy',
    with: 'UND_ERR_BODY_TIMEOUT',
    observe: asking((_request, reply) => {
      reply.write('x')
      setTimeout(() => reply.end('y'), 150)
    }),
  },
  'Dispatcher.DispatchOptions.reset': {
    given: true,
    without: 'connection: keep-alive',
    with: 'connection: close',
    observe: head,
  },
  'Dispatcher.DispatchOptions.expectContinue': {
    given: true,
    without: 'undefined',
    with: '100-continue',
    observe: (options) =>
      served(
        (request, reply) => void reply.end(String(request.headers.expect)),
        ({ url }) => using(new Client(url), (client) => answer(client, { method: 'POST', body: 'x', ...options })),
      ),
  },
  'Dispatcher.RequestOptions.opaque': {
    given: 'mine',
    without: 'null',
    with: 'mine',
    observe: (options) =>
      served(
        (_request, reply) => void reply.end(),
        ({ url }) =>
          using(new Client(url), async (client) => {
            const { body, opaque } = await client.request({ ...get, ...options })
            await body.dump()
            return String(opaque)
          }),
      ),
  },
  'Dispatcher.RequestOptions.signal': {
    given: 'used below',
    without: 'SocketError',
    with: 'AbortError',
    observe: aborted((client, options) => client.request({ ...options, idempotent: false } as never)),
  },
  'Dispatcher.RequestOptions.onInfo': {
    given: () => {
      throw new Error('called')
    },
    without: 'x',
    with: 'called',
    observe: asking((_request, reply) => {
      reply.writeProcessing()
      reply.end('x')
    }),
  },
  'Dispatcher.RequestOptions.responseHeaders': {
    given: 'raw',
    without: 'false',
    with: 'true',
    observe: (options) =>
      served(
        (_request, reply) => void reply.end(),
        ({ url }) =>
          using(new Client(url), async (client) => {
            const { body, headers } = await client.request({ ...get, ...options } as never)
            await body.dump()
            return String(Array.isArray(headers))
          }),
      ),
  },
  'Dispatcher.RequestOptions.highWaterMark': {
    given: 10,
    without: '65536',
    with: '10',
    observe: (options) =>
      served(
        (_request, reply) => void reply.end(),
        ({ url }) =>
          using(new Client(url), async (client) => {
            const { body } = await client.request({ ...get, ...options })
            await body.dump()
            return String(body.readableHighWaterMark)
          }),
      ),
  },
  'Dispatcher.PipelineOptions.objectMode': {
    given: true,
    without: 'false',
    with: 'true',
    observe: (options) =>
      served(
        (_request, reply) => void reply.end('x'),
        ({ url }) =>
          using(new Client(url), async (client) => {
            const duplex = client.pipeline({ ...get, ...options }, ({ body }) =>
              body.pipe(new PassThrough({ readableObjectMode: true })),
            )
            duplex.end().resume()
            await new Promise((resolve) => duplex.on('end', resolve))
            return String(duplex.readableObjectMode)
          }),
      ),
  },
  'Dispatcher.ConnectOptions.origin': {
    given: 'used below',
    without: 'UND_ERR_INVALID_ARG',
    with: '200',
    observe: (options) =>
      servedRaw(
        (socket) => onRequests(socket, () => void socket.write('HTTP/1.1 200 OK\r\n\r\n')),
        ({ url }) =>
          using(new Agent(), (agent) => {
            const target = { path: 'a:1', ...('origin' in options ? { origin: url } : {}) }
            return agent.connect(target as Dispatcher.ConnectOptions).then(
              ({ statusCode, socket }) => {
                socket.destroy()
                return String(statusCode)
              },
              ({ code }) => code,
            )
          }),
      ),
  },
  'Dispatcher.ConnectOptions.path': {
    given: 'b:2',
    without: 'CONNECT a:1 HTTP/1.1',
    with: 'CONNECT b:2 HTTP/1.1',
    observe: tunnel({ path: 'a:1' }, sent),
  },
  'Dispatcher.ConnectOptions.headers': {
    given: { 'x-a': '1' },
    without: 'false',
    with: 'true',
    observe: tunnel({ path: 'a:1' }, ownField),
  },
  'Dispatcher.ConnectOptions.signal': {
    given: 'used below',
    without: 'SocketError',
    with: 'AbortError',
    observe: aborted((client, { method: _, ...options }) => client.connect({ ...options, path: 'a:1' } as never)),
  },
  'Dispatcher.ConnectOptions.opaque': {
    given: 'mine',
    without: 'null',
    with: 'mine',
    observe: tunnel({ path: 'a:1' }, ({ opaque }: { opaque: unknown }) => opaque),
  },
  'Dispatcher.ConnectOptions.responseHeaders': {
    given: 'raw',
    without: 'false',
    with: 'true',
    observe: tunnel({ path: 'a:1' }, form),
  },
  'Dispatcher.UpgradeOptions.path': {
    given: '/b',
    without: 'GET / HTTP/1.1',
    with: 'GET /b HTTP/1.1',
    observe: upgraded({ path: '/', protocol: 'x' }, sent),
  },
  'Dispatcher.UpgradeOptions.method': {
    given: 'POST',
    without: 'GET / HTTP/1.1',
    with: 'POST / HTTP/1.1',
    observe: upgraded({ path: '/', protocol: 'x' }, sent),
  },
  'Dispatcher.UpgradeOptions.headers': {
    given: { 'x-a': '1' },
    without: 'false',
    with: 'true',
    observe: upgraded({ path: '/', protocol: 'x' }, ownField),
  },
  'Dispatcher.UpgradeOptions.protocol': {
    given: 'x',
    without: 'Websocket',
    with: 'x',
    observe: upgraded(
      { path: '/' },
      ({ headers }: { headers: Record<string, string> }) =>
        /upgrade: (\w+)\|?/i.exec((headers['x-head'] as string).replace(/connection: upgrade/i, ''))?.[1],
    ),
  },
  'Dispatcher.UpgradeOptions.signal': {
    given: 'used below',
    without: 'SocketError',
    with: 'AbortError',
    observe: aborted((client, options) => client.upgrade({ ...options, protocol: 'x' } as never)),
  },
  'Dispatcher.UpgradeOptions.responseHeaders': {
    given: 'raw',
    without: 'false',
    with: 'true',
    observe: upgraded({ path: '/', protocol: 'x' }, form),
  },
}
