import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import t from 'tap'
import * as shown from '../lib/errors/public.js'
import * as errors from '../lib/errors.js'
import { Client } from '../lib/index.js'

const documented: [keyof typeof errors, string, string][] = [
  ['ConnectTimeoutError', 'ConnectTimeoutError', 'UND_ERR_CONNECT_TIMEOUT'],
  ['HeadersTimeoutError', 'HeadersTimeoutError', 'UND_ERR_HEADERS_TIMEOUT'],
  ['HeadersOverflowError', 'HeadersOverflowError', 'UND_ERR_HEADERS_OVERFLOW'],
  ['BodyTimeoutError', 'BodyTimeoutError', 'UND_ERR_BODY_TIMEOUT'],
  ['InvalidArgumentError', 'InvalidArgumentError', 'UND_ERR_INVALID_ARG'],
  ['InvalidReturnValueError', 'InvalidReturnValueError', 'UND_ERR_INVALID_RETURN_VALUE'],
  ['AbortError', 'AbortError', 'UND_ERR_ABORT'],
  ['RequestAbortedError', 'AbortError', 'UND_ERR_ABORTED'],
  ['InformationalError', 'InformationalError', 'UND_ERR_INFO'],
  ['RequestContentLengthMismatchError', 'RequestContentLengthMismatchError', 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH'],
  ['ResponseContentLengthMismatchError', 'ResponseContentLengthMismatchError', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'],
  ['ClientDestroyedError', 'ClientDestroyedError', 'UND_ERR_DESTROYED'],
  ['ClientClosedError', 'ClientClosedError', 'UND_ERR_CLOSED'],
  ['SocketError', 'SocketError', 'UND_ERR_SOCKET'],
  ['NotSupportedError', 'NotSupportedError', 'UND_ERR_NOT_SUPPORTED'],
  ['BalancedPoolMissingUpstreamError', 'MissingUpstreamError', 'UND_ERR_BPL_MISSING_UPSTREAM'],
  ['ResponseExceededMaxSizeError', 'ResponseExceededMaxSizeError', 'UND_ERR_RES_EXCEEDED_MAX_SIZE'],
  ['MaxOriginsReachedError', 'MaxOriginsReachedError', 'UND_ERR_MAX_ORIGINS_REACHED'],
  ['MaxRedirectsError', 'MaxRedirectsError', 'UND_ERR_REDIRECT_MAX'],
]

t.test('names, codes and base classes match the documentation', async (t) => {
  for (const [key, name, code] of documented) {
    const Class = errors[key] as new (message?: string) => Error & { code: string; fault: string }
    const error = new Class()
    t.match(error, { name, code })
    t.ok(error.message.length > 0, `${key} has a message`)
    t.equal(new Class('own words').message, 'own words')
    t.ok(error instanceof errors.UndiciError)
    t.ok(error instanceof Class)
    t.match(error.fault, /^(user|peer|network|timeout|lifecycle)$/)
    t.match(inspect(error), `fault: '${error.fault}'`)
  }
  t.ok(new errors.RequestAbortedError() instanceof errors.AbortError)
  t.notOk(new errors.ClientClosedError() instanceof errors.ClientDestroyedError)
  t.equal(new errors.UndiciError('x').code, 'UND_ERR')
})

t.test('instanceof works across copies of the package', async (t) => {
  const foreign = Object.assign(new Error('x'), { code: 'UND_ERR_SOCKET' })
  t.ok(foreign instanceof errors.SocketError)
  t.ok(foreign instanceof errors.UndiciError)
  t.notOk(foreign instanceof errors.HeadersTimeoutError)
  t.notOk(new Error('x') instanceof errors.UndiciError)
  t.notOk({ code: 'UND_ERR' } instanceof errors.UndiciError)
})

t.test('errors have their documented extra properties', async (t) => {
  t.match(new errors.HTTPParserError('bad', 'CB', Buffer.from('raw')), { code: 'HPE_CB', data: 'raw', fault: 'peer' })
  t.equal(new errors.HTTPParserError('bad').code, undefined)
  t.notOk(new errors.HTTPParserError('bad') instanceof errors.UndiciError)
  t.match(new errors.RequestRetryError('r', 503, { headers: { a: 'b' }, data: { count: 2 } }), {
    statusCode: 503,
    data: { count: 2 },
    headers: { a: 'b' },
  })
  t.match(new errors.RequestRetryError('r', 503), { data: null, headers: null })
  t.match(new errors.ResponseError('r', 500, { body: 'x', bodyTruncated: true }), { body: 'x', bodyTruncated: true })
  t.match(new errors.ResponseError('r', 500), { body: null, bodyTruncated: false, headers: null })
  const cause = new Error('why')
  t.match(new errors.ProxyConnectionError(cause), { cause, code: 'UND_ERR_PRX_CONN' })
  t.match(new errors.SecureProxyConnectionError(cause, 'tls'), { cause, code: 'UND_ERR_PRX_TLS', message: 'tls' })
})

t.test('addErrorContext() adds context, and inner context wins', async (t) => {
  const error = errors.addErrorContext(new errors.SocketError('x'), { path: '/a', phase: 'send' })
  t.match(errors.addErrorContext(error, { path: '/b', origin: 'http://x' }), {
    path: '/a',
    phase: 'send',
    origin: 'http://x',
  })
  t.notOk('path' in errors.addErrorContext(errors.markCallerOwned(new Error('of a caller')), { path: '/' }))
  const frozen = Object.freeze(new errors.SocketError('x'))
  t.equal(errors.addErrorContext(frozen, { path: '/' }), frozen)
  const system = Object.assign(new Error('refused'), { code: 'ECONNREFUSED', port: 1 })
  t.match(errors.copyForRequest(system), { code: 'ECONNREFUSED', port: 1, cause: system })
})

t.test('copyForRequest() keeps class and properties, and drops the context of the first request', async (t) => {
  const first = errors.addErrorContext(new errors.SocketError('x', { bytesRead: 1 }), { path: '/a', replaySafe: true })
  const second = errors.copyForRequest(first)
  t.type(second, errors.SocketError)
  t.match(second, { name: 'SocketError', code: 'UND_ERR_SOCKET', socket: { bytesRead: 1 }, fault: 'network' })
  t.notOk('path' in second || 'replaySafe' in second)
  const parser = errors.copyForRequest(new errors.HTTPParserError('bad', 'INVALID', 'data'))
  t.type(parser, errors.HTTPParserError)
  t.match(parser, { code: 'HPE_INVALID', data: 'data', fault: 'peer', name: 'HTTPParserError' })
  const all = errors.copyForRequest(new AggregateError([new Error('one')], 'all')) as AggregateError
  t.type(all, AggregateError)
  t.equal(all.errors.length, 1)
})

t.test('copyForeignError() copies errors of other libraries and never modifies them', async (t) => {
  const frozen = Object.freeze(Object.assign(new Error('lookup failed'), { code: 'ENOTFOUND' }))
  const copy = errors.addErrorContext(errors.copyForeignError(frozen), { path: '/a' })
  t.match(copy, { code: 'ENOTFOUND', message: 'lookup failed', cause: frozen, path: '/a' })
  t.notOk('path' in frozen)
  class Private extends Error {
    readonly #secret = 1
    get path(): number {
      return this.#secret
    }
  }
  const own = new Private('of a class that can not be copied')
  t.equal(errors.addErrorContext(errors.copyForeignError(own), { path: '/a' }), own)
  t.equal(own.path, 1)
  t.equal(errors.copyForRequest(own), own)
  const throwing = Object.defineProperty(new Error('x'), 'code', {
    enumerable: true,
    get() {
      throw new Error('a getter')
    },
  })
  t.equal(errors.copyForeignError(throwing).message, 'x')
  t.equal(errors.copyForeignError('no error at all'), 'no error at all')
})

t.test('instanceof works for errors of another copy of the package, base classes included', async (t) => {
  const library = fileURLToPath(new URL('../lib', import.meta.url))
  const directory = t.testdir()
  for (const part of ['errors', 'errors.js']) cpSync(join(library, part), join(directory, part), { recursive: true })
  const copy = (await import(join(directory, 'errors/public.js'))) as typeof shown
  type Class = new (...values: unknown[]) => Error
  for (const [name, Class] of Object.entries(shown) as [string, Class][]) {
    const Other = (copy as unknown as Record<string, Class>)[name] as Class
    t.not(Class, Other)
    const pairs: [Class, Class][] = [
      [Class, Other],
      [Other, Class],
    ]
    for (const [Own, Foreign] of pairs) {
      const error = new Foreign('x', 'CODE')
      t.ok(error instanceof Own, name)
      t.equal(error instanceof shown.UndiciError, new Class() instanceof shown.UndiciError, `${name} UndiciError`)
      t.equal(error instanceof shown.AbortError, new Class() instanceof shown.AbortError, `${name} AbortError`)
    }
  }
  class Derived extends shown.SocketError {}
  t.notOk(new shown.SocketError() instanceof Derived)
  t.ok(new Derived() instanceof shown.SocketError)
  t.ok(Object.assign(new Error(), { code: 'UND_ERR_SOCKS5_TIMEOUT' }) instanceof shown.Socks5ProxyError)
})

t.test('an invalid option is reported by name, rule and value', async (t) => {
  t.match(errors.invalidOption('a', 'b', 'c'), {
    message: 'a must be b, received a string',
    code: 'UND_ERR_INVALID_ARG',
  })
  t.match(errors.invalidOption('a', 'b', null).message, /received null/)
  t.match(errors.invalidOption('a', 'b', new Map()).message, /received an instance of Map/)
  t.equal(errors.invalidOption('a', 'b', Object.create(null)).message, 'a must be b, received an object')
  t.match(errors.invalidOption('a', 'b', 1).message, /received 1/)
  t.equal(errors.invalidOption('a', 'b', () => 'secret').message, 'a must be b, received a function')
  t.equal(errors.invalidOption('a', 'b', class {}).message, 'a must be b, received a class (did you forget `new`?)')
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  t.equal(errors.invalidOption('a', 'b', proxy).message, 'a must be b, received an object')
})

t.test('the error for one of a few known values shows a string, shortened to 40 characters', async (t) => {
  t.equal(errors.invalidChoice('a', "'b'", 'c').message, `a must be 'b', received "c"`)
  t.equal(errors.invalidChoice('a', "'b'", 'c'.repeat(99)).message, `a must be 'b', received "${'c'.repeat(40)}"`)
  t.equal(errors.invalidChoice('a', "'b'", 1).message, "a must be 'b', received 1")
  t.equal(errors.invalidType('a', 'b', 1).message, 'a must be b, received a number')
})

t.test('no error shows the value of a header', async (t) => {
  const client = new Client('http://127.0.0.1:1')
  const wrong = [() => 'secret', class Secret {}, Symbol('secret'), { secret: 1 }]
  for (const headers of ['authorization: secret', Symbol('secret'), ...wrong.map((value) => ({ a: value }))]) {
    const sent = client.request({ path: '/', method: 'GET', headers: headers as never })
    const error = await sent.then(
      () => null,
      (error) => error,
    )
    t.equal(error.code, 'UND_ERR_INVALID_ARG')
    t.notMatch(error.message, /secret/i)
  }
  await client.close()
})

t.test('errors whose properties throw are copied or passed on without an exception', async (t) => {
  const get = () => {
    throw new Error('read')
  }
  const unreadable = Object.defineProperties(new Error(), { message: { get }, cause: { get }, code: { get } })
  const copy = errors.copyForeignError(unreadable)
  t.equal(copy.cause, unreadable)
  t.equal(copy.message, '')
  t.equal(errors.copyForRequest(unreadable).message, '')
  const { proxy, revoke } = Proxy.revocable(new Error(), {})
  revoke()
  t.ok(errors.copyForeignError(proxy) === proxy)
})
