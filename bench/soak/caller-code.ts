import type { DispatchController, Dispatcher, DispatchHandler, LegacyDispatchHandler } from '../../lib/index.js'
import { COLLATERAL, type Operation, options, type Scene, same } from './operations.js'

/** What code of callers throws; it comes back as the error of the request. */
export const THROWN = 'SOAK_THROWN'

const thrown = () => Object.assign(new Error('thrown by code of a caller'), { code: THROWN })

/** Runs `act` after some microtasks, ticks, event-loop turns or ms. */
export function soon(scene: Scene, act: () => void): void {
  const steps = [
    (next: () => void) => queueMicrotask(next),
    (next: () => void) => process.nextTick(next),
    (next: () => void) => void setImmediate(next),
    (next: () => void) => void setTimeout(next, scene.random() * 5),
  ]
  const step = steps[Math.floor(scene.random() * steps.length)] as (next: () => void) => void
  let left = Math.floor(scene.random() * 6)
  const next = () => (left-- > 0 ? step(next) : act())
  next()
}

/** A signal that is aborted soon, wherever its request may be by then. */
function soonAborted(scene: Scene): AbortSignal {
  const controller = new AbortController()
  soon(scene, () => controller.abort())
  return controller.signal
}

// Node's own fetch

async function fetched(scene: Scene, path: string, init: RequestInit = {}): Promise<Response> {
  const { dispatcher, base } = scene
  try {
    return await fetch(base + path, { ...init, dispatcher } as RequestInit)
  } catch (error) {
    throw causeOf(error)
  }
}

/** `fetch` hides why it failed. */
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

async function fetchNumber(scene: Scene): Promise<void> {
  const number = Math.floor(scene.random() * 1e9)
  same(await bytesOf(await fetched(scene, `/id/${number}`)), String(number), 'fetch')
}

async function fetchUpload(scene: Scene): Promise<void> {
  const pieces = Array.from({ length: 3 }, (_, index) => Buffer.alloc(scene.random() * 9000, `${index}`))
  const whole = Buffer.concat(pieces)
  const body = scene.random() < 0.5 ? whole : ReadableStream.from(pieces)
  const response = await fetched(scene, '/echo', { method: 'POST', body: body as never, duplex: 'half' } as RequestInit)
  same(await bytesOf(response), whole, 'fetch upload')
}

async function fetchLeave(scene: Scene): Promise<void> {
  const response = await fetched(scene, '/bytes/200000')
  if (scene.random() < 0.5) for await (const _piece of response.body as ReadableStream) break
  else await response.body?.cancel()
}

async function fetchAbort(scene: Scene): Promise<void> {
  const signal = soonAborted(scene)
  try {
    await bytesOf(await fetched(scene, scene.random() < 0.5 ? '/bytes/500000' : '/slow/3', { signal }))
  } catch (error) {
    if (!signal.aborted || (error !== signal.reason && (error as Error).name !== 'AbortError')) throw error
  }
}

const FAULTS = ['reset', 'cut', 'garbage', 'reset-body', 'cut-body', 'bad-chunk', 'long-head', 'late-garbage']

/** The server breaks the connection. */
async function fetchFault(scene: Scene): Promise<void> {
  await bytesOf(await fetched(scene, `/${FAULTS[Math.floor(scene.random() * FAULTS.length)]}`))
}

// Handlers, of both generations

/** What a handler does in one of its callbacks. */
type Deed = (abort: () => void) => void

const PLACES = ['start', 'headers', 'data', 'end'] as const

/** Does `deed` in a callback that is chosen at random. */
function once(scene: Scene, deed: Deed): (place: string, abort: () => void) => void {
  const chosen = PLACES[Math.floor(scene.random() * PLACES.length)]
  let done = false
  return (place, abort) => {
    if (place !== chosen || done) return
    done = true
    deed(abort)
  }
}

interface Exchange {
  path: string
  deed?: Deed
  dispatcher?: Dispatcher
}

/** Resolves with the body. Pauses now and then, by whichever way the handler has. */
function dispatched(scene: Scene, { path, deed = () => {}, dispatcher = scene.dispatcher }: Exchange): Promise<Buffer> {
  const pieces: Buffer[] = []
  const act = once(scene, deed)
  const pauses = () => scene.random() < 0.2
  return new Promise((resolve, reject) => {
    const done = () => resolve(Buffer.concat(pieces))
    const handler =
      scene.random() < 0.5
        ? modern({ act, pauses, pieces, done, reject })
        : legacy({ act, pauses, pieces, done, reject })
    dispatcher.dispatch(options(scene, path), handler as DispatchHandler)
  })
}

