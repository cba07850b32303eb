import type { Duplex } from 'node:stream'
import type { DispatchController, DispatchHandler, LegacyDispatchHandler } from '../../lib/exchange/handler.js'
import { LegacyCall } from './legacy-call.js'
import { tunnelBytes } from './plan.js'
import { SimulatedRequest, type Surroundings } from './request.js'
import type { SimulatedSocket } from './socket.js'

type Step = 'queued' | 'start' | 'headers' | 'data' | 'sent' | 'end' | 'error' | 'upgrade'

/** A request by `dispatch`, with a handler that checks each callback, pauses, aborts, throws and calls the library. */
export class Call extends SimulatedRequest implements DispatchHandler {
  controller: DispatchController | null = null
  readonly borrowsChunks?: boolean
  onBodySent?: (chunk: Buffer) => void
  onRequestSent?: () => void
  #threwInEnd = false
  #aborting = false
  #queued = false

  constructor(id: number, around: Surroundings) {
    super(id, around)
    const { features } = around
    if (features.memory && this.random.chance(0.1)) this.borrowsChunks = true
    if ((!features.memory && !features.userCode) || this.random.chance(0.3)) return
    this.onBodySent = (chunk) => {
      // If an interceptor may send it again, its bytes are needed until the end.
      if (this.counted) this.memory.recycle(this.memory.pieceOf(chunk))
      this.#act('sent')
    }
    this.onRequestSent = () => {
      if (this.counted) this.memory.recycleAll()
      this.#act('sent')
    }
  }

  /** The handler: current or legacy. */
  handler(): DispatchHandler | LegacyDispatchHandler {
    return this.random.chance(0.8) ? this : new LegacyCall(this)
  }

  onRequestQueued(controller: DispatchController): void {
    this.#useController(controller)
    this.#called('queued')
    if (this.#queued && this.around.features.userCode) this.wrong('was reported as queued twice')
    this.#queued = true
    if (this.state === 'new') this.state = 'queued'
    this.#act('queued')
  }

  onRequestStart(controller: DispatchController): void {
    this.#useController(controller)
    this.#called('start')
    if (this.attempt > 0) this.wrong('was sent again after its response had begun')
    this.state = 'started'
    this.#act('start')
  }

  onResponseStart(_controller: DispatchController, status: number, headers: Record<string, unknown>): void {
    this.#called('headers')
    if (this.state !== 'started') this.wrong(`got headers in state ${this.state}`)
    this.responseBegins(status, headers)
    this.#act('headers')
  }

  onResponseData(_controller: DispatchController, chunk: Buffer): void {
    this.#called('data')
    if (this.paused) this.wrong('got data while paused')
    this.receive(chunk, this.borrowsChunks === true)
    this.#act('data')
  }

  onResponseEnd(): void {
    this.#called('end')
    if (this.paused) this.wrong('completed while paused')
    if (this.attempt === 0) this.wrong('completed before its headers')
    this.checkBody(true)
    this.#settle('ended')
    this.#act('end')
  }

  onResponseError(_controller: unknown, error: Error): void {
    if (this.#threwInEnd) this.#threwInEnd = false
    else this.#called('error')
    this.around.trace(() => `${this.id} fails: ${error.name}: ${error.message}`)
    if (!(error instanceof Error)) this.wrong(`failed with ${String(error)}`)
    this.around.userCode.report(error, `request ${this.id}`)
    this.checkBody(false)
    this.error = error
    // Its response may still arrive behind others.
    if (this.state === 'started' && this.deadline < Infinity) this.lingering = true
    this.#settle('failed')
    this.#act('error')
  }

  onRequestUpgrade(_controller: DispatchController, _status: number, headers: unknown, socket: Duplex): void {
    this.#called('upgrade')
    if ((headers as Record<string, unknown>)['x-id'] !== String(this.id)) this.wrong("got another's tunnel")
    this.#useTunnel(socket)
    this.#settle('upgraded')
    this.#act('upgrade')
  }

  /** Carries a pause over to another controller, which it gets when an interceptor sends it again. */
  #useController(controller: DispatchController): void {
    if (this.paused && this.controller !== controller) controller.pause()
    this.controller = controller
  }

  /** Aborts within the event-loop turn of `dispatch`, or at any time. */
  abort(): void {
    if (this.over || this.controller === null) return
    this.around.trace(() => `${this.id} is aborted`)
    if (this.state === 'started') this.lingering = true
    // A `drain` listener runs within the abort that freed capacity, and may abort the request again. A listener that runs
    // while the request fails because of its source may do so too.
    const outermost = !this.#aborting && this.controller.aborted !== true
    this.#aborting = true
    this.controller.abort(this.random.chance(0.5) ? new Error('enough') : undefined)
    // The same applies to its timeout, which fires in time in any case.
    if (outermost && !this.over && this.counted && !this.limited) this.wrong('did not end after its abort')
  }

  #settle(state: 'ended' | 'failed' | 'upgraded'): void {
    this.state = state
    // An interceptor may report the end before it has arrived.
    if (state === 'failed' && !this.counted) this.lingering = true
    this.memory.recycleAll()
    this.around.checkCounts()
  }

