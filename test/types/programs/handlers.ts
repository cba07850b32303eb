import type { Duplex } from 'node:stream'
import { Client, DecoratorHandler, type Dispatcher, RedirectHandler } from 'undici'

type Settle = (error: Error | null, body: Buffer) => void

/** Collects a body, with every callback there is. */
export class Collector implements Dispatcher.DispatchHandler {
  readonly #chunks: Buffer[] = []
  readonly #settle: Settle
  statusCode = 0

  constructor(settle: Settle) {
    this.#settle = settle
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    if (controller.paused) controller.resume()
    if (context === null) controller.pause()
  }

  onRequestUpgrade(
    _controller: Dispatcher.DispatchController,
    _statusCode: number,
    _headers: Headers,
    socket: Duplex,
  ): void {
    socket.destroy()
  }

  onResponseStarted(): void {}
  onResponseStart(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: Headers,
    message?: string,
  ): void {
    this.statusCode = statusCode
    const { rawHeaders } = controller
    if (Array.isArray(rawHeaders) && rawHeaders.length === 0)
      controller.abort(new Error(message ?? String(headers.server)))
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#chunks.push(chunk)
  }

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers: Headers): void {
    this.#settle(trailers.error === undefined ? null : new Error('in a trailer'), Buffer.concat(this.#chunks))
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#settle(error, Buffer.alloc(0))
  }

  onBodySent(chunk: Buffer): void {
    this.#chunks.push(chunk)
  }

  onRequestSent(): void {}
}
type Headers = Record<string, string | string[] | undefined>

/** A controller that never was on the wire, as tests of handlers need one. */
export class IdleController implements Dispatcher.DispatchController {
  aborted = false
  paused = false
  reason: Error | null = null
  rawHeaders: Buffer[] = []

  abort(reason: Error): void {
    this.aborted = true
    this.reason = reason
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }
}

const client = new Client('http://localhost')
const collector = new Collector((error, body) => console.log(error, body.length))
collector.onResponseStart(new IdleController(), 200, { a: ['b'] })

export const free: boolean = client.dispatch({ path: '/', method: 'GET', body: null }, collector)
export const decorated: Dispatcher.DispatchHandler = new DecoratorHandler(collector)
export const redirecting: Dispatcher.DispatchHandler = new RedirectHandler(
  client.dispatch.bind(client),
  3,
  { path: '/', method: 'GET' },
  decorated,
)

// @ts-expect-error: a controller can be paused
export const half: Dispatcher.DispatchController = {
  aborted: false,
  paused: false,
  reason: null,
  abort() {},
  resume() {},
}
// @ts-expect-error: a chunk is no string
export const text: Dispatcher.DispatchHandler = { onResponseData: (_controller, chunk: string) => void chunk }
