import { EventEmitter } from 'node:events'
import { PassThrough, Readable, Writable } from 'node:stream'
import type { Dispatcher } from '../../lib/index.js'
import { pattern } from './responses.js'
import type { SoakResults } from './results.js'

/** Everything that an operation needs. */
export interface OperationContext {
  readonly dispatcher: Dispatcher
  /** Origin to name in requests, for dispatchers of many origins. */
  readonly origin: string | undefined
  /** Base URL for `fetch`. */
  readonly base: string
  /** Long-lived signal and emitter: a listener left on one of them is a leak. */
  readonly signals: readonly [AbortSignal, EventEmitter]
  /** Returns a random number from 0 to 1, seeded. */
  random(): number
  /** Opens another dispatcher of the same kind. */
  open(): Dispatcher
  /** Name of the kind of dispatcher. */
  readonly name: string
  readonly results: SoakResults
}

/** An operation to run many times: usually one request. */
export interface Operation {
  readonly name: string
  /** Error codes with which it may fail, besides those of all operations. */
  readonly codes: readonly string[]
  run(context: OperationContext): Promise<void>
}

/** A response arrived, but not the one to this request. */
export class WrongResponse extends Error {
  readonly code = 'WRONG_RESPONSE'
}

interface RequestParts {
  method?: string
  body?: Readable | Buffer | string | AsyncIterable<Uint8Array>
  signal?: AbortSignal | EventEmitter
  headersTimeout?: number
  bodyTimeout?: number
}

export function options(context: OperationContext, path: string, parts: RequestParts = {}): Dispatcher.DispatchOptions {
  const origin = context.origin === undefined ? {} : { origin: context.origin }
  const limits = { headersTimeout: 20_000, bodyTimeout: 20_000 }
  return { ...limits, ...origin, path, method: 'GET', ...parts } as Dispatcher.DispatchOptions
}

export function same(got: string | Buffer, expected: string | Buffer, what: string): void {
  const [a, b] = [Buffer.from(got as string, 'latin1'), Buffer.from(expected as string, 'latin1')]
  if (!a.equals(b)) throw new WrongResponse(`${what}: ${a.subarray(0, 40).toString('latin1')}, ${a.length} bytes`)
}

const numberOf = (context: OperationContext, most = 1e9) => Math.floor(context.random() * most)

async function textOf(context: OperationContext, path: string, parts?: RequestParts): Promise<string> {
  const { statusCode, body } = await context.dispatcher.request(options(context, path, parts))
  const text = await body.text()
  if (statusCode !== 200) throw new WrongResponse(`${path}: ${statusCode} ${text}`)
  return text
}

/** Requests a number, with one of the long-lived signals in two of three cases. */
async function id(context: OperationContext): Promise<void> {
  const number = numberOf(context)
  const signal = [undefined, ...context.signals][number % 3]
  same(await textOf(context, `/id/${number}`, signal === undefined ? {} : { signal }), String(number), 'id')
}

function dispatch(context: OperationContext): Promise<void> {
  const number = numberOf(context)
  const chunks: Buffer[] = []
  return new Promise((resolve, reject) => {
    context.dispatcher.dispatch(options(context, `/id/${number}`), {
      onResponseData: (_controller, chunk) => void chunks.push(chunk),
      onResponseEnd() {
        try {
          resolve(same(Buffer.concat(chunks), String(number), 'dispatch'))
        } catch (error) {
          reject(error)
        }
      },
      onResponseError: (_controller, error) => reject(error),
    })
  })
}

async function stream(context: OperationContext): Promise<void> {
  const length = numberOf(context, 100_000)
  const chunks: Buffer[] = []
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(Buffer.from(chunk))
      setImmediate(done)
    },
  })
  await context.dispatcher.stream(options(context, `/bytes/${length}`), () => sink)
  same(Buffer.concat(chunks), pattern(length), 'stream')
}

