import { echoed, failure, type Scenario, type Surroundings } from './common.js'
import { TEXT } from './origin.js'

async function summaryOf(one: Surroundings, path: string, init: Parameters<Surroundings['fetch']>[1] = {}) {
  const response = await one.fetch(path, init)
  const { status, redirected, type, headers } = response
  return { status, redirected, type, url: response.url.slice(one.origin.length), location: headers.get('location') }
}

async function landed(one: Surroundings, path: string, init: Parameters<Surroundings['fetch']>[1] = {}) {
  const response = await one.fetch(path, init)
  const { method, url, body, rawHeaders } = await echoed(response)
  return { method, url, body, secret: rawHeaders.includes('secret'), redirected: response.redirected }
}

const unpacked = (path: string): Scenario => {
  return async (one) => {
    const response = await one.fetch(path)
    return { right: (await response.text()) === TEXT, encoding: response.headers.get('content-encoding') }
  }
}

const bare = (path: string, init: Parameters<Surroundings['fetch']>[1] = {}): Scenario => {
  return async (one) => {
    const response = await one.fetch(path, init)
    const { status, headers, body } = response
    const fields = ['content-length', 'etag'].map((name) => headers.get(name))
    return { status, fields, hasBody: body !== null, text: await response.text() }
  }
}

/** Results of responses of every kind, as returned by fetch. */
export const responses: Record<string, Scenario> = {
  gzip: unpacked('/gzip'),
  deflate: unpacked('/deflate'),
  'raw deflate': unpacked('/deflate-raw'),
  brotli: unpacked('/br'),
  'brotli in gzip': unpacked('/br-gzip'),
  'a body with content-encoding: gzip that is not gzip': async (one) => failure((await one.fetch('/not-gzip')).text()),
  HEAD: bare('/length', { method: 'HEAD' }),
  'HEAD of gzip': bare('/gzip', { method: 'HEAD' }),
  204: bare('/204'),
  304: bare('/304', { headers: { 'if-none-match': '"1"' } }),
  'the same without if-none-match': bare('/304'),
  418: bare('/418'),
  '102 and 103 before the response': bare('/hints'),
  trailers: bare('/trailers'),
  'a header in latin1': async (one) => (await one.fetch('/latin')).headers.get('x-latin'),
  'a clone': async (one) => {
    const response = await one.fetch('/hello')
    const copy = response.clone()
    return Promise.all([response.text(), copy.text()])
  },
  'every way to read a body': async (one) => {
    const ways = ['text', 'arrayBuffer', 'blob'] as const
    const sizes = ways.map(async (way) => {
      const read = await (await one.fetch('/length'))[way]()
      return typeof read === 'string' ? read.length : 'size' in read ? read.size : read.byteLength
    })
    return Promise.all(sizes)
  },
  'a body read twice': async (one) => {
    const response = await one.fetch('/hello')
    await response.text()
    return (await failure(response.text())).name
  },
  'redirect: follow': (one) => summaryOf(one, '/302'),
  'redirect: manual': (one) => summaryOf(one, '/302', { redirect: 'manual' }),
  'redirect: error': (one) => failure(one.fetch('/302', { redirect: 'error' })),
  'redirect to relative paths': (one) => summaryOf(one, '/308'),
  'endless redirects': (one) => failure(one.fetch('/loop')),
  'redirect of a POST': async (one) => {
    const init = { method: 'POST', body: 'again', headers: { authorization: 'secret' } }
    return Promise.all(['/301', '/302', '/303', '/307'].map((path) => landed(one, path, init)))
  },
  'redirect of a POST of a stream': (one) => {
    const body = new Blob(['once']).stream() as ReadableStream<Uint8Array>
    return failure(one.fetch('/307', { method: 'POST', body, duplex: 'half' }))
  },
}
