// The same routes for servers that use Request and Response: Bun and Deno.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { CHUNKS, FIELDS, select, TEXT } from './content.js'

/** Differences of the runtimes. `compress`: compression function, unless the server compresses automatically. */
export interface WebPart {
  folder: string
  compress?: (bytes: Uint8Array) => Uint8Array
  generation(): string
}

const encode = (text: string) => new TextEncoder().encode(text)

function inPieces(pieces: readonly string[], part: { wait?: number; ends?: boolean } = {}): ReadableStream<Uint8Array> {
  const { wait = 0, ends = true } = part
  let index = 0
  return new ReadableStream({
    async pull(controller) {
      if (index === pieces.length) return ends ? controller.close() : new Promise(() => {})
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
      controller.enqueue(encode(pieces[index++] as string))
    },
  })
}

function sendText(request: Request, part: WebPart): Response {
  const text = encode(TEXT)
  const { status, fields, from, to } = select(text.length, (name) => request.headers.get(name))
  const { compress } = part
  const zip = compress !== undefined && status === 200 && /gzip/.test(request.headers.get('accept-encoding') ?? '')
  if (zip) return new Response(compress(text), { headers: { ...fields, 'content-encoding': 'gzip' } })
  return new Response(status === 304 ? null : text.slice(from, to), { status, headers: fields })
}

interface Call {
  readonly request: Request
  readonly query: URLSearchParams
  readonly part: WebPart
  readonly big: Buffer
}

const routes: Record<string, (call: Call) => Response | Promise<Response>> = {
  '/text.txt': ({ request, part }) => sendText(request, part),
  '/big.bin': ({ big }) => new Response(big),
  '/echo': async ({ request }) => {
    const body = await request.arrayBuffer()
    const framing = request.headers.get('content-length') ?? request.headers.get('transfer-encoding') ?? 'none'
    return new Response(body, { headers: { 'x-method': request.method, 'x-framing': framing } })
  },
  '/digest': async ({ request }) => {
    const body = Buffer.from(await request.arrayBuffer())
    return new Response(`${body.length} ${createHash('sha256').update(body).digest('hex')}`)
  },
  '/chunks': () => new Response(inPieces(CHUNKS)),
  '/id': ({ query }) => new Response(query.get('n')),
  '/empty': () => new Response(null, { status: 204 }),
  '/nothing': () => new Response(''),
  '/nothing-chunked': () => new Response(inPieces([])),
  '/close': () => new Response('closed', { headers: { connection: 'close' } }),
  '/legacy': () => new Response(inPieces(CHUNKS), { headers: { connection: 'close' } }),
  '/redirect': () => new Response(null, { status: 302, headers: { location: '/text.txt' } }),
  '/moved': async ({ request }) => {
    await request.arrayBuffer()
    return new Response(null, { status: 307, headers: { location: '/digest' } })
  },
  '/refuse': () => new Response('too much', { status: 413, headers: { connection: 'close' } }),
  '/fields': ({ request }) => {
    const count = [...request.headers.keys()].filter((name) => name.startsWith('x-field-')).length
    return new Response(String(count), { headers: FIELDS as [string, string][] })
  },
  '/slow': () => new Promise(() => {}),
  '/stall': () => new Response(inPieces(['the beginning'], { ends: false })),
  '/trickle': () => {
    const drops = Array.from({ length: 6 }, (_value, index) => `drop ${index}\n`)
    return new Response(inPieces(drops, { wait: 60 }))
  },
}

export function answering(part: WebPart): (request: Request) => Promise<Response> {
  const big = readFileSync(`${part.folder}/big.bin`)
  return async (request) => {
    const { pathname, searchParams } = new URL(request.url)
    const call = { request, query: searchParams, part, big }
    const answer = (await routes[pathname]?.(call)) ?? new Response(null, { status: 404 })
    answer.headers.set('x-generation', part.generation())
    return answer
  }
}
