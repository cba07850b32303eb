import t from 'tap'
import { errors } from '../../lib/index.js'
import { retryAfterOf, retryDelay } from '../../lib/interceptors/retry-delay.js'
import { resolveRetryOptions } from '../../lib/interceptors/retry-options.js'

const broken = Object.assign(new Error('broken'), { code: 'ECONNRESET' })

function delays(options: object, error: Error = broken, method = 'GET'): (number | null)[] {
  const settings = resolveRetryOptions(options)
  return [1, 2, 3, 4, 5, 6, 7].map((counter) => retryDelay(error, counter, { method, settings }))
}

function failed(statusCode: number, headers: Record<string, string | string[]> = {}): Error {
  return new errors.RequestRetryError('failed', statusCode, { headers })
}

t.test('delays grow exponentially up to maxTimeout, and end after maxRetries', async (t) => {
  t.strictSame(delays({}), [500, 1000, 2000, 4000, 8000, null, null])
  t.strictSame(delays({ maxRetries: 7, maxTimeout: 3000 }), [500, 1000, 2000, 3000, 3000, 3000, 3000])
  t.strictSame(delays({ maxRetries: 2, minTimeout: 10, timeoutFactor: 10 }).slice(0, 3), [10, 100, null])
  t.strictSame(delays({ maxRetries: 0 })[0], null)
  t.equal(retryDelay(broken, 5000, { method: 'GET', settings: resolveRetryOptions({ maxRetries: Infinity }) }), 30_000)
  const none = resolveRetryOptions({ maxRetries: Infinity, minTimeout: 0 })
  t.equal(retryDelay(broken, 5000, { method: 'GET', settings: none }), 0)
})

t.test('retries by error code, status and method', async (t) => {
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE', 'QUERY']) {
    t.equal(delays({}, broken, method)[0], 500, method)
  }
  for (const method of ['POST', 'PATCH', 'CONNECT', 'get']) t.equal(delays({}, broken, method)[0], null, method)
  t.equal(delays({ methods: ['POST'] }, broken, 'POST')[0], 500)
  for (const status of [500, 502, 503, 504, 429]) t.equal(delays({}, failed(status))[0], 500, String(status))
  for (const status of [501, 404, 206, 200]) t.equal(delays({}, failed(status))[0], null, String(status))
  const codes = 'ECONNRESET ECONNREFUSED ENOTFOUND ENETDOWN ENETUNREACH EHOSTDOWN EHOSTUNREACH EPIPE UND_ERR_SOCKET'
  for (const code of codes.split(' ')) t.equal(delays({}, Object.assign(new Error(), { code }))[0], 500, code)
  t.equal(delays({}, new errors.HeadersTimeoutError())[0], null)
  t.equal(delays({ errorCodes: ['UND_ERR_HEADERS_TIMEOUT'] }, new errors.HeadersTimeoutError())[0], 500)
  t.equal(delays({}, new Error('no code'))[0], null)
})

t.test('retry-after sets the delay', async (t) => {
  const all = (value: string | string[], options = {}) => delays(options, failed(503, { 'retry-after': value }))
  const after = (value: string | string[], options = {}) => all(value, options)[0]
  t.equal(after('2'), 2000)
  const atOnce = [0, 1000, 2000, 4000, 8000, null, null]
  t.strictSame(all('0'), atOnce, 'retries at once the first time, then backs off')
  t.strictSame(all('0.0', { minTimeout: 8000, maxRetries: 2 }).slice(0, 3), [0, 16_000, null])
  t.equal(after('0', { retryAfter: false }), 500)
  t.equal(after('0.25'), 250)
  t.equal(after('31'), 30_000, 'never longer than maxTimeout')
  t.equal(after('9'.repeat(400)), 30_000)
  t.equal(after('2', { retryAfter: false }), 500)
  const soon = new Date(Date.now() + 10_000).toUTCString()
  const wait = after(soon) as number
  t.ok(wait > 5000 && wait <= 10_000, 'a date')
  t.equal(after(new Date(Date.now() + 100_000).toUTCString()), 30_000)
  t.equal(after('Sun, 06 Nov 1994 08:49:37 GMT'), 500, 'a date that has passed')
  for (const odd of ['', '-1', 'soon', '5 or so', '1e3', '0x10', 'Sun, 99 Nov 1994 08:49:37 GMT', '2026-01-01']) {
    t.equal(after(odd), 500, `ignores retry-after: ${odd}`)
  }
  t.equal(after(['1', '2']), 500, 'ignores two retry-after headers')
})

t.test('accepts the three date formats of HTTP', async (t) => {
  const far = ['Sun, 06 Nov 2095 08:49:37 GMT', 'Sun Nov  6 08:49:37 2095']
  const [fixed, asctime] = far.map((value) => retryAfterOf(value)) as [number, number]
  t.ok(Math.abs(fixed - asctime) < 1000)
  t.equal(retryAfterOf('Sunday, 06-Nov-94 08:49:37 GMT'), null)
})