async function pipeline(context: OperationContext): Promise<void> {
  const given = pattern(numberOf(context, 50_000))
  const duplex = context.dispatcher.pipeline(options(context, '/echo', { method: 'PUT' }), ({ body }) =>
    body.pipe(new PassThrough()),
  )
  duplex.end(given)
  const chunks: Buffer[] = []
  for await (const chunk of duplex) chunks.push(chunk as Buffer)
  same(Buffer.concat(chunks), given, 'pipeline')
}

async function upload(context: OperationContext): Promise<void> {
  const given = pattern(numberOf(context, 30_000))
  const chunks = function* () {
    for (let at = 0; at < given.length; at += 8000) yield given.subarray(at, at + 8000)
  }
  const body = context.random() < 0.5 ? given : Readable.from(chunks())
  const response = await context.dispatcher.request(options(context, '/echo', { method: 'POST', body }))
  same(Buffer.from(await response.body.arrayBuffer()), given, 'upload')
}

async function head(context: OperationContext): Promise<void> {
  same(await textOf(context, '/bytes/1000', { method: 'HEAD' }), '', 'HEAD')
}

async function chunks(context: OperationContext): Promise<void> {
  const count = 1 + numberOf(context, 20)
  const expected = Array.from({ length: count }, (_, chunk) => `${chunk}\n`).join('')
  same(await textOf(context, `/chunks/${count}`), expected, 'chunks')
}

async function plainText(context: OperationContext, path: string, expected: string): Promise<void> {
  same(await textOf(context, path), expected, path)
}

async function gunzipped(context: OperationContext): Promise<void> {
  const { body } = await context.dispatcher.request(options(context, '/gzip/50000'))
  same(Buffer.from(await body.arrayBuffer()), pattern(50_000), 'gzip')
}

/** Stops reading in the middle of the body. */
async function unreadBody(context: OperationContext): Promise<void> {
  const { body } = await context.dispatcher.request(options(context, '/bytes/200000'))
  body.on('error', () => {})
  if (context.random() < 0.3) return void (await body.dump({ limit: 1000 }))
  if (context.random() < 0.5) for await (const _piece of body) break
  else body.destroy()
}

/** Dumps the body. */
async function dump(context: OperationContext): Promise<void> {
  const { body } = await context.dispatcher.request(options(context, `/bytes/${numberOf(context, 200_000)}`))
  await body.dump({ limit: numberOf(context, 400_000), signal: context.signals[0] })
}

/** Throws in the callback of `request`. */
function throwingCallback(context: OperationContext): Promise<void> {
  return new Promise((resolve, reject) => {
    context.dispatcher.request(options(context, '/bytes/1000'), (error, data) => {
      if (error !== null) return reject(error)
      data.body.dump().then(resolve, reject)
      throw context.results.toBeUncaught()
    })
  })
}

/** Aborts the request after 0 to 5 ms. */
async function abort(context: OperationContext): Promise<void> {
  const controller = new AbortController()
  const emitter = new EventEmitter()
  const byEmitter = context.random() < 0.3
  const timer = setTimeout(() => (byEmitter ? emitter.emit('abort') : controller.abort()), context.random() * 5)
  const path = ['/bytes/500000', '/slow/3', '/drip/3', '/slow/30'][numberOf(context, 4)] as string
  try {
    await textOf(context, path, { signal: byEmitter ? emitter : controller.signal })
  } catch (error) {
    // The reason is a DOMException with the code 20, so it is compared by identity.
    if (error !== controller.signal.reason) throw error
  } finally {
    clearTimeout(timer)
  }
}

/** Sends a body whose source fails. */
async function brokenBody(context: OperationContext): Promise<void> {
  const chunks = async function* () {
    yield Buffer.from('some')
    throw Object.assign(new Error('the source failed'), { code: 'BROKEN_BODY' })
  }
  await textOf(context, '/echo', { method: 'POST', body: chunks() })
}

