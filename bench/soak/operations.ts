import { EventEmitter } from 'node:events'
import { PassThrough, Readable, Writable } from 'node:stream'
import type { Dispatcher } from '../../lib/index.js'
import { pattern } from './answers.js'
import type { Tally } from './tally.js'

/** What an operation works with. */
export interface Scene {
  readonly dispatcher: Dispatcher
  /** For dispatchers of many origins. */
  readonly origin: string | undefined
  /** What it is asked at, for `fetch`. */
  readonly base: string
  /** Live as long as the soak: a listener left on one of them is a leak. */
  readonly signals: readonly [AbortSignal, EventEmitter]
  /** 0 to 1, seeded. */
  random(): number
  /** Another dispatcher of the same kind. */
  open(): Dispatcher
  /** Of the kind of dispatcher. */
  readonly name: string
  readonly tally: Tally
}

export interface Operation {
  readonly name: string
  /** Codes of the errors that it may end with, besides those that all may. Empty: it is answered. */
  readonly codes: readonly string[]
  run(scene: Scene): Promise<void>
}

/** An answer came, and is not the one to this request. */
export class WrongAnswer extends Error {
  readonly code = 'WRONG_ANSWER'
}

interface Asked {
  method?: string
  body?: Readable | Buffer | string | AsyncIterable<Uint8Array>
  signal?: AbortSignal | EventEmitter
  headersTimeout?: number
  bodyTimeout?: number
}

export function options(scene: Scene, path: string, asked: Asked = {}): Dispatcher.RequestOptions {
  const origin = scene.origin === undefined ? {} : { origin: scene.origin }
  const limits = { headersTimeout: 20_000, bodyTimeout: 20_000 }
  return { ...limits, ...origin, path, method: 'GET', ...asked } as Dispatcher.RequestOptions
}

export function same(got: string | Buffer, expected: string | Buffer, what: string): void {
  const [a, b] = [Buffer.from(got as string, 'latin1'), Buffer.from(expected as string, 'latin1')]
  if (!a.equals(b)) throw new WrongAnswer(`${what}: ${a.subarray(0, 40).toString('latin1')}, ${a.length} bytes`)
}

const numberOf = (scene: Scene, most = 1e9) => Math.floor(scene.random() * most)

async function textOf(scene: Scene, path: string, asked?: Asked): Promise<string> {
  const { statusCode, body } = await scene.dispatcher.request(options(scene, path, asked))
  const text = await body.text()
  if (statusCode !== 200) throw new WrongAnswer(`${path}: ${statusCode} ${text}`)
  return text
}

/** Asks for a number, with a signal of the soak's every other time. */
async function id(scene: Scene): Promise<void> {
  const number = numberOf(scene)
  const signal = [undefined, ...scene.signals][number % 3]
  same(await textOf(scene, `/id/${number}`, signal === undefined ? {} : { signal }), String(number), 'id')
}

function dispatch(scene: Scene): Promise<void> {
  const number = numberOf(scene)
  const pieces: Buffer[] = []
  return new Promise((resolve, reject) => {
    scene.dispatcher.dispatch(options(scene, `/id/${number}`), {
      onResponseData: (_controller, piece) => void pieces.push(piece),
      onResponseEnd() {
        try {
          resolve(same(Buffer.concat(pieces), String(number), 'dispatch'))
        } catch (error) {
          reject(error)
        }
      },
      onResponseError: (_controller, error) => reject(error),
    })
  })
}

async function stream(scene: Scene): Promise<void> {
  const length = numberOf(scene, 100_000)
  const pieces: Buffer[] = []
  const sink = new Writable({
    write(piece: Buffer, _encoding, done) {
      pieces.push(Buffer.from(piece))
      setImmediate(done)
    },
  })
  await scene.dispatcher.stream(options(scene, `/bytes/${length}`), () => sink)
  same(Buffer.concat(pieces), pattern(length), 'stream')
}

