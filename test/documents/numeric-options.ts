/**
 * Sets every numeric option to every kind of value and reports the outcome. As a program, does so with the library whose
 * URL is its argument and prints the outcomes.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pathToFileURL } from 'node:url'

export const values = {
  "'10'": '10',
  "' 10 '": ' 10 ',
  "'1e1'": '1e1',
  "'1.5'": '1.5',
  "'Infinity'": 'Infinity',
  "''": '',
  "'abc'": 'abc',
  "'-1'": '-1',
  '10': 10,
  '1.5': 1.5,
  '0': 0,
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-1': -1,
  null: null,
  undefined: undefined,
  true: true,
  false: false,
  '10n': 10n,
  '[10]': [10],
  'Number(10)': new Number(10),
}

/** Returns the outcome of a value: accepted, rejected by an InvalidArgumentError that names the option, or another error. */
export type Outcome = 'taken' | 'refused' | string

interface Requesting {
  request(options: object): Promise<{ statusCode: number; body: { dump(): Promise<unknown> } }>
  destroy?(): Promise<unknown>
}

// biome-ignore lint/suspicious/noExplicitAny: two libraries, and values of wrong types on purpose
type Library = any

/** Creates a dispatcher with an option, by class and name of the option. */
function makers({ library, url }: { library: Library; url: string }): Record<string, (value: unknown) => Requesting> {
  const { Agent, BalancedPool, Client, Pool, RetryAgent, RoundRobinPool, interceptors } = library
  const made: Record<string, (value: unknown) => Requesting> = {}
  const add = (place: string, names: string, make: (options: object) => Requesting) => {
    for (const name of names.split(' ')) made[`${place}.${name}`] = (value) => make({ [name]: value })
  }
  const composed = (place: string, names: string, interceptor: (options: object) => unknown) =>
    add(place, names, (options) => new Agent().compose(interceptor(options)))

  add('Client', 'maxHeaderSize headersTimeout bodyTimeout connectTimeout keepAliveTimeout', (o) => new Client(url, o))
  add('Client', 'keepAliveMaxTimeout keepAliveTimeoutThreshold pipelining maxCachedSessions', (o) => new Client(url, o))
  add('Client', 'maxRequestsPerClient maxResponseSize autoSelectFamilyAttemptTimeout', (o) => new Client(url, o))
  made['client.pipelining'] = (value) => Object.assign(new Client(url), { pipelining: value })
  add('Pool', 'connections clientTtl pipelining', (o) => new Pool(url, o))
  add('RoundRobinPool', 'connections clientTtl pipelining', (o) => new RoundRobinPool(url, o))
  add(
    'BalancedPool',
    'connections clientTtl pipelining maxWeightPerServer errorPenalty',
    (o) => new BalancedPool(url, o),
  )
  add('Agent', 'connections clientTtl pipelining maxOrigins', (o) => new Agent(o))
  add(
    'connect',
    'timeout maxCachedSessions keepAliveInitialDelay typeOfService',
    (o) => new Client(url, { connect: o }),
  )
  const names = 'headersTimeout bodyTimeout typeOfService highWaterMark'
  add('request', names, (o) => ({ request: (options) => new Client(url).request({ ...options, ...o }) }))
  const redirecting = new Agent().compose(interceptors.redirect())
  add('request', 'maxRedirections', (o) => ({ request: (options) => redirecting.request({ ...options, ...o }) }))
  const retryNames = 'maxRetries minTimeout maxTimeout timeoutFactor'
  composed('retry', retryNames, interceptors.retry)
  add('RetryAgent', retryNames, (o) => new RetryAgent(new Agent(), o))
  composed('redirect', 'maxRedirections', interceptors.redirect)
  composed('dump', 'maxSize', interceptors.dump)
  composed('decompress', 'maxSize', interceptors.decompress)
  composed('responseError', 'maxSize', interceptors.responseError)
  composed('dns', 'maxTTL maxItems', interceptors.dns)
  return made
}