interface Parts {
  act(place: string, abort: () => void): void
  pauses(): boolean
  pieces: Buffer[]
  done(): void
  reject(error: unknown): void
}

function modern({ act, pauses, pieces, done, reject }: Parts): DispatchHandler {
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
    onResponseData(controller, piece) {
      pieces.push(piece)
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

function legacy({ act, pauses, pieces, done, reject }: Parts): LegacyDispatchHandler {
  let abort = () => {}
  let resume = () => {}
  const goesOn = () => {
    if (!pauses()) return true
    setImmediate(resume)
    return false
  }
  return {
    onConnect(given) {
      abort = () => given()
      act('start', abort)
    },
    onHeaders(status, _headers, resuming) {
      resume = resuming
      if (status < 200) return true
      act('headers', abort)
      return goesOn()
    },
    onData(piece) {
      pieces.push(piece)
      act('data', abort)
      return goesOn()
    },
    onComplete() {
      act('end', abort)
      done()
    },
    onError: reject,
  }
}

async function handlers(scene: Scene): Promise<void> {
  const number = Math.floor(scene.random() * 1e9)
  same(await dispatched(scene, { path: `/id/${number}` }), String(number), 'handlers')
}

async function abortingHandlers(scene: Scene): Promise<void> {
  await dispatched(scene, { path: '/bytes/100000', deed: (abort) => abort() })
}

async function throwingHandlers(scene: Scene): Promise<void> {
  const path = scene.random() < 0.5 ? '/bytes/100000' : '/interim/1'
  await dispatched(scene, {
    path,
    deed() {
      throw thrown()
    },
  })
}

// Dispatchers that are closed or destroyed by code of callers

const OVER = ['UND_ERR_CLOSED', 'UND_ERR_DESTROYED', 'SOAK_END']

/** A callback, or a listener, closes or destroys the dispatcher under requests. */
async function endingWithin(scene: Scene): Promise<void> {
  const dispatcher = scene.open()
  const endings: Promise<unknown>[] = []
  const end = () => {
    // One that was destroyed can not be closed.
    if (scene.random() < 0.4) endings.push(dispatcher.close().catch(() => {}))
    else endings.push(dispatcher.destroy(Object.assign(new Error('the end'), { code: 'SOAK_END' })))
  }
  const chance = scene.random()
  if (chance < 0.1) dispatcher.once('connect', end)
  else if (chance < 0.2) dispatcher.once('disconnect', end)
  const paths = ['/id/1', '/bytes/100000', '/chunks/5']
  const outcomes = await Promise.allSettled(paths.map((path) => dispatched(scene, { path, deed: end, dispatcher })))
  await Promise.all(endings)
  await dispatcher.destroy()
  scene.tally.checkStats(dispatcher, scene.name)
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected' && !OVER.includes(outcome.reason?.code)) throw outcome.reason
  }
}

/** Listeners throw: it costs nobody but them. */
async function throwingListeners(scene: Scene): Promise<void> {
  const dispatcher = scene.open()
  const listener = () => {
    throw scene.tally.toBeUncaught()
  }
  dispatcher.on('connect', listener).on('disconnect', listener).on('drain', listener)
  const numbers = [1, 2, 3].map(() => Math.floor(scene.random() * 1e9))
  const outcomes = await Promise.allSettled(
    numbers.map(async (number) =>
      same(await dispatched(scene, { path: `/id/${number}`, dispatcher }), `${number}`, 'id'),
    ),
  )
  await dispatcher.close()
  scene.tally.checkStats(dispatcher, scene.name)
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}

const operation = (name: string, run: Operation['run'], codes: readonly string[] = []): Operation => ({
  name,
  codes,
  run,
})

/** What callers of every kind do. */
export const callers: readonly Operation[] = [
  operation('fetch', fetchNumber),
  operation('fetch upload', fetchUpload),
  operation('fetch leave', fetchLeave),
  operation('fetch abort', fetchAbort),
  operation('handlers', handlers),
  operation('aborting handlers', abortingHandlers, ['UND_ERR_ABORTED']),
  operation('throwing handlers', throwingHandlers, [THROWN]),
  operation('ending within', endingWithin),
  operation('throwing listeners', throwingListeners),
]

/** What they do at servers that break connections. */
export const unlucky: readonly Operation[] = [operation('fetch fault', fetchFault, COLLATERAL)]

/** The operations by `fetch`, which other Nodes are driven with. */
export function byFetch(operations: readonly Operation[]): Operation[] {
  return operations.filter(({ name }) => name.startsWith('fetch'))
}
