import { Buffer } from 'node:buffer'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Readable, Writable } from 'node:stream'
import tls from 'node:tls'
import t, { type Test } from 'tap'
import { Agent, BalancedPool, Client, type Dispatcher, Pool } from '../../lib/index.js'
import { authority, type Identity, serverIdentity } from '../servers/certificates.js'
import { listen, type Origin, rawOrigin } from '../servers/origin.js'

/** Options of a request. */
export interface RequestOptions {
  path?: string
  method?: string
  headers?: Record<string, string>
  body?: unknown
  signal?: AbortSignal
  timeouts?: object
}

export interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
}

type Head = { statusCode: number; headers: Answer['headers'] }

/** A dispatcher, an origin, and one way to send requests. */
export interface Scene {
  /** Description for messages. */
  name: string
  way: string
  dispatcher: Dispatcher
  origin: Origin
  ask(options?: RequestOptions): Promise<Answer>
}

/** Handles a request in an origin. `index` counts the requests of a connection, `rest` is what arrived behind the headers. */
export type RequestListener = (socket: Socket, head: string, index: number, rest: string) => void

export interface Report {
  onRequest: RequestListener
  /** Options of the dispatcher. */
  options?: object
  /** Ways to send requests. Default: all. */
  ways?: readonly string[]
  dispatchers?: readonly string[]
  compose?: (dispatcher: Dispatcher) => Dispatcher
  /** Whether to run over TLS too. Default: true. */
  plain?: boolean
}

const dispatchers: Record<string, (url: string, options: object) => Dispatcher> = {
  Client: (url, options) => new Client(url, options),
  Pool: (url, options) => new Pool(url, { connections: 1, ...options }),
  BalancedPool: (url, options) => new BalancedPool([url], { connections: 1, ...options }),
  Agent: (_url, options) => new Agent({ connections: 1, ...options }),
}

/** Ways that reuse a connection after a response without body. */
export const KEEPING = ['request', 'stream', 'dispatch', 'fetch']

const ways: Record<string, (dispatcher: Dispatcher, origin: string, options: RequestOptions) => Promise<Answer>> = {
  async request(dispatcher, origin, options) {
    const { statusCode, headers, body } = await dispatcher.request({ origin, ...options } as never)
    return { status: statusCode, headers, text: await body.text() }
  },
  async stream(dispatcher, origin, options) {
    const answer: Answer = { status: 0, headers: {}, text: '' }
    const chunks: Buffer[] = []
    await dispatcher.stream({ origin, ...options } as never, ({ statusCode, headers }: Head) => {
      Object.assign(answer, { status: statusCode, headers })
      return new Writable({ write: (chunk, _encoding, done) => done(void chunks.push(chunk)) })
    })
    return { ...answer, text: Buffer.concat(chunks).toString() }
  },
  async pipeline(dispatcher, origin, { body, ...options }) {
    const answer: Answer = { status: 0, headers: {}, text: '' }
    const duplex = dispatcher.pipeline(
      { origin, ...options } as never,
      ({ statusCode, headers, body }: Head & { body: Readable }) => {
        Object.assign(answer, { status: statusCode, headers })
        return body
      },
    )
    const chunks: Buffer[] = []
    duplex.on('data', (chunk: Buffer) => chunks.push(chunk))
    const ended = new Promise<void>((resolve, reject) => duplex.on('end', resolve).on('error', reject))
    if (body === undefined) duplex.end()
    else {
      const source = Readable.from(typeof body === 'string' ? [body] : (body as Readable))
      duplex.on('close', () => source.destroy())
      source.pipe(duplex)
    }
    await ended
    return { ...answer, text: Buffer.concat(chunks).toString() }
  },
  dispatch: (dispatcher, origin, { signal, ...options }) =>
    new Promise((resolve, reject) => {
      const answer: Answer = { status: 0, headers: {}, text: '' }
      const chunks: Buffer[] = []
      dispatcher.dispatch({ origin, ...options } as never, {
        onRequestStart(controller) {
          if (signal?.aborted) controller.abort(signal.reason)
          else signal?.addEventListener('abort', () => controller.abort(signal.reason), { once: true })
        },
        onResponseStart(_controller, statusCode, headers) {
          Object.assign(answer, { status: statusCode, headers })
        },
        onResponseData: (_controller, chunk) => void chunks.push(chunk),
        onResponseEnd: () => resolve({ ...answer, text: Buffer.concat(chunks).toString() }),
        onResponseError: (_controller, error) => reject(error),
      })
    }),
  async fetch(dispatcher, origin, { path, ...options }) {
    const init = { dispatcher, redirect: 'manual', duplex: 'half', ...options }
    const response = await fetch(origin + path, init as never)
    const headers: Answer['headers'] = Object.fromEntries(response.headers)
    if (headers['set-cookie'] !== undefined) headers['set-cookie'] = response.headers.getSetCookie()
    return { status: response.status, headers, text: await response.text() }
  },
}

