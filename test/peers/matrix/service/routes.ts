import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { CHUNKS, FIELDS, select, TEXT } from './content.js'

interface Call {
  readonly request: IncomingMessage
  readonly reply: ServerResponse
  readonly query: URLSearchParams
  /** Whether this server compresses responses. */
  readonly gzip: boolean
  readonly big: Buffer
}

const text = Buffer.from(TEXT)

function whole(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  return new Promise((resolve) => {
    request.on('data', (chunk) => chunks.push(chunk)).on('end', () => resolve(Buffer.concat(chunks)))
  })
}

function sendText({ request: { headers }, reply, gzip }: Call): void {
  const { status, fields, from, to } = select(text.length, (name) => headers[name] as string | undefined)
  const zip = gzip && status === 200 && /gzip/.test(String(headers['accept-encoding'] ?? ''))
  const body = zip ? gzipSync(text) : text.subarray(from, to)
  if (zip) reply.setHeader('content-encoding', 'gzip')
  if (status !== 304) reply.setHeader('content-length', body.length)
  reply.writeHead(status, fields).end(status === 304 ? undefined : body)
}

function sendChunks(reply: ServerResponse): void {
  const half = CHUNKS.length / 2
  for (const chunk of CHUNKS.slice(0, half)) reply.write(chunk)
  // With a delay, so that no proxy can buffer the whole body and send a length.
  setTimeout(() => {
    for (const chunk of CHUNKS.slice(half)) reply.write(chunk)
    reply.end()
  }, 20)
}

/** Destroys the response after 2 s. Otherwise some proxies would not stop while a response is pending. */
function abandon(reply: ServerResponse): void {
  setTimeout(() => reply.destroy(), 2_000).unref()
}

function trickle(reply: ServerResponse): void {
  let count = 0
  const timer = setInterval(() => {
    reply.write(`drop ${count++}\n`)
    if (count < 6) return
    clearInterval(timer)
    reply.end()
  }, 60)
}

const routes: Record<string, (call: Call) => void> = {
  '/text.txt': sendText,
  '/big.bin': ({ reply, big }) => void reply.setHeader('content-length', big.length).end(big),
  // Some proxies stop sending a request once its response has begun, so the echo waits for the whole request.
  '/echo': async ({ request, reply }) => {
    const body = await whole(request)
    const { headers, method = '' } = request
    const framing = headers['content-length'] ?? headers['transfer-encoding'] ?? 'none'
    reply.writeHead(200, { 'x-method': method, 'x-framing': framing }).end(body)
  },
  '/digest': async ({ request, reply }) => {
    const body = await whole(request)
    reply.end(`${body.length} ${createHash('sha256').update(body).digest('hex')}`)
  },
  '/chunks': ({ reply }) => sendChunks(reply),
  '/id': ({ reply, query }) => void reply.end(query.get('n')),
  '/empty': ({ reply }) => void reply.writeHead(204).end(),
  '/nothing': ({ reply }) => void reply.writeHead(200, { 'content-length': '0' }).end(),
  '/nothing-chunked': ({ reply }) => {
    reply.writeHead(200, { 'transfer-encoding': 'chunked' }).flushHeaders()
    reply.end()
  },
  '/close': ({ reply }) => void reply.setHeader('connection', 'close').end('closed'),
  '/legacy': ({ reply }) => {
    reply.useChunkedEncodingByDefault = false
    reply.setHeader('connection', 'close')
    sendChunks(reply)
  },
  '/redirect': ({ reply }) => void reply.writeHead(302, { location: '/text.txt' }).end(),
  '/moved': ({ request, reply }) => {
    request.resume().on('end', () => reply.writeHead(307, { location: '/digest' }).end())
  },
  '/refuse': ({ reply }) => void reply.writeHead(413, { connection: 'close' }).end('too much'),
  '/fields': ({ request, reply }) => {
    for (const [name, value] of FIELDS) reply.setHeader(name, value)
    reply.end(String(Object.keys(request.headers).filter((name) => name.startsWith('x-field-')).length))
  },
  '/trailers': ({ reply }) => {
    reply.setHeader('trailer', 'x-digest')
    reply.write(TEXT)
    reply.addTrailers({ 'x-digest': createHash('sha256').update(TEXT).digest('hex') })
    reply.end()
  },
  '/slow': ({ reply }) => abandon(reply),
  '/stall': ({ reply }) => {
    reply.write('the beginning')
    abandon(reply)
  },
  '/trickle': ({ reply }) => trickle(reply),
}

export function listenerOf(part: { folder: string; gzip: boolean; generation: string }): RequestListener {
  const { gzip, generation } = part
  const big = readFileSync(`${part.folder}/big.bin`)
  return (request, reply) => {
    const { pathname, searchParams } = new URL(request.url as string, 'http://peer')
    reply.setHeader('x-generation', generation)
    const route = routes[pathname]
    if (route === undefined) reply.writeHead(404).end()
    else route({ request, reply, query: searchParams, gzip, big })
  }
}