async function pipeline(scene: Scene): Promise<void> {
  const given = pattern(numberOf(scene, 50_000))
  const duplex = scene.dispatcher.pipeline(options(scene, '/echo', { method: 'PUT' }), ({ body }) =>
    body.pipe(new PassThrough()),
  )
  duplex.end(given)
  const pieces: Buffer[] = []
  for await (const piece of duplex) pieces.push(piece as Buffer)
  same(Buffer.concat(pieces), given, 'pipeline')
}

async function upload(scene: Scene): Promise<void> {
  const given = pattern(numberOf(scene, 30_000))
  const pieces = function* () {
    for (let at = 0; at < given.length; at += 8000) yield given.subarray(at, at + 8000)
  }
  const body = scene.random() < 0.5 ? given : Readable.from(pieces())
  const reply = await scene.dispatcher.request(options(scene, '/echo', { method: 'POST', body }))
  same(Buffer.from(await reply.body.arrayBuffer()), given, 'upload')
}

async function head(scene: Scene): Promise<void> {
  same(await textOf(scene, '/bytes/1000', { method: 'HEAD' }), '', 'HEAD')
}

async function chunks(scene: Scene): Promise<void> {
  const count = 1 + numberOf(scene, 20)
  const expected = Array.from({ length: count }, (_, piece) => `${piece}\n`).join('')
  same(await textOf(scene, `/chunks/${count}`), expected, 'chunks')
}

async function plainText(scene: Scene, path: string, expected: string): Promise<void> {
  same(await textOf(scene, path), expected, path)
}

async function gunzipped(scene: Scene): Promise<void> {
  const { body } = await scene.dispatcher.request(options(scene, '/gzip/50000'))
  same(Buffer.from(await body.arrayBuffer()), pattern(50_000), 'gzip')
}

/** Its caller turns away in the middle of the body. */
async function leave(scene: Scene): Promise<void> {
  const { body } = await scene.dispatcher.request(options(scene, '/bytes/200000'))
  body.on('error', () => {})
  if (scene.random() < 0.3) return void (await body.dump({ limit: 1000 }))
  if (scene.random() < 0.5) for await (const _piece of body) break
  else body.destroy()
}

/** Its caller wants nothing of the body. */
async function dump(scene: Scene): Promise<void> {
  const { body } = await scene.dispatcher.request(options(scene, `/bytes/${numberOf(scene, 200_000)}`))
  await body.dump({ limit: numberOf(scene, 400_000), signal: scene.signals[0] })
}

/** A callback throws, with the response in its hands or not. */
function throwingCallback(scene: Scene): Promise<void> {
  return new Promise((resolve, reject) => {
    scene.dispatcher.request(options(scene, '/bytes/1000'), (error, data) => {
      if (error !== null) return reject(error)
      data.body.dump().then(resolve, reject)
      throw scene.tally.toBeUncaught()
    })
  })
}

/** Is aborted after 0 to 5 ms, wherever it may be by then. */
async function abort(scene: Scene): Promise<void> {
  const controller = new AbortController()
  const emitter = new EventEmitter()
  const byEmitter = scene.random() < 0.3
  const timer = setTimeout(() => (byEmitter ? emitter.emit('abort') : controller.abort()), scene.random() * 5)
  const path = ['/bytes/500000', '/slow/3', '/drip/3', '/slow/30'][numberOf(scene, 4)] as string
  try {
    await textOf(scene, path, { signal: byEmitter ? emitter : controller.signal })
  } catch (error) {
    // What a signal is aborted with has a code of the DOM's: 20.
    if (error !== controller.signal.reason) throw error
  } finally {
    clearTimeout(timer)
  }
}

/** What its body was made of fails. */
async function brokenBody(scene: Scene): Promise<void> {
  const pieces = async function* () {
    yield Buffer.from('some')
    throw Object.assign(new Error('no more'), { code: 'BROKEN_BODY' })
  }
  await textOf(scene, '/echo', { method: 'POST', body: pieces() })
}

