import type http from 'node:http'
import zlib from 'node:zlib'
import { httpOrigin, type Origin } from '../../servers/origin.js'

/** An origin for interceptor scenarios, which records received requests. */
export interface Workplace extends Origin {
  /** Recorded requests: `GET /path`, with other relevant parts. */
  readonly requested: string[]
}

const PART = 'the first half, '
const REST = 'and the second'
const TEXT = 'as plain as it gets'

type Route = (request: http.IncomingMessage, reply: http.ServerResponse, times: number) => void

const routes: Record<string, Route> = {
  '/plain': (_request, reply) => reply.end(TEXT),
  '/echo': (request, reply) => {
    const { authorization = null, cookie = null, 'x-own': own = null } = request.headers
    reply.end(JSON.stringify({ authorization, cookie, own }))
  },
  '/busy': (_request, reply, times) => {
    if (times <= 2) reply.writeHead(503, { 'retry-after': '0' }).end('later')
    else reply.end('served at last')
  },
  '/always-busy': (_request, reply) => reply.writeHead(503, { 'retry-after': '0' }).end('never'),
  '/closing': (request, reply, times) => {
    if (times <= 2) request.socket.destroy()
    else reply.end('open again')
  },
  '/halves': (request, reply) => {
    const whole = PART + REST
    const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    if (from > 0) {
      const range = `bytes ${from}-${whole.length - 1}/${whole.length}`
      reply.writeHead(206, { etag: '"one"', 'content-range': range, 'content-length': whole.length - from })
      reply.end(whole.slice(from))
      return
    }
    reply.writeHead(200, { etag: '"one"', 'content-length': whole.length, 'accept-ranges': 'bytes' })
    reply.write(PART, () => setImmediate(() => request.socket.destroy()))
  },
  '/moved': (_request, reply) => reply.writeHead(302, { location: '/plain' }).end('moved'),
  '/see-other': (_request, reply) => reply.writeHead(303, { location: '/plain' }).end(),
  '/preserve': (request, reply) => {
    if (request.method === 'GET') reply.end('got')
    else reply.writeHead(307, { location: '/sink' }).end()
  },
  '/twice': (_request, reply) => reply.writeHead(301, { location: '/moved' }).end(),
  '/moved-to-busy': ({ url = '' }, reply) => {
    reply.writeHead(302, { location: url.replace('moved-to-', '') }).end()
  },
  '/sink': (_request, reply) => reply.end('taken'),
  '/large': (_request, reply) => {
    reply.writeHead(200, { 'content-encoding': 'gzip' }).end(zlib.gzipSync(Buffer.alloc(3_000_000, 'x'), { level: 0 }))
  },
  '/endless': (_request, reply) => reply.writeHead(200).write('begun'),
  '/long': (_request, reply) => reply.end('x'.repeat(5000)),
  '/fresh': (_request, reply, times) => {
    reply.writeHead(200, { 'cache-control': 'public, max-age=100', 'x-times': times }).end(`fresh ${times}`)
  },
  '/stale': (request, reply, times) => {
    const fields = { 'cache-control': 'public, no-cache', etag: '"same"' }
    if (request.headers['if-none-match'] === '"same"') reply.writeHead(304, fields).end()
    else reply.writeHead(200, fields).end(`stale ${times}`)
  },
  '/unstored': (_request, reply, times) => {
    reply.writeHead(200, { 'cache-control': 'no-store' }).end(`unstored ${times}`)
  },
  '/vary': (request, reply, times) => {
    reply.writeHead(200, { 'cache-control': 'public, max-age=100', vary: 'x-own' })
    reply.end(`${request.headers['x-own']} ${times}`)
  },
  '/gzip': (_request, reply) => reply.writeHead(200, { 'content-encoding': 'gzip' }).end(zlib.gzipSync(TEXT)),
  '/br': (_request, reply) => reply.writeHead(200, { 'content-encoding': 'br' }).end(zlib.brotliCompressSync(TEXT)),
  '/both': (_request, reply) => {
    reply.writeHead(200, { 'content-encoding': 'deflate, gzip' }).end(zlib.gzipSync(zlib.deflateSync(TEXT)))
  },
  '/corrupt': (_request, reply) => reply.writeHead(200, { 'content-encoding': 'gzip' }).end('not at all'),
  '/refused': (_request, reply) => {
    reply.writeHead(422, { 'content-type': 'application/json' }).end('{"reason":"of course"}')
  },
  '/missing': (_request, reply) => reply.writeHead(404, { 'content-type': 'text/plain' }).end('not here'),
}

export async function workplace(): Promise<Workplace> {
  const requested: string[] = []
  const times = new Map<string, number>()
  const origin = await httpOrigin((request, reply) => {
    const { method, url = '', headers } = request
    const { pathname, search } = new URL(url, 'http://host')
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      const count = (times.get(url) ?? 0) + 1
      times.set(url, count)
      const details = [body, headers.range, headers['if-none-match']].filter(Boolean)
      requested.push([method, pathname, ...details].join(' '))
      const away = new URLSearchParams(search).get('away')
      if (away !== null) reply.writeHead(302, { location: away }).end()
      else (routes[pathname] as Route)(request, reply, count)
    })
  })
  return Object.assign(origin, { requested })
}
