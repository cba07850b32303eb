import { builtinModule } from '../base/builtin-modules.js'
import { Alarm, type AlarmListener, now, setImmediate } from '../base/clock.js'
import { callUserCode, reportUncaught } from '../base/user-code.js'
import { debug, named } from '../diagnostics/debug.js'
import type { Dispatch } from '../dispatcher/dispatcher.js'
import type { Timings } from '../errors/timings.js'
import { nonNullError, RequestAbortedError } from '../errors.js'
import { deadlineOf } from '../exchange/deadlines.js'
import type {
  DispatchController,
  DispatchHandler,
  IncomingHeaders,
  LegacyDispatchHandler,
} from '../exchange/handler.js'
import { adaptInnerHandler } from '../exchange/legacy-handler.js'
import type { DispatchOptions } from '../exchange/request.js'
import { WrappingHandler } from '../exchange/wrapping-handler.js'
import { AttemptsController } from './attempts-controller.js'
import { BodyDiscarder } from './body-discarder.js'
import { BufferedBody } from './buffered-body.js'
import { copyReplayedBytes } from './replayable-body.js'
import { abortErrorOf } from './wait.js'

/** What all requests through one interceptor share. */
export interface HedgePlan {
  readonly maxHedges: number
  readonly budget: { takeRetry(): boolean }
  readonly pace: {
    /** ms until another try is due. */
    readonly delay: number
    record(latency: number): void
  }
}

/** Responses that another try may do better than. */
const FAILURES = [429, 500, 502, 503, 504]
/** ms that such a response waits at least for another attempt. */
const PATIENCE = 1000

/** One request that is sent more than once at a time: its handler hears of one of its tries. */
export class Hedge implements AlarmListener {
  readonly #dispatch: Dispatch
  readonly #handler: DispatchHandler
  readonly #plan: HedgePlan
  #request: DispatchOptions & { timings?: unknown }
  /** Each try is sent in the async context of the first. */
  readonly #sender = new (builtinModule('node:async_hooks').AsyncResource)('sluice.hedge')
  readonly #controller = new AttemptsController((reason) => this.#abort(reason))
  readonly #alarm = new Alarm(this)
  readonly #begun = now()
  /** Under way and wanted. */
  readonly #tries = new Set<Try>()
  #sent = 0
  /** The first response of {@link FAILURES}: handed out unless another attempt does better in time. */
  #kept: Try | null = null
  readonly #keptAlarm = new Alarm({ onAlarm: () => setImmediate(() => this.#giveKept()) })
  /** The one whose response the handler gets. */
  #winner: Try | null = null
  /** Which one the handler hears each step of: one that is sent again beneath goes through it again. */
  readonly #told: { [step: string]: Try } = {}
  /** The handler heard its last. */
  #over = false

  constructor(
    request: DispatchOptions,
    to: { dispatch: Dispatch; handler: DispatchHandler | LegacyDispatchHandler; plan: HedgePlan },
  ) {
    this.#request = { ...request }
    this.#dispatch = to.dispatch
    this.#handler = adaptInnerHandler(to.handler)
    this.#plan = to.plan
  }

  /** @throws what `dispatch` throws */
  start(): boolean {
    const room = this.#send()
    this.#wait()
    return room
  }

  /** What came while the event loop was busy is read in the poll phase, before the check phase. */
  onAlarm(): void {
    setImmediate(() => this.#hedge())
  }

  get #open(): boolean {
    return !this.#over && this.#winner === null
  }

  #wait(): void {
    if (this.#open && this.#sent <= this.#plan.maxHedges) this.#alarm.set(this.#plan.pace.delay)
  }

  #hedge(): void {
    if (!this.#open || now() >= deadlineOf(this.#request) || !this.#plan.budget.takeRetry()) return
    try {
      this.#sender.runInAsyncScope(() => this.#send())
    } catch {
      // As a try that fails while another is under way.
    }
    this.#wait()
  }

