import { Readable } from 'node:stream'
import {
  Agent,
  BalancedPool,
  Client,
  type Dispatcher,
  type DispatchInterceptor,
  interceptors,
  LatencyRecorder,
  Pool,
  RoundRobinPool,
} from '../../../lib/index.js'
import type { Conduct } from './witness.js'

const address = { address: '127.0.0.1', family: 4 as const, ttl: 60_000 }

/** Interceptors, created for each chain, with options that do not change the cases. */
export const makers: Record<string, () => DispatchInterceptor> = {
  decompress: () => interceptors.decompress(),
  dns: () => interceptors.dns({ lookup: (_origin, _options, callback) => callback(null, [address]) }),
  dump: () => interceptors.dump(),
  hedge: () => interceptors.hedge({ delay: 60_000 }),
  latency: () => interceptors.latency(new LatencyRecorder()),
  redirect: () => interceptors.redirect({ maxRedirections: 3 }),
  responseError: () => interceptors.responseError(),
  retry: () => interceptors.retry({ maxRetries: 1, minTimeout: 1 }),
}

export const dispatchers: Record<string, (origin: string) => Dispatcher> = {
  Client: (origin) => new Client(origin),
  Pool: (origin) => new Pool(origin, { connections: 2 }),
  RoundRobinPool: (origin) => new RoundRobinPool(origin, { connections: 2 }),
  BalancedPool: (origin) => new BalancedPool([origin]),
  Agent: () => new Agent(),
}

const pairs: [string, string][] = [
  ['X-First', '1'],
  ['x-second', 'two'],
]

/** Headers of a request in each form. */
export const forms: Record<string, () => unknown> = {
  object: () => Object.fromEntries(pairs),
  'object with arrays': () => ({ 'x-many': ['1', '2'], 'x-one': '1' }),
  array: () => pairs.flat(),
  iterator: () => pairs.values(),
  map: () => new Map(pairs),
  none: () => undefined,
}

/** Request of a case, and actions of its handler. */
export interface Situation {
  readonly path: string
  readonly options?: () => Record<string, unknown>
  readonly conduct?: Conduct
}

const post = (body: () => unknown) => () => ({ method: 'POST', body: body() })

/** Object that throws on every access. */
function unreadable(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

export const situations: Record<string, Situation> = {
  'a length': { path: 'length' },
  'a chunked body of nothing': { path: 'empty' },
  'no content': { path: 'nothing' },
  HEAD: { path: 'head', options: () => ({ method: 'HEAD' }) },
  trailers: { path: 'trailers' },
  '1xx': { path: 'info' },
  'a coding': { path: 'gzip' },
  'an error status': { path: 'missing' },
  'a long body': { path: 'long' },
  'a pause': { path: 'long', conduct: { pauses: true } },
  'a pause from the start': { path: 'long', conduct: { pausesFirst: 'for a while' } },
  'a pause until the head': { path: 'trailers', conduct: { pausesFirst: 'until the head' } },
  'a pause until the head of an error status': { path: 'missing', conduct: { pausesFirst: 'until the head' } },
  'a pause until the head behind a redirect': { path: 'moved', conduct: { pausesFirst: 'until the head' } },
  'a pause until the head of a second attempt': { path: 'busy', conduct: { pausesFirst: 'until the head' } },
  'a pause of a decoded body': { path: 'gzip', conduct: { pauses: true } },
  'an abort at the start': { path: 'length', conduct: { abortsIn: 'start' } },
  'an abort behind the start': { path: 'silent', conduct: { abortsAfter: 'start' } },
  'an abort in the head': { path: 'unfinished', conduct: { abortsIn: 'head' } },
  'an abort behind the head': { path: 'unfinished', conduct: { abortsAfter: 'head' } },
  'an abort in the data': { path: 'unfinished', conduct: { abortsIn: 'data' } },
  'an abort in a pause': { path: 'long', conduct: { pauses: true, abortsAfter: 'head' } },
  'an abort in the data of a decoded body': { path: 'gzip', conduct: { abortsIn: 'data' } },
  'an abort at the end': { path: 'length', conduct: { abortsIn: 'end' } },
  'a throw at the start': { path: 'length', conduct: { throwsIn: 'start' } },
  'a throw in the head': { path: 'length', conduct: { throwsIn: 'head' } },
  'a throw in the data': { path: 'long', conduct: { throwsIn: 'data' } },
  'a throw at the end': { path: 'length', conduct: { throwsIn: 'end' } },
  'a text thrown at the start': { path: 'length', conduct: { throwsIn: 'start', reason: () => 'text' } },
  'an object thrown in the head': { path: 'length', conduct: { throwsIn: 'head', reason: unreadable } },
  'undefined thrown in the data': { path: 'long', conduct: { throwsIn: 'data', reason: () => undefined } },
  'a text thrown in the data of a decoded body': { path: 'gzip', conduct: { throwsIn: 'data', reason: () => 'text' } },
  'null thrown at the end': { path: 'length', conduct: { throwsIn: 'end', reason: () => null } },
  'an abort without a reason at the start': { path: 'length', conduct: { abortsIn: 'start', reason: () => undefined } },
  'an abort without a reason behind the head': {
    path: 'unfinished',
    conduct: { abortsAfter: 'head', reason: () => undefined },
  },
  'an abort for a text in the data': { path: 'unfinished', conduct: { abortsIn: 'data', reason: () => 'text' } },
  upgrade: { path: 'upgrade', options: () => ({ upgrade: 'echo' }) },
  'a refused upgrade': { path: 'length', options: () => ({ upgrade: 'echo' }) },
  'a body of text': { path: 'length', options: post(() => 'text') },
  'a body of bytes': { path: 'length', options: post(() => Buffer.from('bytes')) },
  'a stream': { path: 'length', options: post(() => Readable.from([Buffer.from('one'), Buffer.from('two')])) },
  'an iterable': { path: 'length', options: post(() => [Buffer.from('one'), Buffer.from('two')]) },
  'a body that fails': {
    path: 'length',
    options: post(() =>
      (function* () {
        yield Buffer.from('one')
        throw new Error('failed body')
      })(),
    ),
  },
  'a broken body': { path: 'broken', options: post(() => 'text') },
  'no response': { path: 'reset', options: post(() => 'text') },
  'expected to continue': { path: 'length', options: () => ({ ...post(() => 'text')(), expectContinue: true }) },
  'a query': { path: 'length', options: () => ({ query: { a: [1, 2] }, reset: true }) },
  moved: { path: 'moved' },
  'busy once': { path: 'busy' },
  'a refused header': { path: 'length', options: () => ({ headers: { 'bad name': '1' } }) },
  'a refused option': { path: 'length', options: () => ({ headersTimeout: -1 }) },
}
