const failed = (code: string | null, message = 'fetch failed') => ({ name: 'TypeError', message, code })
const aborted = { name: 'AbortError', message: 'This operation was aborted' }
const plain = { accept: '*/*', 'accept-language': '*', 'sec-fetch-mode': 'cors', connection: 'keep-alive' }
const posted = (length: number, type?: string) => ({
  method: 'POST',
  length,
  rightHost: true,
  fields: { ...plain, 'content-length': String(length), ...(type === undefined ? {} : { 'content-type': type }) },
})
const empty = { hasBody: false, text: '' }
const followed = { secret: true, redirected: true }

/** Expected results of the built-in fetch, with any dispatcher. Each result must contain these. */
export const expected: Record<string, unknown> = {
  GET: {
    status: 200,
    statusText: 'Fine',
    ok: true,
    url: '/hello',
    seen: ['text/plain', 'a, b', null],
    cookies: ['a=1', 'b=2'],
    text: 'hello',
  },
  'a request object': { method: 'PATCH', body: 'patched' },
  'headers of a plain GET': { method: 'GET', url: '/echo', length: 0, rightHost: true, fields: plain },
  'headers with cache: no-store': { fields: { ...plain, 'cache-control': 'no-cache', pragma: 'no-cache' } },
  'headers with keepalive': { fields: plain },
  'headers of the caller': { fields: { accept: 'text/plain', 'x-mixed': 'Case', 'x-latin': 'caf\xe9', 'x-empty': '' } },
  'a query': { url: '/echo?a=1&b=%C3%A9&c=x%20y' },
  DELETE: { method: 'DELETE', length: 0 },
  OPTIONS: { method: 'OPTIONS', length: 0 },
  'POST of nothing': posted(0),
  'POST of a string': { ...posted(5, 'text/plain;charset=UTF-8'), body: 'caf\xc3\xa9' },
  'POST of bytes': { ...posted(4), body: '\x00\xff\r\n' },
  'POST of a Blob': { ...posted(2, 'x/y'), body: 'ab' },
  'POST of URLSearchParams': { ...posted(5, 'application/x-www-form-urlencoded;charset=UTF-8'), body: 'a=b+c' },
  'PUT of a stream': { method: 'PUT', body: 'abcdef', fields: { 'transfer-encoding': 'chunked' } },
  'POST of a FormData': [
    ['name', 'caf\xe9 "quoted"'],
    ['file', 'a\nb.txt', 'text/x', 'content\r\n'],
  ],
  'POST of an 8 MB stream, echoed': { length: 8_388_608, wrong: -1 },
  'a response arrives while the request is being sent': { received: ['first ', 'second '], done: true },
  gzip: { right: true, encoding: 'gzip' },
  deflate: { right: true, encoding: 'deflate' },
  'raw deflate': { right: true, encoding: 'deflate' },
  brotli: { right: true, encoding: 'br' },
  'brotli in gzip': { right: true, encoding: 'br, gzip' },
  'a body with content-encoding: gzip that is not gzip': failed('Z_DATA_ERROR', 'terminated'),
  HEAD: { status: 200, fields: ['1000', null], ...empty },
  'HEAD of gzip': { status: 200, ...empty },
  204: { status: 204, ...empty },
  304: { status: 304, fields: [null, '"1"'], ...empty },
  'the same without if-none-match': { status: 200, text: 'anew' },
  418: { status: 418, text: 'short and stout' },
  '102 and 103 before the response': { status: 200, text: 'hinted' },
  trailers: { status: 200, text: 'with trailers' },
  'a header in latin1': 'caf\xe9',
  'a clone': ['hello', 'hello'],
  'every way to read a body': [1000, 1000, 1000],
  'a body read twice': 'TypeError',
  'redirect: follow': { status: 200, redirected: true, url: '/echo?after=302' },
  'redirect: manual': { status: 302, redirected: false, url: '/302', location: '/echo?after=302' },
  'redirect: error': failed(null),
  'redirect to relative paths': { status: 200, redirected: true, url: '/echo?after=hops' },
  'endless redirects': failed(null),
  'redirect of a POST': [
    { method: 'GET', url: '/echo?after=301', body: '', ...followed },
    { method: 'GET', url: '/echo?after=302', body: '', ...followed },
    { method: 'GET', url: '/echo?after=303', body: '', ...followed },
    { method: 'POST', url: '/echo?after=307', body: 'again', ...followed },
  ],
  'redirect of a POST of a stream': failed(null),
  'abort before the request is sent': { error: aborted, own: { name: 'Error', message: 'own reason' } },
  'abort before the response headers': { error: aborted, closed: true },
  'abort by a timeout': 'TimeoutError',
  'abort while the body is read': { done: false, error: { name: 'TypeError', message: 'enough' }, closed: true },
  'an upload whose stream fails': { error: { name: 'TypeError', message: 'fetch failed' }, closed: true },
  'cancel() of a body': { closed: true, held: true },
  'break out of a loop over the body': true,
  'connection refused': failed('ECONNREFUSED'),
  'the connection closes before the response headers': { name: 'TypeError', message: 'fetch failed' },
  'the connection closes before the response headers of a POST': { name: 'TypeError', message: 'fetch failed' },
  'the connection closes within the body': {
    ...failed('UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'terminated'),
    cause: 'ResponseContentLengthMismatchError',
  },
  'the response is not HTTP': { name: 'TypeError', message: 'fetch failed', cause: 'HTTPParserError' },
}

const idle = { running: 0, pending: 0, queued: 0, size: 0 }

/** Additional results with a sluice dispatcher, exact. */
export const expectedOfPools: Record<string, unknown> = {
  '100 concurrent fetches over 2 connections': { connections: 2, connected: 2, free: 2, ...idle },
  '100 sequential fetches over one connection': 1,
  'the connection is reused after a response without a body': 2,
  'abort of an upload': { error: aborted, closed: true },
  'a cancelled body frees its connection': { before: 1, after: 'hello', running: 0 },
  'an unread body pauses its server': { held: true, whole: true },
  'both branches of a clone over one connection': [1000, 1000],
  'a redirect to another origin, over an Agent': { host: 'localhost', secret: false, kept: true },
  'timeouts of the pool': {
    head: { ...failed('UND_ERR_HEADERS_TIMEOUT'), cause: 'HeadersTimeoutError' },
    body: { ...failed('UND_ERR_BODY_TIMEOUT', 'terminated'), cause: 'BodyTimeoutError' },
  },
  'a pool that was closed or destroyed': {
    closed: { ...failed('UND_ERR_CLOSED'), cause: 'ClientClosedError' },
    under: { ...failed('UND_ERR_DESTROYED'), cause: 'ClientDestroyedError' },
    destroyed: { ...failed('UND_ERR_DESTROYED'), cause: 'ClientDestroyedError' },
  },
  'TLS with a CA of the caller': { body: 'over TLS', connections: 0 },
  'a WebSocket': { received: ['welcome', 'my words'], connections: 1 },
  'an interceptor sees the requests of fetch': { paths: ['GET /302', 'GET /echo?after=302'], method: 'GET' },
}
