/** Types that sluice accepts and returns beyond undici. Compiled, never run. */
import { promises } from 'node:dns'
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { expectTypeOf } from 'expect-type'
import {
  Agent,
  type AgentOptions,
  BalancedPool,
  type BalancedPoolOptions,
  Client,
  type ClientOptions,
  DecoratorHandler,
  type Discovery,
  type DispatchController,
  type Dispatcher,
  type DispatchHandler,
  discover,
  dnsUpstreams,
  errors,
  HealthCheck,
  type IncomingHttpHeaders,
  interceptors,
  type LatencyHistogram,
  LatencyRecorder,
  type LegacyDispatchHandler,
  leastRequests,
  OutlierDetection,
  Pool,
  request,
} from 'sluice'

/** Null and nothing stand for the default. */
const options: ClientOptions = { headersTimeout: null, connect: null, socketPath: null, allowH2: null }
const client = new Client('http://localhost', options)
export const agent = new Agent({ factory: null, connections: null } satisfies AgentOptions)
export const balanced = new BalancedPool([], { maxWeightPerServer: 10, errorPenalty: 1, factory: null })
export const weighted = new BalancedPool(['http://a', { origin: new URL('http://b'), weight: 2 }], {
  strategy: leastRequests({ random: Math.random }),
}).addUpstream('http://c', { weight: 0.5 })
export const ewma: BalancedPoolOptions = {
  strategy: 'peak-ewma',
  outlierDetection: new OutlierDetection({ maxEjectionPercent: 10 }),
  healthCheck: new HealthCheck({ path: '/health' }),
  slowStart: 1000,
}
const queued: Pool.Options = { connections: 2, maxQueued: 10, timeouts: { queue: 1000 }, headersTimeout: null }
export const pool = new Pool('http://localhost', queued)
export const optioned: [Client.Options, Agent.Options, BalancedPool.Options] = [
  { maxQueued: 1, timings: true },
  { maxTotalConnections: 10 },
  { strategy: 'peak-ewma', slowStart: 1000 },
]
const resolver = new promises.Resolver()
export const found: Discovery = discover(balanced, dnsUpstreams('http://a', { resolver, minTTL: 1, family: 4 }), String)
export const addressed = new BalancedPool({ origin: 'http://10.0.0.1', authority: 'a', weight: 2 })
const recorder = new LatencyRecorder()
const queueWait: LatencyHistogram = recorder.queue
export const p99: number[] = [queueWait.percentile(99), recorder.toJSON().firstByte.p99]
export const recorded = balanced.compose(interceptors.latency(recorder))
export const words: (string | undefined)[] = [client.inspect(), balanced.inspect(), recorded.inspect?.()]
export const hedged = balanced.compose(
  interceptors.hedge({ percentile: 95, delay: 50, maxHedges: 2, budget: { ratio: 0.1 } }),
)
const pace: interceptors.HedgeOptions = { delay: 1, percentile: undefined, budget: null }
export const plain = balanced.compose(interceptors.hedge(pace))
export const budgeted = balanced.compose(interceptors.retry({ retryBudget: { ratio: 0.1 } }))

async function* pieces(): AsyncGenerator<string> {
  yield 'a'
}

export async function bodies(): Promise<void> {
  for (const body of [
    new Blob(['a']),
    pieces(),
    ['a', 'b'],
    new URLSearchParams(),
    new FormData(),
    new ArrayBuffer(1),
  ]) {
    await client.request({ path: '/', method: 'POST', body })
    await request('http://localhost', { method: 'POST', body })
  }
  await client.request({ path: '/', method: 'POST', body: Readable.from(['a']), headers: ['a', 'b'] as const })
  await client.request({ path: '/', method: 'GET', headers: { a: null, b: true, c: undefined, d: ['x'] }, query: null })
  await client.request({ path: '/', method: 'GET', idempotent: undefined, signal: undefined, body: undefined })
}

export async function results(): Promise<void> {
  const { body, opaque, headers } = await client.request({ path: '/', method: 'GET' })
  const web: ReadableStream = body.body
  expectTypeOf(await body.json()).toBeUnknown()
  expectTypeOf(opaque).toBeNull()
  expectTypeOf(headers).toEqualTypeOf<IncomingHttpHeaders>()
  const form: FormData = await body.formData()
  const { statusCode } = await client.upgrade({ path: '/', opaque: 'x', origin: 'http://localhost' })
  expectTypeOf(statusCode).toEqualTypeOf<number | undefined>()
  console.log(web.locked, form.get('a'))
}

/** Both generations of handlers, and the callback that comes before all others. */
const early: DispatchHandler = { onRequestQueued: (controller) => controller.abort(), onResponseError() {} }
const legacy: LegacyDispatchHandler = { onConnect: (abort) => abort(), onError: (error) => error.message }
export const sent: boolean[] = [
  client.dispatch({ path: '/', method: 'GET' }, early),
  client.dispatch({ path: '/', method: 'GET' }, legacy),
]
export const both: Dispatcher.DispatchHandlers = { ...legacy, ...early }

/** The documented names have the options that only sluice has. */
const limited: Dispatcher.RequestOptions<string> = {
  path: '/',
  method: 'POST',
  body: pieces(),
  timeouts: { total: 1000 },
  retryOptions: { maxRetries: 1 },
  timings: true,
  opaque: 'x',
  signal: undefined,
}
export const limitedResult = async (): Promise<[string, number | null | undefined]> => {
  const { opaque, timings } = await client.request(limited)
  return [opaque, timings?.firstByte]
}
const piped: Dispatcher.PipelineOptions = { path: '/', method: 'PUT', timeouts: { total: 1000 } }
export const duplex = client.pipeline(piped, ({ body }) => body)
export const intercepted = client.compose((dispatch) => (options, handler) => {
  options.timeouts = { ...options.timeouts, total: 1000 }
  return dispatch(options, handler)
})
export async function wrapped<T>(options: Dispatcher.RequestOptions<T>): Promise<T> {
  const { body, opaque } = await client.request(options)
  await body.dump()
  return opaque
}

/** The controller has one type by either name. */
export class Decorated extends DecoratorHandler {
  override onRequestStart(controller: DispatchController, context: unknown): void {
    super.onRequestStart(controller, context)
  }
  override onResponseEnd(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    console.log(controller.timings?.firstByte, controller.timeouts?.total, controller.rawHeaders)
    super.onResponseEnd(controller, trailers)
  }
}

/** Events. */
new Pool('http://localhost')
  .on('error', (error) => String(error))
  .once('drain', (origin, targets = []) => [origin, targets])
// @ts-expect-error: only dispatchers of sluice have it, and it is optional
export const listening = (dispatcher: Dispatcher) => dispatcher.on('error', () => {})

/** Errors with the context of the request. */
export function place(error: unknown): string {
  if (!(error instanceof errors.UndiciError)) return ''
  expectTypeOf(error.fault).toEqualTypeOf<errors.Fault | undefined>()
  expectTypeOf(error.phase).toEqualTypeOf<errors.Phase | undefined>()
  return `${error.origin} ${error.method} ${error.path} ${error.reusedSocket} ${error.bytesWritten} ${error.replaySafe}`
}

/** Invalid calls are rejected, although some overloads exist only for assignability. */
// @ts-expect-error: a request has a path
client.request({ method: 'GET' })
// @ts-expect-error: and options
client.request()
// @ts-expect-error: a signal must be an AbortSignal or an emitter
client.request({ path: '/', method: 'GET', signal: new AbortController() })
// @ts-expect-error: a pipeline has a handler
client.pipeline({ path: '/', method: 'GET' })
