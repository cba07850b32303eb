import { Writable } from 'node:stream'
import { Check, type Taken } from '../harness/check.js'
import type { Done, Session, Setup } from '../harness/session.js'
import { type Scene, sceneOf } from '../origin/scenes.js'

/** What sluice and undici have in common, and the bench uses. */
export interface Dispatching {
  dispatch(options: object, handler: object): boolean
  request(options: object): Promise<{ statusCode: number; body: Body }>
  stream(options: object, factory: (response: { statusCode: number }) => Writable): Promise<unknown>
  close(): Promise<unknown>
}

interface Body extends NodeJS.ReadableStream {
  json(): Promise<unknown>
  text(): Promise<string>
  bytes(): Promise<Uint8Array>
}

export interface Module {
  Client: new (url: string, options: object) => Dispatching
  Pool: new (url: string, options: object) => Dispatching
  BalancedPool: new (urls: readonly string[], options: object) => Dispatching
}

/** As a user would: a Client for one connection, a Pool for several, a BalancedPool for several origins. */
export function dispatcherFor(module: Module, setup: Setup): Dispatching {
  const { urls, connections, pipelining } = setup
  const [url] = urls
  if (url === undefined) throw new Error('no origin')
  if (urls.length > 1) return new module.BalancedPool(urls, { connections, pipelining })
  return connections === 1 ? new module.Client(url, { pipelining }) : new module.Pool(url, { connections, pipelining })
}

/** The same code for both, so that what differs is theirs. `extra` goes into the options of each request. */
export function sessionOf(dispatcher: Dispatching, setup: Setup, extra: object = {}): Session {
  const scene = sceneOf(setup.scene)
  const options = {
    path: '/',
    method: scene.method,
    ...(scene.upload === null ? {} : { body: scene.upload }),
    ...extra,
  }
  return { send: senderFor(dispatcher, setup, { scene, options }), close: () => dispatcher.close() }
}

function senderFor(dispatcher: Dispatching, setup: Setup, what: { scene: Scene; options: object }): Session['send'] {
  const { options } = what
  const check = new Check(what.scene)
  if (setup.api === 'dispatch') {
    return (done) => {
      dispatcher.dispatch(options, new Handler(check.start(), done))
    }
  }
  if (setup.api === 'stream') {
    return (done) => {
      const sink = new Sink(check.start())
      const factory = ({ statusCode }: { statusCode: number }) => {
        sink.status = statusCode
        return sink
      }
      dispatcher.stream(options, factory).then(() => done(sink.verdict()), done)
    }
  }
  const take = takers[setup.api]
  return (done) => {
    dispatcher
      .request(options)
      .then(({ statusCode, body }) => take(check, statusCode, body))
      .then(done, done)
  }
}

type Taker = (check: Check, status: number, body: Body) => Promise<Error | null>

const takers: Record<'json' | 'text' | 'bytes' | 'chunks', Taker> = {
  json: (check, status, body) => body.json().then((value) => check.json(status, value)),
  text: (check, status, body) => body.text().then((text) => check.string(status, text)),
  bytes: (check, status, body) => body.bytes().then((bytes) => check.bytes(status, bytes)),
  chunks: (check, status, body) =>
    new Promise((resolve, reject) => {
      const taken = check.start()
      body.on('data', (chunk: Buffer) => taken.chunk(chunk))
      body.on('end', () => resolve(taken.end(status)))
      body.on('error', reject)
    }),
}

class Handler {
  /** It has looked at each chunk when it returns. Of use to sluice alone. */
  readonly borrowsChunks = true
  readonly #taken: Taken
  readonly #done: Done
  #status = 0

  constructor(taken: Taken, done: Done) {
    this.#taken = taken
    this.#done = done
  }

  onRequestStart(): void {}

  onResponseStart(_controller: unknown, status: number): void {
    this.#status = status
  }

  onResponseData(_controller: unknown, chunk: Buffer): void {
    this.#taken.chunk(chunk)
  }

  onResponseEnd(): void {
    this.#done(this.#taken.end(this.#status))
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#done(error)
  }
}

/** A Writable that checks what it is given. */
export class Sink extends Writable {
  status: number | undefined = 0
  readonly #taken: Taken

  constructor(taken: Taken) {
    super()
    this.#taken = taken
  }

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.#taken.chunk(chunk)
    callback()
  }

  verdict(): Error | null {
    return this.#taken.end(this.status)
  }
}
