import { getEventListeners } from 'node:events'
import { type Duplex, Writable } from 'node:stream'
import type { ResponseData } from '../../lib/api/documented.js'
import type { Dispatcher } from '../../lib/index.js'
import { piecesOf } from './bodies.js'
import { SimulatedRequest, type Surroundings } from './request.js'

type Headers = Record<string, unknown>
type Body = ResponseData<null>['body']

/** A request by `request`, `stream` or `pipeline`, whose body is read, left unread or destroyed. */
export class MethodCall extends SimulatedRequest {
  readonly #abort = new AbortController()
  readonly #hasSignal: boolean

  constructor(id: number, around: Surroundings) {
    super(id, around, 'method')
    this.counted = false
    this.#hasSignal = around.wild && this.random.chance(0.3)
  }

  start(dispatcher: Dispatcher, more: object): void {
    const { random } = this
    this.state = 'started'
    if (this.#hasSignal && random.chance(0.7)) this.#soon(() => this.#abort.abort())
    const signal = this.#hasSignal ? { signal: this.#abort.signal } : {}
    const body = this.options.body ?? null
    const way = random.pick(['request', 'request', 'callback', 'stream', 'pipeline'] as const)
    if (way === 'pipeline' && this.upload.length > 0 && !this.refused)
      this.#pipeline(dispatcher, { ...more, ...signal })
    else if (way === 'stream') this.#stream(dispatcher, this.givenOptions({ ...more, ...signal, body }))
    else this.#request(dispatcher, { options: this.givenOptions({ ...more, ...signal, body }), way })
  }

  abort(): void {
    if (this.over || !this.#hasSignal) return
    this.around.trace(() => `${this.id} is aborted by its signal`)
    this.#abort.abort()
  }

  override checkSettled(): string | null {
    const listeners = getEventListeners(this.#abort.signal, 'abort').length
    return listeners > 0 ? `left ${listeners} listeners on its signal` : super.checkSettled()
  }

  #request(dispatcher: Dispatcher, { options, way }: { options: object; way: string }): void {
    const answered = ({ statusCode, headers, body }: ResponseData<null>): void => {
      this.#headers(statusCode, headers)
      this.#consume(body)
    }
    if (way !== 'callback') {
      dispatcher.request(options as never).then(answered, (error: Error) => this.#fail(error))
      return
    }
    dispatcher.request(options as never, (error: Error | null, data: ResponseData<null>) => {
      if (error === null) answered(data)
      else this.#fail(error)
      this.around.userCode.run('callback')
    })
  }

  #stream(dispatcher: Dispatcher, options: object): void {
    const factory = ({ statusCode, headers }: { statusCode: number; headers: Headers }): Writable => {
      this.#headers(statusCode, headers)
      this.around.userCode.run('callback')
      return this.#sink()
    }
    dispatcher.stream(options as never, factory as never).then(
      () => this.#end(),
      (error: Error) => this.#fail(error),
    )
  }

  /** Delays and fails at random. */
  #sink(): Writable {
    const { random, around } = this
    const failing = around.wild && random.chance(0.1)
    return new Writable({
      highWaterMark: random.pick([1, 16384]),
      write: (chunk: Buffer, _encoding, done) => {
        this.receive(chunk, false)
        const written = () => done(failing && random.chance(0.3) ? new Error('the sink broke') : null)
        if (random.chance(0.5)) written()
        else around.arrive(random.spread(0, 200), written)
      },
    })
  }

  #pipeline(dispatcher: Dispatcher, more: object): void {
    const { random, around, memory } = this
    this.pipelined = false
    this.plain = true
    const { body: _, ...options } = this.options
    const duplex = dispatcher.pipeline({ ...options, ...more } as never, ({ statusCode, headers, body }) => {
      this.#headers(statusCode, headers)
      around.userCode.run('callback')
      return body
    }) as Duplex
    duplex.on('data', (chunk: Buffer) => this.receive(chunk, false))
    duplex.on('error', (error) => this.#fail(error))
    duplex.on('end', () => this.#end())
    duplex.on('close', () => {
      if (!this.over) this.#fail(new Error('closed'))
    })
    const pieces = piecesOf({ upload: this.upload, random })
    const next = (): void => {
      const piece = pieces.shift()
      if (duplex.destroyed) return
      if (piece === undefined) return void duplex.end()
      const lent = memory.lend(piece)
      duplex.write(lent, () => {
        memory.recycle(lent)
        if (random.chance(0.5)) next()
        else around.arrive(random.spread(0, 50), next)
      })
    }
    next()
  }

  #consume(body: Body): void {
    const { random, around } = this
    body.on('error', () => {})
    const way = random.pick(['data', 'iterate', 'bytes', 'text', 'web', 'dump', 'destroy', 'leave'] as const)
    around.trace(() => `${this.id}: body by ${way}`)
    const ended = () => this.#end()
    const failed = (error: Error) => this.#fail(error)
    if (way === 'data') this.#readEvents(body)
    else if (way === 'iterate') this.#readByIterator(body).then(ended, failed)
    else if (way === 'web') this.#readByIterator(body.body as never).then(ended, failed)
    else if (way === 'bytes') body.bytes().then((bytes) => this.#whole(bytes), failed)
    else if (way === 'text') body.text().then((text) => this.#whole(Buffer.from(text)), failed)
    else if (way === 'dump') body.dump().then(() => this.#settle('ended'), failed)
    else {
      const destroy = (): void => {
        body.destroy(random.chance(0.5) ? new Error('not wanted') : undefined)
        if (!this.over) this.#settle('failed')
      }
      if (way === 'destroy') this.#soon(destroy)
      else around.arrive(random.spread(100, 3000), destroy)
    }
  }

  #readEvents(body: Body): void {
    const { random, around } = this
    body.on('data', (chunk: Buffer) => {
      this.receive(chunk, false)
      if (!random.chance(0.2)) return
      body.pause()
      around.arrive(random.spread(0, 300), () => body.resume())
    })
    body.on('end', () => this.#end())
    body.on('error', (error: Error) => this.#fail(error))
    body.on('close', () => {
      if (!this.over) this.#fail(new Error('closed'))
    })
  }

  async #readByIterator(body: AsyncIterable<Uint8Array>): Promise<void> {
    const { random, around } = this
    for await (const chunk of body) {
      this.receive(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength), false)
      if (random.chance(0.2)) await new Promise<void>((resolve) => around.arrive(random.spread(0, 300), resolve))
    }
  }

  #whole(bytes: Uint8Array): void {
    if (bytes.length > 0) this.receive(Buffer.from(bytes), true)
    this.#end()
  }

  #headers(status: number, headers: Headers): void {
    if (this.over) return
    // Afterwards the duration depends on the reader of the body, which may have arrived completely.
    this.deadline = Infinity
    this.responseBegins(status, headers)
  }

  #end(): void {
    if (this.over) this.wrong(`completed a second time, state: ${this.state}`)
    if (this.attempt === 0) this.wrong('completed before its headers')
    this.checkBody(true)
    this.#settle('ended')
  }

  #fail(error: Error): void {
    this.around.trace(() => `${this.id} fails: ${error?.name}: ${error?.message}`)
    this.around.userCode.report(error, `request ${this.id}`)
    if (this.over) return
    this.error = error
    this.checkBody(false)
    this.#settle('failed')
  }

  #settle(state: 'ended' | 'failed'): void {
    this.state = state
    if (state === 'failed') this.lingering = true
    this.memory.recycleAll()
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