async function upgrade(scene: Scene): Promise<void> {
  const { socket } = await scene.dispatcher.upgrade({
    ...options(scene, '/up'),
    protocol: 'echo',
  } as Dispatcher.UpgradeOptions)
  try {
    socket.write('there and back')
    for await (const piece of socket) {
      if (!'there and back'.startsWith(String(piece))) throw new WrongAnswer(`upgrade: ${piece}`)
      break
    }
  } finally {
    socket.destroy()
  }
}

const wrong = (path: string, codes: readonly string[], asked: Asked = {}): Operation => ({
  name: path.slice(1),
  codes,
  run: async (scene) => void (await textOf(scene, path, asked)),
})
const right = (name: string, run: Operation['run'], codes: readonly string[] = []): Operation => ({ name, codes, run })

const ABORTED = ['UND_ERR_ABORTED']

/** What any server is asked. */
export const good: readonly Operation[] = [
  right('id', id),
  right('dispatch', dispatch),
  right('stream', stream),
  right('pipeline', pipeline),
  right('upload', upload),
  right('head', head),
  right('chunks', chunks),
  right('drip', (scene) => plainText(scene, '/drip/2', 'xy')),
  right('interim', (scene) => plainText(scene, '/interim/7', '7')),
  right('last', (scene) => plainText(scene, '/last/8', '8')),
  right('leave', leave, ABORTED),
  right('dump', dump, ABORTED),
  right('throwing callback', throwingCallback),
  right('abort', abort, ABORTED),
  right('broken body', brokenBody, ['BROKEN_BODY']),
]

/** For dispatchers that have the interceptors. */
export const intercepted: readonly Operation[] = [
  right('gzip', gunzipped),
  right('redirect', (scene) => plainText(scene, '/hop/3', 'landed')),
  right('retry', (scene) => plainText(scene, '/flaky/9', '9'), ['UND_ERR_REQ_RETRY']),
]

/** Bytes that the interceptor `dump` reads at most. */
export const DUMPED = 200_000

/** For dispatchers whose interceptor hands no bodies out. */
export const dumped: readonly Operation[] = [
  right('dumped', (scene) => plainText(scene, `/bytes/${DUMPED}`, '')),
  right('dumped chunks', (scene) => plainText(scene, '/chunks/9', '')),
  right('dumped drip', (scene) => plainText(scene, '/drip/2', '')),
  right('dumped, too large', (scene) => plainText(scene, `/bytes/${DUMPED + 1}`, ''), ABORTED),
  right('head', head),
  right('leave', leave, ABORTED),
  right('abort', abort, ABORTED),
]

export const upgrades: readonly Operation[] = [right('upgrade', upgrade)]

const BROKEN = ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']
const SHORT = ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', ...BROKEN]

/** What servers do wrong. */
export const bad: readonly Operation[] = [
  wrong('/stall', ['UND_ERR_HEADERS_TIMEOUT'], { headersTimeout: 20 }),
  wrong('/stall-body', ['UND_ERR_BODY_TIMEOUT'], { bodyTimeout: 20 }),
  wrong('/reset', BROKEN),
  wrong('/cut', BROKEN),
  wrong('/garbage', ['HPE_INVALID_CONSTANT']),
  wrong('/early', BROKEN, { method: 'POST', body: pattern(500_000) }),
  wrong('/reset-body', SHORT),
  wrong('/cut-body', SHORT),
  wrong('/bad-chunk', ['HPE_INVALID_CHUNK_SIZE']),
  wrong('/long-head', ['UND_ERR_HEADERS_OVERFLOW']),
  wrong('/late-garbage', []),
]

/**
 * What others on a connection, or the next on it, may come to when a server breaks it: of a pipeline those behind are
 * sent again, and fail with what broke the connection when that happens to them once more.
 */
export const COLLATERAL: readonly string[] = [...new Set([...bad.flatMap(({ codes }) => codes), 'HPE_UNSOLICITED'])]
