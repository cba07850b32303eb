import { type Duplex, Readable } from 'node:stream'
import type { DispatchController, DispatchHandler, LegacyDispatchHandler } from '../../lib/exchange/handler.js'
import type { BodyInput, DispatchInput } from '../../lib/exchange/request.js'
import { bytesOf, type Manners, makePlan, type Plan, tunnelBytes } from './plan.js'
import type { Random } from './random.js'
import { type Expected, matches } from './server.js'
import type { SimulatedSocket } from './socket.js'

/** What a call needs of the world around it. */
export interface Surroundings {
  readonly random: Random
  readonly manners: Manners
  /** Handlers abort, throw, and end the dispatcher. */
  readonly wild: boolean
  arrive(delay: number, run: () => void): void
  trace(text: () => string): void
  violation(text: string): never
  /** Something that handlers do to others: another request, a close, an abort. */
  meddle(): void
}

type Step = 'queued' | 'start' | 'head' | 'data' | 'end' | 'error' | 'upgrade'

/** What it was before an end and after. */
export type State = 'new' | 'queued' | 'started' | 'ended' | 'failed' | 'upgraded'

const NEVER_TWICE = ['POST', 'PATCH', 'DELETE']

/** One request: what is sent, what must come back, and a handler that checks each callback and misbehaves. */
export class Call implements Expected, DispatchHandler {
  readonly id: number
  readonly method: string
  readonly idempotent: boolean
  readonly barrier: boolean
  readonly pipelined: boolean
  readonly upgrade: boolean
  readonly upload: Buffer
  readonly options: DispatchInput
  executions = 0
  state: State = 'new'
  error: (Error & { replaySafe?: boolean; bytesWritten?: number }) | null = null
  /** Aborted when it may have been on a connection: its response may still be under way. */
  lingering = false
  controller: DispatchController | null = null
  paused = false
  /** Streams that it read its body from. */
  source: Readable | null = null
  readonly #around: Surroundings
  readonly #random: Random
  readonly #plans: Plan[] = []
  #attempt = 0
  #received: Buffer[] = []
  #length = 0
  #threwInEnd = false

  constructor(id: number, around: Surroundings) {
    this.id = id
    this.#around = around
    const random = around.random.fork(id)
    this.#random = random
    this.upgrade = random.chance(0.05)
    this.method = this.upgrade
      ? random.pick(['GET', 'CONNECT'])
      : random.pick(['GET', 'GET', 'GET', 'GET', 'HEAD', 'POST', 'POST', 'PUT', 'DELETE'])
    const given = NEVER_TWICE.includes(this.method) || this.upgrade ? undefined : random.pick([undefined, true])
    this.idempotent = given ?? (this.method === 'GET' || this.method === 'HEAD')
    const blocking = random.chance(0.1)
    const hasBody = !this.upgrade && this.method !== 'HEAD' && random.chance(this.method === 'GET' ? 0.05 : 0.8)
    const length = around.manners.long && random.chance(0.2) ? random.spread(1, 300_000) : random.spread(0, 3000)
    this.upload = hasBody ? bytesOf(`request ${id}`, length) : Buffer.alloc(0)
    const { body, streams } = hasBody ? this.#body() : { body: null, streams: false }
    this.barrier = !this.idempotent || blocking || this.upgrade
    this.pipelined = this.idempotent && !this.upgrade && !streams
    this.options = {
      path: this.method === 'CONNECT' ? `sim:${id}` : `/${id}`,
      method: this.method,
      body,
      blocking,
      reset: random.chance(0.03),
      expectContinue: hasBody && random.chance(0.15),
      ...(given === undefined ? {} : { idempotent: given }),
      ...(this.upgrade && this.method !== 'CONNECT' ? { upgrade: 'sim' } : {}),
      ...(streams && random.chance(0.5) ? { headers: { 'content-length': String(length) } } : {}),
    }
  }

  get over(): boolean {
    return this.state === 'ended' || this.state === 'failed' || this.state === 'upgraded'
  }

