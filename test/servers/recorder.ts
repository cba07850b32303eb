import type { Duplex } from 'node:stream'
import type { DispatchController, DispatchHandler } from '../../lib/index.js'

/** A handler that records its callbacks in order. */
export class Recorder implements DispatchHandler {
  readonly calls: string[] = []
  readonly chunks: Buffer[] = []
  controller: DispatchController | null = null
  statusCode = 0
  headers: Record<string, string | string[]> = {}
  trailers: Record<string, string | string[]> = {}
  error: (Error & { code?: string }) | null = null
  socket: Duplex | null = null
  readonly ended: Promise<this>
  #end: (recorder: this) => void = () => {}
  /** Called with the name of each callback after it was recorded. */
  readonly #also: (name: string, controller: DispatchController) => void

  constructor(also: (name: string, controller: DispatchController) => void = () => {}) {
    this.#also = also
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  get body(): string {
    return Buffer.concat(this.chunks).toString('latin1')
  }

  onRequestStart(controller: DispatchController): void {
    this.controller = controller
    this.#note('start', controller)
  }

  onRequestUpgrade(controller: DispatchController, statusCode: number, headers: typeof this.headers, socket: Duplex) {
    this.statusCode = statusCode
    this.headers = headers
    this.socket = socket
    this.#end(this)
    this.#note('upgrade', controller)
  }

  onResponseStart(controller: DispatchController, statusCode: number, headers: typeof this.headers): void {
    this.statusCode = statusCode
    this.headers = headers
    this.#note(`head ${statusCode}`, controller)
  }

  onResponseData(controller: DispatchController, chunk: Buffer): void {
    this.chunks.push(chunk)
    this.#note('data', controller)
  }

  onResponseEnd(controller: DispatchController, trailers: typeof this.trailers): void {
    this.trailers = trailers
    this.#end(this)
    this.#note('end', controller)
  }

  onResponseError(controller: DispatchController, error: Error): void {
    this.error = error
    this.#end(this)
    this.#note('error', controller)
  }

  #note(name: string, controller: DispatchController): void {
    this.calls.push(name)
    this.#also(name, controller)
  }
}

/** Dispatches an invalid request and returns the error that the handler gets within the call of `dispatch`. */
export function refusal(dispatcher: { dispatch(options: never, handler: Recorder): boolean }, options: unknown) {
  const recorder = new Recorder()
  const mayGoOn = dispatcher.dispatch(options as never, recorder)
  return { calls: recorder.calls, code: recorder.error?.code, error: recorder.error, mayGoOn }
}
