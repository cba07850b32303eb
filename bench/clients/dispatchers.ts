import { Writable } from 'node:stream'
import { type ReceivedBody, ResponseChecker } from '../harness/check.js'
import type { Done, Session, Setup } from '../harness/client-session.js'
import { type Scenario, scenarioOf } from '../origin/scenarios.js'

/** Methods of sluice and undici dispatchers that the bench uses. */
export interface BenchDispatcher {
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
  Client: new (url: string, options: object) => BenchDispatcher
  Pool: new (url: string, options: object) => BenchDispatcher
  BalancedPool: new (urls: readonly string[], options: object) => BenchDispatcher
}

/** Creates a Client for one connection, a Pool for several, or a BalancedPool for several origins. */
export function dispatcherFor(module: Module, setup: Setup): BenchDispatcher {
  const { urls, connections, pipelining } = setup
  const [url] = urls
  if (url === undefined) throw new Error('no origin')
  if (urls.length > 1) return new module.BalancedPool(urls, { connections, pipelining })
  return connections === 1 ? new module.Client(url, { pipelining }) : new module.Pool(url, { connections, pipelining })
}

/** Creates a session. Both libraries run the same code, so only they differ. `extra` is added to each request's options. */
export function sessionOf(dispatcher: BenchDispatcher, setup: Setup, extra: object = {}): Session {
  const scenario = scenarioOf(setup.scenario)
  const options = {
    path: '/',
    method: scenario.method,
    ...(scenario.upload === null ? {} : { body: scenario.upload }),
    ...extra,
  }
  return { send: senderFor(dispatcher, setup, { scenario, options }), close: () => dispatcher.close() }
}

function senderFor(
  dispatcher: BenchDispatcher,
  setup: Setup,
  request: { scenario: Scenario; options: object },
): Session['send'] {
  const { options } = request
  const check = new ResponseChecker(request.scenario)
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
      dispatcher.stream(options, factory).then(() => done(sink.result()), done)
    }
  }
  const readBody = bodyReaders[setup.api]
  return (done) => {
    dispatcher
      .request(options)
      .then(({ statusCode, body }) => readBody(check, statusCode, body))
      .then(done, done)
  }
}

type BodyReader = (check: ResponseChecker, status: number, body: Body) => Promise<Error | null>

const bodyReaders: Record<'json' | 'text' | 'bytes' | 'chunks', BodyReader> = {
  json: (check, status, body) => body.json().then((value) => check.json(status, value)),
  text: (check, status, body) => body.text().then((text) => check.string(status, text)),
  bytes: (check, status, body) => body.bytes().then((bytes) => check.bytes(status, bytes)),
  chunks: (check, status, body) =>
    new Promise((resolve, reject) => {
      const received = check.start()
      body.on('data', (chunk: Buffer) => received.chunk(chunk))
      body.on('end', () => resolve(received.end(status)))
      body.on('error', reject)
    }),
}

class Handler {
  /** Chunks are not kept after the callback, so sluice need not copy them. undici ignores this. */
  readonly borrowsChunks = true
  readonly #received: ReceivedBody
  readonly #done: Done
  #status = 0

  constructor(received: ReceivedBody, done: Done) {
    this.#received = received
    this.#done = done
  }

  onRequestStart(): void {}

  onResponseStart(_controller: unknown, status: number): void {
    this.#status = status
  }

  onResponseData(_controller: unknown, chunk: Buffer): void {
    this.#received.chunk(chunk)
  }

  onResponseEnd(): void {
    this.#done(this.#received.end(this.#status))
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#done(error)
  }
}

/** A Writable that checks the bytes written to it. */
export class Sink extends Writable {
  status: number | undefined = 0
  readonly #received: ReceivedBody

  constructor(received: ReceivedBody) {
    super()
    this.#received = received
  }

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.#received.chunk(chunk)
    callback()
  }

  result(): Error | null {
    return this.#received.end(this.status)
  }
}
