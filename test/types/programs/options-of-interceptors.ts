import { Agent, type Dispatcher, interceptors } from 'undici'

const redirects: interceptors.RedirectInterceptorOpts = {
  maxRedirections: 3,
  throwOnMaxRedirect: true,
  stripHeadersOnRedirect: ['x'],
}
const dumped: interceptors.DumpInterceptorOpts = { maxSize: 1024 }
const names: interceptors.DNSInterceptorOpts = {
  maxTTL: 1000,
  maxItems: 10,
  dualStack: false,
  affinity: 4,
  lookup(origin, options, callback) {
    const family = options.family === 6 ? 6 : 4
    callback(null, [{ address: origin.hostname, ttl: 10, family }])
  },
  pick(_origin, { records }, affinity) {
    const [first] = records[affinity]?.ips ?? []
    if (first === undefined) throw new Error('none')
    return first
  },
}

export const chain: Dispatcher.DispatcherComposeInterceptor[] = [
  interceptors.redirect(redirects),
  interceptors.redirect({ maxRedirections: 1 }),
  interceptors.retry({ maxRetries: 1 }),
  interceptors.dump(dumped),
  interceptors.dump(),
  interceptors.responseError(),
  interceptors.decompress({ skipErrorResponses: true, skipStatusCodes: [204] }),
  interceptors.dns(names),
]

export const agent = new Agent().compose(...chain).compose(chain)

/** Chosen by name. */
export function named(name: 'redirect' | 'dump' | 'responseError'): Dispatcher.DispatcherComposeInterceptor {
  return interceptors[name]()
}

// @ts-expect-error: there is no such option
interceptors.dump({ maxsize: 1 })
// @ts-expect-error: families are 4 and 6
interceptors.dns({ affinity: 5 })
