import type { Duplex } from 'node:stream'
import { builtinModule } from '../base/builtin-modules.js'
import { now, startTimer } from '../base/clock.js'
import { unpollutedRequest } from '../base/prototype-pollution.js'
import { callUserCode, isThenable, reportUncaught } from '../base/user-code.js'
import { debug, named } from '../diagnostics/debug.js'
import type { Dispatch } from '../dispatcher/dispatcher.js'
import { WaitingHandler } from '../dispatcher/waiting-handler.js'
import { invalidOption, nonNullError, RequestRetryError } from '../errors.js'
import { deadlineOf, withDeadline } from '../exchange/deadlines.js'
import type { RequestHeaders } from '../exchange/documented.js'
import type {
  DispatchController,
  DispatchHandler,
  IncomingHeaders,
  LegacyDispatchHandler,
} from '../exchange/handler.js'
import { adaptInnerHandler, isUpgrade } from '../exchange/legacy-handler.js'
import type { DispatchOptions } from '../exchange/request.js'
import { AttemptsController } from './attempts-controller.js'
import { BodyDiscarder } from './body-discarder.js'
import { BodyResumption, type ResponseStart } from './body-resumption.js'
import { copyReplayedBytes, isReplayable, notReplayableError } from './replayable-body.js'
import { retryDelay } from './retry-delay.js'
import * as options from './retry-options.js'
import { abortErrorOf, locateRequest, startWait } from './wait.js'

/** What a {@link RetryHandler} works with. */
export interface RetryHandlers {
  /** Sends each try after the first. */
  dispatch: Dispatch
  /** Hears of one request, whatever the number of tries. */
  handler: DispatchHandler | LegacyDispatchHandler
}

/** A failing response that may yet be handed out: its head, and what came of it although it was told to wait. */
interface HeldResponse {
  readonly head: ResponseStart
  readonly controller: DispatchController
  readonly chunks: Buffer[]
  end: { trailers: IncomingHeaders; rawTrailers: string[] | null } | null
}

/**
 * Stands between a dispatcher and a handler, and sends the request again when it fails and may be repeated: by its
 * method, its body, the error or the status. Where part of a body was handed out the rest is asked for by a range, and
 * taken only if a strong etag and `content-range` prove that it is the rest. An instance is for one `dispatch`.
 * Source: undici's `RetryHandler.md`.
 */
export class RetryHandler extends WaitingHandler implements DispatchHandler {
  readonly #dispatch: Dispatch
  readonly #handler: DispatchHandler
  /** Asked before each retry. */
  readonly #budget: { takeRetry(): boolean } | null
  readonly #context: { state: options.RetryState; opts: DispatchOptions & { retryOptions: options.RetrySettings } }
  /** Each try is sent, and each decision made, in the async context of the first. */
  readonly #sender = new (builtinModule('node:async_hooks').AsyncResource)('sluice.retry')
  readonly #controller = new AttemptsController((reason) => this.#abort(reason))
  /** Of the try under way; null until it told. */
  #current: DispatchController | null = null
  /** A try is under way. */
  #live = true
  /** The handler heard its last. */
  #over = false
  /** The handler has the head of the final response. */
  #headGiven = false
  /** What the handler gets is the rest of a body. */
  #resumed = false
  #resumption: BodyResumption | null = null
  #drain: BodyDiscarder | null = null
  #held: HeldResponse | null = null
  /** The next try begins when the one under way has ended. */
  #due = false
  #stopWaiting: (() => void) | null = null

  /** @throws {InvalidArgumentError} an option or a handler is not what is documented */
  constructor(
    request: DispatchOptions & { retryOptions?: options.RetryInput | null | undefined },
    { dispatch, handler, budget = null }: RetryHandlers & { budget?: { takeRetry(): boolean } | null },
  ) {
    super(dispatch, handler)
    if (typeof request !== 'object' || request === null) throw invalidOption('options', 'an object', request)
    if (typeof dispatch !== 'function') throw invalidOption('dispatch', 'a function', dispatch)
    this.#handler = adaptInnerHandler(handler, isUpgrade(request))
    this.#dispatch = dispatch
    this.#budget = budget
    const retryOptions = options.resolveRetryOptions(request.retryOptions)
    this.#context = { state: { counter: 0 }, opts: { ...withDeadline(unpollutedRequest(request)), retryOptions } }
  }