  #useTunnel(socket: Duplex): void {
    ;(socket as SimulatedSocket).released = true
    const expected = tunnelBytes(this.id)
    let received = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('end', () => {
      if (!received.equals(expected)) this.wrong('lost bytes of its tunnel')
      socket.end()
    })
    const listen = (): void => {
      socket.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk])
        if (!received.equals(expected.subarray(0, received.length))) {
          this.wrong(`got bytes of another tunnel: ${JSON.stringify(received.toString('latin1', 0, 200))}`)
        }
        if (this.random.chance(0.05)) socket.destroy()
      })
    }
    if (this.random.chance(0.5)) listen()
    else this.around.arrive(this.random.spread(0, 50), listen)
    if (this.random.chance(0.3)) socket.write('hello')
  }

  #called(step: Step): void {
    this.around.trace(() => `${this.id}: ${step}`)
    if (this.over) this.wrong(`got callback ${step} in state ${this.state}`)
  }

  /** Other actions of handlers. */
  #act(step: Step): void {
    const { random, around } = this
    if (around.calm) return
    if (!this.over && random.chance(0.08)) this.#pause()
    if (random.chance(0.03)) around.reenter()
    if (around.features.userCode) this.#actMore(step)
    if (!around.wild) return
    if (random.chance(0.02)) this.abort()
    if (random.chance(0.02)) this.#abortSoon()
    if (random.chance(0.015)) this.#throw(step)
  }

  #actMore(step: Step): void {
    const { random, around } = this
    if (!around.userCode.active) return
    if (random.chance(0.05)) around.reenter()
    if (!around.wild) return
    if (random.chance(0.01)) this.memory.transfer()
    if (random.chance(0.02)) this.#throw(step)
  }

  /** Runs `act` after some microtasks, ticks or event-loop turns. */
  #abortSoon(): void {
    const { random, around } = this
    const steps = [
      (next: () => void) => queueMicrotask(next),
      (next: () => void) => process.nextTick(next),
      (next: () => void) => around.arrive(0, next),
    ]
    let left = random.between(1, 4)
    const next = (): void => {
      if (left-- === 0) this.abort()
      else random.pick(steps)(next)
    }
    next()
  }

  #throw(step: Step): void {
    this.around.trace(() => `${this.id} throws in ${step}`)
    // A throw fails the request like an abort.
    this.#aborting = true
    // Called within its own abort or completion: it can not fail any more.
    const place = step === 'error' ? 'last callback' : 'handler'
    if (step === 'end' || step === 'upgrade') {
      this.#threwInEnd = true
      this.state = 'started'
    } else if (this.state === 'started') this.lingering = true
    throw this.around.userCode.error(place)
  }

  #pause(): void {
    const { controller } = this
    if (controller === null || this.paused) return
    this.around.trace(() => `${this.id} pauses`)
    this.paused = true
    controller.pause()
    const resume = (): void => {
      if (!this.paused) return
      this.around.trace(() => `${this.id} resumes`)
      this.paused = false
      this.controller?.resume()
    }
    const when = this.random.pick(['now', 'job', 'tick', 'later', 'later', 'later'] as const)
    if (when === 'now') resume()
    else if (when === 'job') queueMicrotask(resume)
    else if (when === 'tick') process.nextTick(resume)
    else this.around.arrive(this.random.spread(0, 3000), resume)
  }
}
