import type { DispatchController, Dispatcher, DispatchHandler, LegacyDispatchHandler } from '../../lib/index.js'
import { COLLATERAL, type Operation, type OperationContext, options, same } from './operations.js'

/** Code of errors that callers' code throws. The request must fail with the same error. */
export const THROWN = 'SOAK_THROWN'

const thrown = () => Object.assign(new Error('thrown by code of a caller'), { code: THROWN })

/** Runs `act` after up to five microtasks, ticks, event-loop turns or timers. */
export function soon(context: OperationContext, act: () => void): void {
  const steps = [
    (next: () => void) => queueMicrotask(next),
    (next: () => void) => process.nextTick(next),
    (next: () => void) => void setImmediate(next),
    (next: () => void) => void setTimeout(next, context.random() * 5),
  ]
  const step = steps[Math.floor(context.random() * steps.length)] as (next: () => void) => void
  let left = Math.floor(context.random() * 6)
  const next = () => (left-- > 0 ? step(next) : act())
  next()
}

/** Returns a signal that is aborted soon, at any stage of its request. */
function soonAborted(context: OperationContext): AbortSignal {
  const controller = new AbortController()
  soon(context, () => controller.abort())
  return controller.signal
}

// Operations of Node's own fetch

async function fetched(context: OperationContext, path: string, init: RequestInit = {}): Promise<Response> {
  const { dispatcher, base } = context
  try {
    return await fetch(base + path, { ...init, dispatcher } as RequestInit)
  } catch (error) {
    throw causeOf(error)
  }
}

/** Returns the cause of a `TypeError` that `fetch` threw. */
function causeOf(error: unknown): unknown {
  return (error as Error).cause ?? error
}

async function bytesOf(response: Response): Promise<Buffer> {
  try {
    return Buffer.from(await response.arrayBuffer())
  } catch (error) {
    throw causeOf(error)
  }
}

async function fetchNumber(context: OperationContext): Promise<void> {
  const number = Math.floor(context.random() * 1e9)
  same(await bytesOf(await fetched(context, `/id/${number}`)), String(number), 'fetch')
}

async function fetchUpload(context: OperationContext): Promise<void> {
  const chunks = Array.from({ length: 3 }, (_, index) => Buffer.alloc(context.random() * 9000, `${index}`))
  const whole = Buffer.concat(chunks)
  const body = context.random() < 0.5 ? whole : ReadableStream.from(chunks)
  const response = await fetched(context, '/echo', {
    method: 'POST',
    body: body as never,
    duplex: 'half',
  } as RequestInit)
  same(await bytesOf(response), whole, 'fetch upload')
}

async function fetchUnreadBody(context: OperationContext): Promise<void> {
  const response = await fetched(context, '/bytes/200000')
  if (context.random() < 0.5) for await (const _piece of response.body as ReadableStream) break
  else await response.body?.cancel()
}

async function fetchAbort(context: OperationContext): Promise<void> {
  const signal = soonAborted(context)
  try {
    await bytesOf(await fetched(context, context.random() < 0.5 ? '/bytes/500000' : '/slow/3', { signal }))
  } catch (error) {
    if (!signal.aborted || (error !== signal.reason && (error as Error).name !== 'AbortError')) throw error
  }
}

const FAULTS = ['reset', 'cut', 'garbage', 'reset-body', 'cut-body', 'bad-chunk', 'long-head', 'late-garbage']

/** Fetches a response during which the server breaks the connection. */
async function fetchFault(context: OperationContext): Promise<void> {
  await bytesOf(await fetched(context, `/${FAULTS[Math.floor(context.random() * FAULTS.length)]}`))
}

// Operations of handlers: current and legacy

/** An action of a handler in one of its callbacks. */
type Action = (abort: () => void) => void

const CALLBACKS = ['start', 'headers', 'data', 'end'] as const

/** Runs `action` once, in a callback that is selected at random. */
function once(context: OperationContext, action: Action): (callback: string, abort: () => void) => void {
  const selected = CALLBACKS[Math.floor(context.random() * CALLBACKS.length)]
  let done = false
  return (callback, abort) => {
    if (callback !== selected || done) return
    done = true
    action(abort)
  }
}

interface HandlerRequest {
  path: string
  action?: Action
  dispatcher?: Dispatcher
}

/** Dispatches a request and resolves with the body. The handler pauses at random. */
function dispatchAndRead(
  context: OperationContext,
  { path, action = () => {}, dispatcher = context.dispatcher }: HandlerRequest,
): Promise<Buffer> {
  const chunks: Buffer[] = []
  const act = once(context, action)
  const pauses = () => context.random() < 0.2
  return new Promise((resolve, reject) => {
    const done = () => resolve(Buffer.concat(chunks))
    const handler =
      context.random() < 0.5
        ? modern({ act, pauses, chunks, done, reject })
        : legacy({ act, pauses, chunks, done, reject })
    dispatcher.dispatch(options(context, path), handler as DispatchHandler)
  })
}

interface HandlerParts {
  act(callback: string, abort: () => void): void
  pauses(): boolean
  chunks: Buffer[]
  done(): void
  reject(error: unknown): void
}

