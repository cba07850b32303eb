import type { Dispatcher } from '../../lib/index.js'
import { piecesOf } from './bodies.js'
import { SimulatedRequest, type Surroundings } from './request.js'

/** A request by the `fetch` of the runtime, whose body is read, left unread or cancelled. */
export class FetchCall extends SimulatedRequest {
  readonly #abort = new AbortController()
  /** Whether it may be aborted. Exceptions of interceptors after an abort can not be reported. */
  #abortable = false

  constructor(id: number, around: Surroundings) {
    super(id, around, 'fetch')
    this.counted = false
  }

  start(dispatcher: Dispatcher, origin: string): void {
    const { random, around } = this
    this.state = 'started'
    const init = { method: this.method, signal: this.#abort.signal, dispatcher, ...this.#body() }
    fetch(`${origin}/${this.id}`, init as RequestInit).then(
      (response) => {
        this.#headers(response)
        this.#consume(response)
      },
      (error: Error) => this.#fail(error),
    )
    // Within its own call, `fetch` can not be aborted: it throws an AssertionError, over any dispatcher.
    this.#abortable = around.wild && !(this.intercepted && around.features.userCode)
    if (random.chance(0.2)) this.#soon(() => this.abort())
  }

  abort(): void {
    if (this.over || !this.#abortable) return
    this.around.trace(() => `${this.id} is aborted by its signal`)
    this.#abort.abort()
    // A `fetch` that is aborted when its response has come, but was not read, leaves its reader waiting, over any dispatcher.
    if (this.attempt > 0) this.#settle('failed')
  }

  override get endsEarly(): boolean {
    return true
  }

  /** `fetch` can abort a queued request only when it starts. */
  override get heldBack(): boolean {
    return this.#abort.signal.aborted
  }

  /** Known to `fetch` alone, which leaves its source open when the connection is lost, over any dispatcher. */
  override sourceClosed(): boolean {
    return true
  }

  #body(): object {
    const { random, upload, method } = this
    if (upload.length === 0 || method === 'GET' || method === 'HEAD') return {}
    const kind = random.pick(['string', 'bytes', 'blob', 'web', 'web'] as const)
    if (kind === 'string') return { body: upload.toString('latin1') }
    if (kind === 'bytes') return { body: new Uint8Array(upload) }
    return kind === 'blob' ? { body: new Blob([upload]) } : { body: this.#source(), duplex: 'half' }
  }

  #source(): ReadableStream {
    const { upload, random, around } = this
    const pieces = piecesOf({ upload, random })
    const failsAt = around.wild && random.chance(0.1) ? random.between(0, pieces.length) : -1
    let closed = false
    const close = (): void => {
      closed = true
    }
    const pull = async (controller: ReadableStreamDefaultController): Promise<void> => {
      if (random.chance(0.3)) await new Promise<void>((resolve) => around.arrive(random.spread(0, 50), resolve))
      if (closed) return
      if (pieces.length === failsAt) {
        close()
        throw new Error('the source broke')
      }
      const piece = pieces.shift()
      if (piece !== undefined) return controller.enqueue(new Uint8Array(piece))
      close()
      controller.close()
    }
    return new ReadableStream({ pull, cancel: close }, { highWaterMark: 0 })
  }

  #headers(response: Response): void {
    if (this.over) return
    this.responseBegins(response.status, Object.fromEntries(response.headers))
  }

  #consume(response: Response): void {
    const { random, around } = this
    const way = random.pick(['bytes', 'text', 'iterate', 'iterate', 'cancel', 'leave'] as const)
    around.trace(() => `${this.id}: response by ${way}`)
    const failed = (error: Error) => this.#fail(error)
    if (way === 'bytes') response.arrayBuffer().then((bytes) => this.#whole(Buffer.from(bytes)), failed)
    else if (way === 'text') response.text().then((text) => this.#whole(Buffer.from(text)), failed)
    else if (way === 'iterate') this.#iterate(response).then(() => this.#end(), failed)
    else {
      const cancel = () => {
        response.body?.cancel().catch(() => {})
        if (!this.over) this.#settle('failed')
      }
      if (way === 'cancel') this.#soon(cancel)
      else around.arrive(random.spread(100, 3000), cancel)
    }
  }

  async #iterate({ body }: Response): Promise<void> {
    const { random, around } = this
    for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
      this.receive(Buffer.from(chunk), true)
      if (random.chance(0.2)) await new Promise<void>((resolve) => around.arrive(random.spread(0, 300), resolve))
    }
  }

  #whole(bytes: Buffer): void {
    if (bytes.length > 0) this.receive(bytes, true)
    this.#end()
  }

  #end(): void {
    if (this.#abort.signal.aborted && this.over) return
    if (this.over) this.wrong(`completed a second time, state: ${this.state}`)
    this.checkBody(true)
    this.#settle('ended')
  }

  #fail(error: Error): void {
    this.around.trace(() => `${this.id} fails: ${error?.name}: ${error?.message}: ${error?.cause}`)
    this.around.userCode.report(error, `request ${this.id}`)
    if (this.over) return
    this.error = error
    this.checkBody(false)
    this.#settle('failed')
  }

  #settle(state: 'ended' | 'failed'): void {
    this.state = state
    if (state === 'failed') this.lingering = true
  }

  /** Runs `act` in this call, a microtask, a tick or a later event-loop turn. */
  #soon(run: () => void): void {
    const { random } = this
    const when = random.pick(['now', 'job', 'tick', 'later', 'later'] as const)
    if (when === 'now') run()
    else if (when === 'job') queueMicrotask(run)
    else if (when === 'tick') process.nextTick(run)
    else this.around.arrive(random.spread(0, 1000), run)
  }
}