/** The same for options that undici does not have. */
function ownMakers({ library, url }: { library: Library; url: string }): typeof made {
  const { Agent, BalancedPool, Client, Pool, OutlierDetection, HealthCheck, interceptors } = library
  const made: Record<string, (value: unknown) => Requesting> = {}
  const add = (place: string, names: string, make: (options: object) => Requesting) => {
    for (const name of names.split(' ')) made[`${place}.${name}`] = (value) => make({ [name]: value })
  }
  const limits = 'queue connect headers body total'
  add('Client', 'maxQueued maxConnectionAge', (o) => new Client(url, o))
  add('Client.timeouts', limits, (timeouts) => new Client(url, { timeouts }))
  add('Pool', 'maxQueued minConnections maxIdleConnections', (o) => new Pool(url, { connections: 10, ...o }))
  add('Agent', 'maxTotalConnections maxConnectionsPerOrigin', (o) => new Agent(o))
  add('Agent.timeouts', limits, (timeouts) => new Agent({ timeouts }))
  add('BalancedPool', 'slowStart', (o) => new BalancedPool(url, o))
  add('addUpstream', 'weight', (o) => new BalancedPool().addUpstream(url, o))
  const watched = (options: object) => new BalancedPool(url, options)
  add('OutlierDetection', 'baseEjectionTime consecutiveFailures interval', (o) =>
    watched({ outlierDetection: new OutlierDetection(o) }),
  )
  add('HealthCheck', 'interval timeout healthyThreshold', (o) => watched({ healthCheck: new HealthCheck(o) }))
  add('request.timeouts', limits, (timeouts) => ({
    request: (options) => new Client(url).request({ ...options, timeouts }),
  }))
  const given = { delay: 10 }
  add('hedge', 'delay percentile maxHedges', (o) => new Agent().compose(interceptors.hedge({ ...given, ...o })))
  add('retry.retryBudget', 'ratio minPerSecond', (o) => new Agent().compose(interceptors.retry({ retryBudget: o })))
  return made
}

async function outcomeOf(name: string, make: () => Requesting, origin: string): Promise<Outcome> {
  let dispatcher: Requesting | undefined
  try {
    dispatcher = make()
    const { statusCode, body } = await dispatcher.request({ origin, path: '/', method: 'GET' })
    await body.dump()
    return statusCode === 200 ? 'taken' : `status ${statusCode}`
  } catch (error) {
    const { code, message } = error as Error & { code?: string }
    // The option takes effect: a limit is exceeded.
    if (/_(EXCEEDED_MAX_SIZE|HEADERS_OVERFLOW|TIMEOUT)$/.test(code ?? '')) return 'taken'
    if (code !== 'UND_ERR_INVALID_ARG') return code ?? String(error)
    return message.includes(name) || dispatcher === undefined ? 'refused' : `refused without its name: ${message}`
  } finally {
    // The constructor rejected the value, so no dispatcher exists.
    void dispatcher?.destroy?.().catch(() => {})
  }
}

/** Returns outcomes by option and value. `own` selects the options that undici does not have. */
export async function outcomes(library: Library, own: boolean): Promise<Record<string, Record<string, Outcome>>> {
  const server = createServer((_request, reply) => void reply.end('x'))
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  const url = `http://localhost:${(server.address() as AddressInfo).port}`
  const found: Record<string, Record<string, Outcome>> = {}
  for (const [place, make] of Object.entries((own ? ownMakers : makers)({ library, url }))) {
    const name = place.slice(place.lastIndexOf('.') + 1)
    const all = Object.entries(values).map(async ([label, value]) => {
      // undici never sends a request with this value.
      if (name === 'pipelining' && Number(value) < 0 && !library.interceptors.hedge) return [label, 'waits for ever']
      return [label, await outcomeOf(name, () => make(value), url)]
    })
    found[place] = Object.fromEntries(await Promise.all(all))
  }
  server.closeAllConnections()
  server.close()
  return found
}

if (process.argv[2] !== undefined && import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  console.log(JSON.stringify(await outcomes(await import(process.argv[2]), false)))
  process.exit()
}