  get #settings(): options.RetrySettings {
    return this.#context.opts.retryOptions
  }

  onRequestQueued(controller: DispatchController): void {
    const first = this.#current === null && this.#context.state.counter === 0
    if (this.#begin(controller) && first) this.#tell(() => this.#handler.onRequestQueued?.(this.#controller))
  }

  onRequestStart(controller: DispatchController, context: unknown): void {
    if (!this.#begin(controller) || this.#headGiven) return
    this.#tell(() => this.#handler.onRequestStart?.(this.#controller, context))
  }

  onBodySent(chunk: Buffer): void {
    copyReplayedBytes(this.#context.opts, this.#handler)
    if (!this.#over && !this.#headGiven) this.#tell(() => this.#handler.onBodySent?.(chunk))
  }

  onRequestSent(): void {
    copyReplayedBytes(this.#context.opts, this.#handler)
    if (!this.#over && !this.#headGiven) this.#tell(() => this.#handler.onRequestSent?.())
  }

  onResponseStarted(): void {
    if (!this.#over && !this.#headGiven) this.#tell(() => this.#handler.onResponseStarted?.())
  }

  onRequestUpgrade(controller: DispatchController, statusCode: number, headers: IncomingHeaders, socket: Duplex): void {
    this.#live = false
    if (this.#over) return void socket.destroy()
    this.#over = true
    this.#controller.rawHeaders = controller.rawHeaders
    this.#controller.end()
    try {
      this.#handler.onRequestUpgrade?.(this.#controller, statusCode, headers, socket)
    } catch (error) {
      socket.destroy()
      this.#tellError(nonNullError(error))
    }
  }

  onResponseStart(
    controller: DispatchController,
    statusCode: number,
    headers: IncomingHeaders,
    statusMessage?: string,
  ): void {
    if (this.#over) return
    const decoded = controller.bodyDecoded === true
    const head = { statusCode, headers, statusMessage, rawHeaders: controller.rawHeaders, decoded }
    if (statusCode < 200) {
      if (!this.#headGiven) this.#tellHead(head)
      return
    }
    const failing = this.#settings.statusCodes.includes(statusCode)
    const problem = failing ? `Request failed with status ${statusCode}` : (this.#resumption?.verify(head) ?? null)
    if (problem !== null) this.#refuse(controller, head, problem)
    else if (this.#headGiven) this.#goOn(controller)
    else this.#give(controller, head)
  }

  onResponseData(controller: DispatchController, chunk: Buffer): void {
    if (this.#drain !== null) return this.#drain.onData(chunk)
    if (this.#held !== null) return void this.#held.chunks.push(chunk)
    if (this.#over) return
    if (this.#resumption?.count(chunk.length) === false && this.#resumed) return this.#surplus(controller)
    this.#tellData(chunk)
  }

  onResponseEnd(controller: DispatchController, trailers: IncomingHeaders): void {
    if (this.#endTry()) return
    const end = { trailers, rawTrailers: controller.rawTrailers }
    if (this.#held !== null) this.#held.end = end
    else if (this.#resumed && this.#resumption?.complete === false) {
      this.#failTry(this.#error('The rest of the body ended before its range did', { statusCode: 206, headers: {} }))
    } else this.#finish(end)
  }

  onResponseError(_controller: DispatchController, error: Error): void {
    if (this.#controller.aborted) {
      this.#drain?.onEnd()
      this.#live = false
      return this.#fail(error)
    }
    if (this.#endTry()) return
    if (this.#held !== null) this.#held = null
    else this.#failTry(nonNullError(error))
  }

  /** An attempt shows its controller. Returns false when its handler has its end, or has aborted it meanwhile. */
  #begin(controller: DispatchController): boolean {
    this.#current = controller
    this.#context.opts = this.#controller.withTimeouts(this.#context.opts, controller)
    if (!this.#over && !this.#controller.aborted) return true
    controller.abort(this.#controller.reason ?? undefined)
    return false
  }

  /** True when nothing of what the try has told matters. */
  #endTry(): boolean {
    const drain = this.#drain
    this.#live = false
    this.#drain = null
    drain?.onEnd()
    if (this.#due) this.#send()
    return drain !== null || this.#over
  }

  #send(): void {
    this.#due = false
    this.#live = true
    this.#current = null
    debug?.(`retry ${this.#context.state.counter} of ${named(this.#context.opts)}`)
    try {
      this.#sender.runInAsyncScope(() => this.#dispatch(this.#request(), this))
    } catch (error) {
      // An interceptor beneath may have dispatched the attempt before it threw.
      if (this.#live) (this.#current as DispatchController | null)?.abort(error as Error)
      if (this.#live && !this.#endTry()) this.#failTry(nonNullError(error))
    }
  }

  #request(): DispatchOptions {
    const { retryOptions: _, ...request } = this.#context.opts
    if (this.#headGiven && this.#resumption !== null) {
      request.headers = this.#resumption.withRange(request.headers) as RequestHeaders
    }
    return request
  }

  #failTry(error: Error): void {
    this.#controller.attemptFailed(error)
    if (this.#headGiven && this.#resumption?.canResume !== true) this.#fail(error)
    else this.#decide(error)
  }

  /** A final response is not the one to hand out. */
  #refuse(controller: DispatchController, head: ResponseStart, problem: string): void {
    const error = this.#error(problem, head)
    if (this.#headGiven || this.#settings.throwOnError) this.#drain = new BodyDiscarder(controller, error)
    else this.#held = { head, controller, chunks: [], end: null }
    this.#failTry(error)
  }

  /** The range that was promised is exceeded: not one byte of the piece that does can be trusted. */
  #surplus(controller: DispatchController): void {
    const error = this.#error('The rest of the body is longer than its range', { statusCode: 206, headers: {} })
    this.#drain = new BodyDiscarder(controller, error)
    this.#failTry(error)
    this.#drain?.abort()
  }

  #error(message: string, { statusCode, headers }: Pick<ResponseStart, 'statusCode' | 'headers'>): RequestRetryError {
    const error = new RequestRetryError(message, statusCode, { headers, data: { count: this.#context.state.counter } })
    return locateRequest(error, this.#context.opts, { phase: 'body' })
  }

  // Decisions

  #decide(error: Error): void {
    const { state, opts } = this.#context
    const settings = this.#settings
    state.counter++
    const repeatable = isReplayable(opts.body)
    if (repeatable && settings.retry !== undefined) return this.#ask(settings.retry, error)
    const delay = retryDelay(error, state.counter, { method: opts.method, settings })
    if (delay === null) return this.#giveUp(error)
    if (!repeatable) return this.#giveUp(notReplayableError(error, opts))
    if (now() + delay >= deadlineOf(opts) || this.#budget?.takeRetry() === false) return this.#giveUp(error)
    this.#letGo()
    this.#wait(delay)
  }

  #ask(retry: options.RetryCallback, error: Error): void {
    let open = true
    let asking = true
    const answer = (result?: unknown) => {
      if (!open || this.#over) return
      open = false
      if (result !== undefined && result !== null) return this.#giveUp(result as Error)
      this.#letGo()
      // Answers within the call would follow one another without end where each try fails at once.
      if (asking) this.#wait(0)
      else this.#again()
    }
    this.#held?.controller.pause()
    this.#wait()
    try {
      const promise: unknown = this.#sender.runInAsyncScope(() => retry(error, this.#context, answer))
      if (isThenable(promise)) promise.then(undefined, (thrown) => answer(nonNullError(thrown)))
    } catch (thrown) {
      answer(nonNullError(thrown))
    }
    asking = false
  }

  /** Without a `delay`: for an answer. */
  #wait(delay?: number): void {
    this.#stopWaiting?.()
    const release = delay === undefined ? () => {} : startTimer(() => this.#again(), delay)
    const fail = (error: Error) => {
      this.#fail(error)
      if (this.#live) this.#current?.abort(error)
    }
    this.#stopWaiting = startWait(this.#context.opts, WaitingHandler.coreOf(this), { fail: fail, release })
  }

  #again(): void {
    this.#stopWaiting?.()
    this.#due = true
    if (!this.#live) this.#send()
  }

  /** A response that was held is not wanted. */
  #letGo(): void {
    const held = this.#held
    this.#held = null
    if (held === null || !this.#live) return
    this.#drain = new BodyDiscarder(held.controller, this.#error('Tried again', held.head))
    held.controller.resume()
  }

  #giveUp(error: Error): void {
    const held = this.#held
    this.#stopWaiting?.()
    if (held === null) return this.#fail(error)
    this.#held = null
    this.#give(held.controller, held.head)
    for (const chunk of held.chunks) if (!this.#over) this.#tellData(chunk)
    if (this.#over) return
    if (held.end !== null) this.#finish(held.end)
    else if (!this.#controller.paused) held.controller.resume()
  }

  // What the handler hears

  #give(controller: DispatchController, head: ResponseStart): void {
    this.#headGiven = true
    this.#resumption = BodyResumption.of(this.#context.opts.method, head)
    this.#controller.setSource(controller)
    this.#tellHead(head)
  }

  #goOn(controller: DispatchController): void {
    this.#resumed = true
    this.#controller.setSource(controller)
  }

  #tellHead({ statusCode, headers, statusMessage, rawHeaders }: ResponseStart): void {
    this.#controller.rawHeaders = rawHeaders
    this.#tell(() => this.#handler.onResponseStart?.(this.#controller, statusCode, headers, statusMessage))
  }

  #tellData(chunk: Buffer): void {
    this.#tell(() => this.#handler.onResponseData?.(this.#controller, chunk))
  }

  /** What a handler throws ends its request, and is no reason for another try. */
  #tell(call: () => void): void {
    try {
      call()
    } catch (error) {
      if (this.#over) reportUncaught(error)
      else this.#controller.abort(error as Error)
    }
  }

  #finish({ trailers, rawTrailers }: { trailers: IncomingHeaders; rawTrailers: string[] | null }): void {
    this.#over = true
    this.#controller.rawTrailers = rawTrailers
    this.#controller.end()
    try {
      this.#handler.onResponseEnd?.(this.#controller, trailers)
    } catch (error) {
      this.#tellError(nonNullError(error))
    }
  }

  #abort(reason: Error | undefined): void {
    if (this.#over) return
    if (this.#live && this.#current !== null) this.#current.abort(reason)
    else this.#fail(abortErrorOf(reason, this.#context.opts))
  }

  #fail(error: Error): void {
    if (this.#over) return
    this.#over = true
    this.#due = false
    this.#held = null
    this.#stopWaiting?.()
    this.#controller.end(error)
    this.#tellError(error)
  }

  /** A timer or a callback of the user may have called: what the handler throws has no caller. */
  #tellError(error: Error): void {
    callUserCode(() => this.#handler.onResponseError?.(this.#controller, error))
  }
}

/** Types by undici's names. */
export declare namespace RetryHandler {
  export type RetryState = options.RetryState
  export type RetryContext = options.RetryContext
  export type OnRetryCallback = options.OnRetryCallback
  export type RetryCallback = options.RetryCallback
  export type RetryOptions = options.RetryOptions
  export type { RetryHandlers }
}