async function upgrade(context: OperationContext): Promise<void> {
  const { socket } = await context.dispatcher.upgrade({
    ...options(context, '/up'),
    protocol: 'echo',
  } as Dispatcher.UpgradeOptions)
  try {
    socket.write('there and back')
    for await (const chunk of socket) {
      if (!'there and back'.startsWith(String(chunk))) throw new WrongResponse(`upgrade: ${chunk}`)
      break
    }
  } finally {
    socket.destroy()
  }
}

const faulty = (path: string, codes: readonly string[], parts: RequestParts = {}): Operation => ({
  name: path.slice(1),
  codes,
  run: async (context) => void (await textOf(context, path, parts)),
})
const operation = (name: string, run: Operation['run'], codes: readonly string[] = []): Operation => ({
  name,
  codes,
  run,
})

const ABORTED = ['UND_ERR_ABORTED']

/** Operations for servers that behave. */
export const good: readonly Operation[] = [
  operation('id', id),
  operation('dispatch', dispatch),
  operation('stream', stream),
  operation('pipeline', pipeline),
  operation('upload', upload),
  operation('head', head),
  operation('chunks', chunks),
  operation('drip', (context) => plainText(context, '/drip/2', 'xy')),
  operation('interim', (context) => plainText(context, '/interim/7', '7')),
  operation('last', (context) => plainText(context, '/last/8', '8')),
  operation('unread body', unreadBody, ABORTED),
  operation('dump', dump, ABORTED),
  operation('throwing callback', throwingCallback),
  operation('abort', abort, ABORTED),
  operation('broken body', brokenBody, ['BROKEN_BODY']),
]

/** Operations for dispatchers with interceptors. */
export const intercepted: readonly Operation[] = [
  operation('gzip', gunzipped),
  operation('redirect', (context) => plainText(context, '/hop/3', 'landed')),
  operation('retry', (context) => plainText(context, '/flaky/9', '9'), ['UND_ERR_REQ_RETRY']),
]

/** Maximum number of bytes that the interceptor `dump` reads. */
export const DUMPED = 200_000

/** Operations for dispatchers with the interceptor `dump`. */
export const dumped: readonly Operation[] = [
  operation('dumped', (context) => plainText(context, `/bytes/${DUMPED}`, '')),
  operation('dumped chunks', (context) => plainText(context, '/chunks/9', '')),
  operation('dumped drip', (context) => plainText(context, '/drip/2', '')),
  operation('dumped, too large', (context) => plainText(context, `/bytes/${DUMPED + 1}`, ''), ABORTED),
  operation('head', head),
  operation('unread body', unreadBody, ABORTED),
  operation('abort', abort, ABORTED),
]

export const upgrades: readonly Operation[] = [operation('upgrade', upgrade)]

const BROKEN = ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']
const SHORT = ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', ...BROKEN]

/** Operations for servers that misbehave. */
export const bad: readonly Operation[] = [
  faulty('/stall', ['UND_ERR_HEADERS_TIMEOUT'], { headersTimeout: 20 }),
  faulty('/stall-body', ['UND_ERR_BODY_TIMEOUT'], { bodyTimeout: 20 }),
  faulty('/reset', BROKEN),
  faulty('/cut', BROKEN),
  faulty('/garbage', ['HPE_INVALID_CONSTANT']),
  faulty('/early', BROKEN, { method: 'POST', body: pattern(500_000) }),
  faulty('/reset-body', SHORT),
  faulty('/cut-body', SHORT),
  faulty('/bad-chunk', ['HPE_INVALID_CHUNK_SIZE']),
  faulty('/long-head', ['UND_ERR_HEADERS_OVERFLOW']),
  faulty('/late-garbage', []),
]

/**
 * Error codes of other requests on a connection that the server breaks. Pipelined requests behind the failed one are sent
 * again, and fail if their next connection breaks too.
 */
export const COLLATERAL: readonly string[] = [...new Set([...bad.flatMap(({ codes }) => codes), 'HPE_UNSOLICITED'])]