  plan(attempt: number): Plan {
    for (let next = this.#plans.length + 1; next <= attempt; next++) {
      const plan = makePlan(this.#random.fork(next), this.#around.manners, this.upload.length)
      // RFC 9110 §9.3.6: any success opens it.
      const tunnel = plan.tunnel || (this.method === 'CONNECT' && plan.status < 300)
      this.#plans.push({ ...plan, tunnel })
    }
    return this.#plans[attempt - 1] as Plan
  }

  /** The handler, in one of its two forms. */
  handler(): DispatchHandler | LegacyDispatchHandler {
    return this.#random.chance(0.8) ? this : this.#legacy()
  }

  // What bodies are made of

  #body(): { body: BodyInput; streams: boolean } {
    const { upload } = this
    const pieces = (): Buffer[] => {
      const all: Buffer[] = []
      for (let at = 0; at < upload.length; ) {
        const piece = upload.subarray(at, at + Math.max(this.#random.spread(1, 4000), upload.length >> 4))
        at += piece.length
        all.push(piece)
      }
      return all
    }
    switch (this.#random.pick(['string', 'bytes', 'bytes', 'stream', 'stream', 'iterable', 'generator'] as const)) {
      case 'string':
        return { body: upload.toString('latin1'), streams: false }
      case 'bytes':
        return { body: upload, streams: false }
      case 'stream':
        return { body: this.#stream(pieces()), streams: true }
      case 'iterable':
        return { body: pieces(), streams: true }
      default:
        return { body: this.#generator(pieces()), streams: true }
    }
  }

  /** Each piece may take its time; in a faulty world it may break. */
  #stream(pieces: Buffer[]): Readable {
    const around = this.#around
    const random = this.#random
    const breaks = around.wild && random.chance(0.1) ? random.between(0, pieces.length) : -1
    let given = 0
    const source = new Readable({
      highWaterMark: random.pick([1, 16, 16384]),
      read() {
        const give = (): void => {
          if (source.destroyed) return
          if (given === breaks) return void source.destroy(new Error('the source broke'))
          source.push(pieces[given++] ?? null)
        }
        if (random.chance(0.5)) give()
        else around.arrive(random.spread(0, 100), give)
      },
    })
    this.source = source
    return source
  }

  async *#generator(pieces: Buffer[]): AsyncGenerator<Buffer> {
    const around = this.#around
    const random = this.#random
    for (const piece of pieces) {
      if (random.chance(0.3)) await new Promise<void>((resolve) => around.arrive(random.spread(0, 50), resolve))
      if (around.wild && random.chance(0.02)) throw new Error('the generator broke')
      yield piece
    }
  }

  // What the handler hears

  onRequestQueued(controller: DispatchController): void {
    this.controller = controller
    this.#hear('queued')
    if (this.state === 'new') this.state = 'queued'
    this.#act('queued')
  }

  onRequestStart(controller: DispatchController): void {
    this.controller = controller
    this.#hear('start')
    if (this.#attempt > 0) this.#wrong('is sent again after its response began')
    this.state = 'started'
    this.#act('start')
  }

  onResponseStart(_controller: DispatchController, status: number, headers: Record<string, unknown>): void {
    this.#hear('head')
    if (this.state !== 'started') this.#wrong(`hears a head while ${this.state}`)
    if (headers['x-id'] !== undefined && headers['x-id'] !== String(this.id)) {
      this.#wrong(`got the response of ${headers['x-id']}`)
    }
    if (status < 200) return this.#act('head')
    if (this.#attempt > 0) this.#wrong('hears a second head')
    this.#attempt = Number(headers['x-attempt'])
    if (!(this.#attempt >= 1 && this.#attempt <= this.executions)) this.#wrong(`hears of attempt ${this.#attempt}`)
    if (status !== this.plan(this.#attempt).status) this.#wrong(`got status ${status}`)
    this.#act('head')
  }

  onResponseData(_controller: DispatchController, chunk: Buffer): void {
    this.#hear('data')
    if (this.paused) this.#wrong('got data while paused')
    if (this.#attempt === 0) this.#wrong('got data before its head')
    const { framing, length } = this.plan(this.#attempt)
    this.#received.push(Buffer.from(chunk))
    this.#length += chunk.length
    if (framing === 'none' || this.method === 'HEAD' || this.#length > length) this.#wrong('got more than its body')
    this.#act('data')
  }

  onResponseEnd(): void {
    this.#hear('end')
    if (this.paused) this.#wrong('ended while paused')
    if (this.#attempt === 0) this.#wrong('ended before its head')
    this.#checkBody(true)
    this.state = 'ended'
    this.#act('end')
  }

  onResponseError(_controller: unknown, error: Error): void {
    if (this.#threwInEnd) this.#threwInEnd = false
    else this.#hear('error')
    this.#around.trace(() => `${this.id} fails: ${error.name}: ${error.message}`)
    if (!(error instanceof Error)) this.#wrong(`fails with ${String(error)}`)
    this.#checkBody(false)
    this.error = error
    this.state = 'failed'
    this.#act('error')
  }

  onRequestUpgrade(_controller: DispatchController, _status: number, headers: unknown, socket: Duplex): void {
    this.#hear('upgrade')
    if ((headers as Record<string, unknown>)['x-id'] !== String(this.id)) this.#wrong("got another's tunnel")
    this.#useTunnel(socket)
    this.state = 'upgraded'
    this.#act('upgrade')
  }

  /** From within the same turn as `dispatch`, or whenever. */
  abort(): void {
    if (this.over || this.controller === null) return
    this.#around.trace(() => `${this.id} is aborted`)
    if (this.state === 'started') this.lingering = true
    this.controller.abort(this.#random.chance(0.5) ? new Error('enough') : undefined)
    if (!this.over) this.#wrong('lives on after its abort')
  }

  #checkBody(end: boolean): void {
    if (this.#attempt === 0) return
    const plan = this.plan(this.#attempt)
    const received = Buffer.concat(this.#received)
    const match = this.method === 'HEAD' ? 'whole' : matches(this.id, this.#attempt, plan, received)
    if (match === 'other')
      this.#wrong(`got a body that is not its own: ${JSON.stringify(received.toString('latin1', 0, 80))}`)
    // Nothing tells a body cut off by the server's end from one that is whole (RFC 9112 §8). One that stalls is ended so when
    // the server refuses the upload of the next request.
    const bound = plan.framing !== 'close' || plan.cut === null || plan.cut.how === 'reset'
    if (end && match === 'part' && bound) this.#wrong(`ended after ${received.length} of ${plan.length} bytes`)
  }

  #useTunnel(socket: Duplex): void {
    ;(socket as SimulatedSocket).released = true
    const expected = tunnelBytes(this.id)
    let received = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('end', () => {
      if (!received.equals(expected)) this.#wrong('lost bytes of its tunnel')
      socket.end()
    })
    const listen = (): void => {
      socket.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk])
        if (!received.equals(expected.subarray(0, received.length))) {
          this.#wrong(`got bytes of another tunnel: ${JSON.stringify(received.toString('latin1', 0, 200))}`)
        }
        if (this.#random.chance(0.05)) socket.destroy()
      })
    }
    if (this.#random.chance(0.5)) listen()
    else this.#around.arrive(this.#random.spread(0, 50), listen)
    if (this.#random.chance(0.3)) socket.write('hello')
  }

  #hear(step: Step): void {
    this.#around.trace(() => `${this.id} hears ${step}`)
    if (this.over) this.#wrong(`hears ${step} though it ${this.state}`)
  }

  /** What handlers do besides. */
  #act(step: Step): void {
    const random = this.#random
    if (!this.over && random.chance(0.08)) this.#pause()
    if (random.chance(0.03)) this.#around.meddle()
    if (!this.#around.wild) return
    if (random.chance(0.02)) this.abort()
    if (random.chance(0.015)) this.#throw(step)
  }

  #throw(step: Step): void {
    this.#around.trace(() => `${this.id} throws in ${step}`)
    if (step === 'end' || step === 'upgrade') {
      this.#threwInEnd = true
      this.state = 'started'
    } else if (this.state === 'started') this.lingering = true
    throw new Error(`${this.id} threw in ${step}`)
  }

  #pause(): void {
    const { controller } = this
    if (controller === null || this.paused) return
    this.#around.trace(() => `${this.id} pauses`)
    this.paused = true
    controller.pause()
    const resume = (): void => {
      if (!this.paused) return
      this.#around.trace(() => `${this.id} resumes`)
      this.paused = false
      controller.resume()
    }
    const when = this.#random.pick(['now', 'job', 'tick', 'later', 'later', 'later'] as const)
    if (when === 'now') resume()
    else if (when === 'job') queueMicrotask(resume)
    else if (when === 'tick') process.nextTick(resume)
    else this.#around.arrive(this.#random.spread(0, 3000), resume)
  }

  /** The same, told by the older interface. */
  #legacy(): LegacyDispatchHandler {
    let steer: { resume(): void; abort(reason?: Error): void } = { resume() {}, abort() {} }
    const controller = {
      pause() {},
      resume: () => steer.resume(),
      abort: (reason?: Error) => steer.abort(reason),
    } as DispatchController
    return {
      onConnect: (abort) => {
        steer = { ...steer, abort }
        this.onRequestStart(controller)
        if (this.paused) this.paused = false
      },
      onHeaders: (status, raw, resume) => {
        steer = { ...steer, resume }
        const headers: Record<string, string> = {}
        for (let i = 0; i < raw.length; i += 2) headers[String(raw[i]).toLowerCase()] = String(raw[i + 1])
        this.onResponseStart(controller, status, headers)
        return !this.paused
      },
      onData: (chunk) => {
        this.onResponseData(controller, chunk)
        return !this.paused
      },
      onComplete: () => this.onResponseEnd(),
      onError: (error) => this.onResponseError(controller, error),
      onUpgrade: (status, raw, socket) => {
        const headers: Record<string, string> = {}
        for (let i = 0; i < (raw?.length ?? 0); i += 2) headers[String(raw?.[i]).toLowerCase()] = String(raw?.[i + 1])
        this.onRequestUpgrade(controller, status, headers, socket)
      },
    }
  }

  #wrong(text: string): never {
    return this.#around.violation(`${this.method} ${this.id} ${text}`)
  }
}