const HEAD = /[A-Z]+ \/\S* HTTP\/1\.1\r\n[\s\S]*?\r\n\r\n/

/** Calls back with each header section. Bodies are skipped; in these tests they contain no CRLF CRLF. */
function onHeads(socket: Socket, callback: (head: string, index: number, rest: string) => void): void {
  let text = ''
  let index = 0
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
    for (let found = HEAD.exec(text); found !== null; found = HEAD.exec(text)) {
      text = text.slice(found.index + found[0].length)
      callback(found[0], index++, text)
    }
  })
}

// A whole file on a busy machine.
t.setTimeout(120_000)

let ca: Identity | null = null
let identity: Identity | null = null

/** Starts an origin over TCP or TLS. */
async function originOf(secure: boolean, onRequest: RequestListener): Promise<Origin> {
  const serve = (socket: Socket) => {
    socket.on('error', () => {})
    onHeads(socket, (head, index, rest) => onRequest(socket, head, index, rest))
  }
  if (!secure) return rawOrigin(serve)
  ca ??= await authority()
  identity ??= await serverIdentity(ca)
  const server = tls.createServer({ key: identity.key, cert: identity.cert })
  server.on('secureConnection', serve)
  return listen(server, { protocol: 'https:' })
}

/**
 * Tests a situation that users of HTTP clients have reported: with each dispatcher and a Pool over TLS, in each way to send a
 * request. `run` sends the requests and checks their outcome.
 */
export function report(title: string, what: Report, run: (t: Test, scene: Scene) => Promise<void>): void {
  t.test(title, async (t) => {
    for (const secure of what.plain === true ? [false] : [false, true]) {
      for (const [name, make] of Object.entries(dispatchers)) {
        if (what.dispatchers?.includes(name) === false) continue
        for (const [way, ask] of Object.entries(ways)) {
          if (what.ways?.includes(way) === false || (secure && name !== 'Pool')) continue
          const origin = await originOf(secure, what.onRequest)
          const connect = secure ? { connect: { ca: (ca as Identity).cert } } : {}
          const made = make(origin.url, { ...connect, ...what.options })
          const dispatcher = what.compose?.(made) ?? made
          const scene: Scene = {
            name: `${way} of a ${name} over ${secure ? 'TLS' : 'TCP'}`,
            way,
            dispatcher,
            origin,
            ask: (options) => ask(dispatcher, origin.url, { path: '/', method: 'GET', ...options }),
          }
          await run(t, scene)
          await dispatcher.destroy()
          await origin.close()
        }
      }
    }
  })
}

/** Returns the error of a failed request; of `fetch`, its cause. */
export async function failureOf(response: Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await response
  } catch (error) {
    const { cause } = error as Error
    return (cause instanceof Error && error instanceof TypeError ? cause : error) as Error
  }
  throw new Error('the request must fail, but it got a response')
}

/** Resolves when all sockets of the origin are closed. */
export async function closedAll(origin: Origin): Promise<void> {
  for (const socket of origin.sockets) if (!socket.closed) await once(socket, 'close')
}