function modern({ act, pauses, chunks, done, reject }: HandlerParts): DispatchHandler {
  const pause = (controller: DispatchController) => {
    if (!pauses()) return
    controller.pause()
    setImmediate(() => controller.resume())
  }
  return {
    onRequestStart: (controller) => act('start', () => controller.abort()),
    onResponseStart(controller, status) {
      if (status < 200) return
      act('headers', () => controller.abort())
      pause(controller)
    },
    onResponseData(controller, chunk) {
      chunks.push(chunk)
      act('data', () => controller.abort())
      pause(controller)
    },
    onResponseEnd(controller) {
      act('end', () => controller.abort())
      done()
    },
    onResponseError: (_controller, error) => reject(error),
  }
}

function legacy({ act, pauses, chunks, done, reject }: HandlerParts): LegacyDispatchHandler {
  let abort = () => {}
  let resume = () => {}
  const pauseAtRandom = () => {
    if (!pauses()) return true
    setImmediate(resume)
    return false
  }
  return {
    onConnect(abortRequest) {
      abort = () => abortRequest()
      act('start', abort)
    },
    onHeaders(status, _headers, resuming) {
      resume = resuming
      if (status < 200) return true
      act('headers', abort)
      return pauseAtRandom()
    },
    onData(chunk) {
      chunks.push(chunk)
      act('data', abort)
      return pauseAtRandom()
    },
    onComplete() {
      act('end', abort)
      done()
    },
    onError: reject,
  }
}

async function handlers(context: OperationContext): Promise<void> {
  const number = Math.floor(context.random() * 1e9)
  same(await dispatchAndRead(context, { path: `/id/${number}` }), String(number), 'handlers')
}

async function abortingHandlers(context: OperationContext): Promise<void> {
  await dispatchAndRead(context, { path: '/bytes/100000', action: (abort) => abort() })
}

async function throwingHandlers(context: OperationContext): Promise<void> {
  const path = context.random() < 0.5 ? '/bytes/100000' : '/interim/1'
  await dispatchAndRead(context, {
    path,
    action() {
      throw thrown()
    },
  })
}

// Operations that close or destroy a dispatcher

const CLOSED_CODES = ['UND_ERR_CLOSED', 'UND_ERR_DESTROYED', 'SOAK_END']

/** Closes or destroys the dispatcher in a callback or listener, while requests are in flight. */
async function closeWithinCallback(context: OperationContext): Promise<void> {
  const dispatcher = context.open()
  const endings: Promise<unknown>[] = []
  const end = () => {
    // close() rejects after destroy().
    if (context.random() < 0.4) endings.push(dispatcher.close().catch(() => {}))
    else endings.push(dispatcher.destroy(Object.assign(new Error('the end'), { code: 'SOAK_END' })))
  }
  const chance = context.random()
  if (chance < 0.1) dispatcher.once('connect', end)
  else if (chance < 0.2) dispatcher.once('disconnect', end)
  const paths = ['/id/1', '/bytes/100000', '/chunks/5']
  const outcomes = await Promise.allSettled(
    paths.map((path) => dispatchAndRead(context, { path, action: end, dispatcher })),
  )
  await Promise.all(endings)
  await dispatcher.destroy()
  context.results.checkStats(dispatcher, context.name)
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected' && !CLOSED_CODES.includes(outcome.reason?.code)) throw outcome.reason
  }
}

/** Adds listeners that throw. Requests must succeed nevertheless. */
async function throwingListeners(context: OperationContext): Promise<void> {
  const dispatcher = context.open()
  const listener = () => {
    throw context.results.toBeUncaught()
  }
  dispatcher.on('connect', listener).on('disconnect', listener).on('drain', listener)
  const numbers = [1, 2, 3].map(() => Math.floor(context.random() * 1e9))
  const outcomes = await Promise.allSettled(
    numbers.map(async (number) =>
      same(await dispatchAndRead(context, { path: `/id/${number}`, dispatcher }), `${number}`, 'id'),
    ),
  )
  await dispatcher.close()
  context.results.checkStats(dispatcher, context.name)
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}

const operation = (name: string, run: Operation['run'], codes: readonly string[] = []): Operation => ({
  name,
  codes,
  run,
})

/** Operations for servers that behave. */
export const callers: readonly Operation[] = [
  operation('fetch', fetchNumber),
  operation('fetch upload', fetchUpload),
  operation('fetch unread body', fetchUnreadBody),
  operation('fetch abort', fetchAbort),
  operation('handlers', handlers),
  operation('aborting handlers', abortingHandlers, ['UND_ERR_ABORTED']),
  operation('throwing handlers', throwingHandlers, [THROWN]),
  operation('close within callback', closeWithinCallback),
  operation('throwing listeners', throwingListeners),
]

/** Operations for servers that break connections. */
export const faultyServerOperations: readonly Operation[] = [operation('fetch fault', fetchFault, COLLATERAL)]

/** Selects the operations of `fetch`. */
export function fetchOperations(operations: readonly Operation[]): Operation[] {
  return operations.filter(({ name }) => name.startsWith('fetch'))
}