  #send(): boolean {
    const first = this.#sent++ === 0
    if (!first) debug?.(`hedge of ${named(this.#request)}`)
    const own = new Try(this, { first, offset: now() - this.#begun, inner: this.#handler })
    this.#tries.add(own)
    const { timings } = this.#request
    const filled = typeof timings === 'object' && timings !== null && Object.isExtensible(timings)
    const request = filled ? { ...this.#request, timings: own.timings } : { ...this.#request }
    try {
      return this.#dispatch(request as DispatchOptions, own)
    } catch (error) {
      this.#tries.delete(own)
      throw error
    }
  }

  // What tries tell

  begun(controller: DispatchController): void {
    this.#request = this.#controller.withTimeouts(this.#request, controller)
  }

  #tells(from: Try, step: string): boolean {
    this.#told[step] ??= from
    return this.#told[step] === from
  }

  queued(from: Try): void {
    if (this.#tells(from, 'queued')) this.#tell(() => this.#handler.onRequestQueued?.(this.#controller))
  }

  started(from: Try, context: unknown): void {
    if (!this.#over && this.#tells(from, 'start'))
      this.#tell(() => this.#handler.onRequestStart?.(this.#controller, context))
  }

  bodySent(chunk: Buffer): void {
    copyReplayedBytes(this.#request, this.#handler)
    if (this.#open) this.#tell(() => this.#handler.onBodySent?.(chunk))
  }

  requestSent(): void {
    copyReplayedBytes(this.#request, this.#handler)
    if (this.#open) this.#tell(() => this.#handler.onRequestSent?.())
  }

  responseStarted(from: Try): void {
    if (this.#open && this.#tells(from, 'first')) this.#tell(() => this.#handler.onResponseStarted?.())
  }

  head(from: Try, status: [number, string | undefined], headers: IncomingHeaders): void {
    const [statusCode] = status
    if (this.#over || !this.#tries.has(from)) return
    const final = statusCode >= 200
    // Others than the first would tell the same again.
    if (!final && !from.first) return
    if (final && this.#tries.size > 1 && FAILURES.includes(statusCode)) {
      return this.#keep(from, () => this.#giveHead(from, status, headers))
    }
    if (final) this.#win(from)
    this.#giveHead(from, status, headers)
  }

  #keep(from: Try, giveHead: () => void): void {
    this.#tries.delete(from)
    from.keep(giveHead)
    if (this.#kept !== null) return from.discard()
    this.#kept = from
    this.#keptAlarm.set(Math.max(PATIENCE, this.#plan.pace.delay))
  }

  /** False when no response is kept. */
  #giveKept(): boolean {
    const kept = this.#kept
    if (kept === null || this.#over) return false
    this.#kept = null
    this.#tries.add(kept)
    this.#win(kept)
    kept.give()
    return true
  }

  #giveHead(from: Try, [statusCode, statusMessage]: [number, string | undefined], headers: IncomingHeaders): void {
    this.#controller.rawHeaders = from.rawHeaders
    this.#tell(() => this.#handler.onResponseStart?.(this.#controller, statusCode, headers, statusMessage))
  }

  data(from: Try, chunk: Buffer): void {
    if (from === this.#winner && !this.#over) this.#tell(() => this.#handler.onResponseData?.(this.#controller, chunk))
  }

  end(from: Try, trailers: IncomingHeaders): void {
    if (from !== this.#winner || this.#over) return
    this.#finish(from)
    this.#controller.rawTrailers = (from.controller as DispatchController).rawTrailers
    try {
      this.#handler.onResponseEnd?.(this.#controller, trailers)
    } catch (error) {
      this.#tellError(nonNullError(error))
    }
  }

  failed(from: Try, error: Error): void {
    if (from === this.#kept) this.#dropKept()
    if (!this.#tries.delete(from) || this.#over) return
    // Of those that wait for an answer another one may get it.
    if (this.#controller.aborted || (this.#tries.size === 0 && !this.#giveKept())) this.#fail(error, from)
  }

  #win(winner: Try): void {
    this.#winner = winner
    this.#alarm.dispose()
    this.#plan.pace.record(now() - this.#begun)
    this.#noteTimings(winner)
    this.#tries.delete(winner)
    const losers = [...this.#tries]
    this.#tries.clear()
    this.#tries.add(winner)
    for (const loser of losers) loser.cancel(new RequestAbortedError('Another try of the request was answered first'))
    this.#dropKept()?.discard()
    this.#controller.setSource(winner.source)
  }

  #dropKept(): Try | null {
    const kept = this.#kept
    this.#kept = null
    this.#keptAlarm.dispose()
    return kept
  }

  /** The object is the caller's: what it does when it is written to is no concern of the request. */
  #noteTimings(of: Try): void {
    const { timings } = this.#request
    if (typeof timings !== 'object' || timings === null) return
    try {
      Object.assign(timings, of.timesOfAll, { tries: this.#sent })
    } catch {}
  }

  // What the handler hears

  #tell(call: () => void): void {
    try {
      call()
    } catch (error) {
      if (this.#controller.aborted) reportUncaught(error)
      else this.#controller.abort(error as Error)
    }
  }

  #abort(reason: Error | undefined): void {
    for (const one of [...this.#tries]) one.cancel(reason)
    this.#dropKept()?.cancel(reason)
    if (!this.#over) this.#fail(abortErrorOf(reason, this.#request))
  }

  #fail(error: Error, from?: Try): void {
    if (this.#over) return
    this.#finish(from, error)
    this.#tellError(error)
  }

  #finish(from?: Try, error: Error | null = null): void {
    this.#over = true
    this.#alarm.dispose()
    if (from !== undefined) this.#noteTimings(from)
    this.#controller.end(error)
  }

  #tellError(error: Error): void {
    callUserCode(() => this.#handler.onResponseError?.(this.#controller, error))
  }
}

/** One sending of the request. */
class Try extends WrappingHandler implements DispatchHandler {
  readonly first: boolean
  readonly timings: Partial<Timings> = {}
  controller: DispatchController | null = null
  readonly #hedge: Hedge
  readonly #offset: number
  #canceled: { readonly reason: Error | undefined } | null = null
  #drain: BodyDiscarder | null = null
  #kept: BufferedBody | null = null
  #giveHead = () => {}

  constructor(hedge: Hedge, { first, offset, inner }: { first: boolean; offset: number; inner: object }) {
    super(inner)
    this.#hedge = hedge
    this.first = first
    this.#offset = offset
  }

  /** Since the first try was sent. */
  get timesOfAll(): Partial<Timings> {
    const times = { ...this.timings }
    for (const name of ['queued', 'dns', 'tcp', 'tls', 'sent', 'firstByte', 'end'] as const) {
      if (typeof times[name] === 'number') times[name] += this.#offset
    }
    return times
  }

  /** Gives it up, now or as soon as it can be. */
  cancel(reason: Error | undefined): void {
    this.#canceled = { reason }
    this.controller?.abort(reason)
  }

  /** What the handler of its response steers. */
  get source(): BufferedBody | DispatchController | null {
    return this.#kept ?? this.controller
  }

  get rawHeaders(): string[] | null {
    return (this.controller as DispatchController).rawHeaders
  }

  /** Keeps what comes for {@link give} or {@link discard}. */
  keep(giveHead: () => void): void {
    this.#giveHead = giveHead
    this.#kept = new BufferedBody(this.controller as DispatchController, {
      onData: (chunk) => this.#hedge.data(this, chunk),
      onEnd: (trailers) => this.#hedge.end(this, trailers),
    })
  }

  give(): void {
    this.#giveHead()
    this.#kept?.deliver()
  }

  /** Nobody wants its response. */
  discard(): void {
    const kept = this.#kept
    if (kept?.ended) return
    this.#kept = null
    const reason = new RequestAbortedError('Another try of the request is under way')
    this.#drain = new BodyDiscarder(this.controller as DispatchController, reason)
    kept?.resumeSource()
  }

  onRequestQueued(controller: DispatchController): void {
    if (this.#begin(controller)) this.#hedge.queued(this)
  }

  onRequestStart(controller: DispatchController, context: unknown): void {
    if (this.#begin(controller)) this.#hedge.started(this, context)
  }

  onBodySent(chunk: Buffer): void {
    if (this.first) this.#hedge.bodySent(chunk)
  }

  onRequestSent(): void {
    if (this.first) this.#hedge.requestSent()
  }

  onResponseStarted(): void {
    this.#hedge.responseStarted(this)
  }

  onResponseStart(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHeaders,
    statusMessage?: string,
  ): void {
    if (this.#begin(controller)) this.#hedge.head(this, [statusCode, statusMessage], headers)
  }

  onResponseData(_controller: DispatchController, chunk: Buffer): void {
    if (this.#drain !== null) this.#drain.onData(chunk)
    else if (this.#kept !== null) this.#kept.onData(chunk)
    else this.#hedge.data(this, chunk)
  }

  onResponseEnd(_controller: DispatchController, trailers: IncomingHeaders): void {
    this.#drain?.onEnd()
    if (this.#kept !== null) this.#kept.onEnd(trailers)
    else this.#hedge.end(this, trailers)
  }

  onResponseError(_controller: DispatchController, error: Error): void {
    this.#drain?.onEnd()
    this.#hedge.failed(this, error)
  }

  /** It shows its controller. False when nobody waits for it. */
  #begin(controller: DispatchController): boolean {
    this.controller = controller
    this.#hedge.begun(controller)
    if (this.#canceled === null) return true
    controller.abort(this.#canceled.reason)
    return false
  }
}
