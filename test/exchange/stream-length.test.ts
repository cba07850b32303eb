import http, { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import { streamLength } from '../../lib/exchange/stream-length.js'
import { Agent, Client, type Dispatcher, interceptors, Pool } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

/** Responds with the framing and content of the request. */
const echo = () =>
  httpOrigin((request, reply) => {
    let content = ''
    request.on('data', (piece) => (content += piece))
    const { 'content-length': length, 'transfer-encoding': coding } = request.headers
    request.on('end', () => reply.end(`${length ?? coding ?? 'none'} ${content}`))
  })

const dispatchers: Record<string, (url: string) => Dispatcher> = {
  Client: (url) => new Client(url),
  Pool: (url) => new Pool(url),
  Agent: () => new Agent(),
  'a composed Client': (url) => new Client(url).compose(interceptors.retry(), interceptors.redirect()),
  'a Pool with a factory': (url) =>
    new Pool(url, { factory: (at) => new Client(at).compose((dispatch) => dispatch) as never }),
}

function ended(...pieces: (string | Buffer)[]): PassThrough {
  const stream = new PassThrough()
  for (const piece of pieces) stream.write(piece)
  return stream.end()
}

function pushed(...pieces: string[]): Readable {
  const stream = new Readable({ read() {} })
  for (const piece of [...pieces, null]) stream.push(piece)
  return stream
}

function notEnded(piece: string): Readable {
  const stream = new Readable({ read() {} })
  stream.push(piece)
  setImmediate(() => stream.push(null))
  return stream
}

async function* later(...pieces: string[]) {
  for (const piece of pieces) {
    await new Promise(setImmediate)
    yield piece
  }
}

const read = () => {
  const stream = ended('ab', 'c')
  stream.read(1)
  return stream
}

const cases: [name: string, method: string, body: () => unknown, expected: string][] = [
  ['ended', 'POST', () => ended('hé', Buffer.from('llo')), '6 héllo'],
  ['ended without content', 'POST', () => ended(), '0 '],
  ['pushed', 'PUT', () => pushed('a', 'bc'), '3 abc'],
  ['partly read', 'POST', read, '2 bc'],
  ['with an encoding', 'POST', () => ended('é').setEncoding('utf8'), 'chunked é'],
  ['of objects', 'POST', () => Readable.from(['abc']), 'chunked abc'],
  ['not ended', 'POST', () => notEnded('abc'), 'chunked abc'],
  ['ended without content', 'GET', () => ended(), 'none '],
  ['ended without content', 'DELETE', () => pushed(), 'none '],
  ['ended', 'DELETE', () => ended('x'), '1 x'],
  ['an empty generator', 'GET', () => later(), 'none '],
  ['a generator', 'GET', () => later('a', 'b'), 'chunked ab'],
  ['empty pieces', 'DELETE', () => later('', ''), 'none '],
  ['an empty web stream', 'GET', () => Readable.toWeb(Readable.from([])), 'none '],
  ['an empty array', 'GET', () => [], 'none '],
  ['an empty array', 'POST', () => [], '0 '],
  ['an empty string', 'GET', () => '', 'none '],
  ['empty bytes', 'OPTIONS', () => new Uint8Array(0), 'none '],
  ['an empty Blob', 'GET', () => new Blob([]), 'none '],
  ['an empty Blob', 'PUT', () => new Blob([]), '0 '],
]

for (const [name, make] of Object.entries(dispatchers)) {
  t.test(`${name} sends content-length for a known length, and no framing without content`, async (t) => {
    const origin = await echo()
    const dispatcher = make(origin.url)
    for (const [kind, method, body, expected] of cases) {
      const options = { origin: origin.url, path: '/', method: method as 'GET', body: body() as Readable }
      const answer = await dispatcher.request(options)
      t.equal(await answer.body.text(), expected, `${method} ${kind}`)
    }
    await dispatcher.close()
    await origin.close()
  })

  t.test(`${name} forwards a received request with its framing`, async (t) => {
    const origin = await echo()
    const dispatcher = make(origin.url)
    const proxy = await httpOrigin(async (request, reply) => {
      // Some programs change headers before they forward the message.
      delete request.headers['content-length']
      const options = { origin: origin.url, path: '/', method: request.method as 'GET', body: request }
      const { body } = await dispatcher.request(options)
      reply.end(await body.text())
    })
    const ask = (method: string, headers: Record<string, string>, content: string) =>
      new Promise<string>((resolve, reject) => {
        const request = http.request(proxy.url, { method, headers, agent: false }, (response) => {
          let text = ''
          response.on('data', (piece) => (text += piece)).on('end', () => resolve(text))
        })
        request.on('error', reject).end(content)
      })
    t.equal(await ask('GET', {}, ''), 'none ')
    t.equal(await ask('DELETE', {}, ''), 'none ')
    t.equal(await ask('POST', { 'content-length': '0' }, ''), '0 ')
    t.equal(await ask('POST', { 'content-length': '3' }, 'abc'), '3 abc')
    t.equal(await ask('DELETE', { 'content-length': '3' }, 'abc'), '3 abc')
    t.equal(await ask('POST', { 'transfer-encoding': 'chunked' }, 'abc'), 'chunked abc')
    await dispatcher.close()
    await proxy.close()
    await origin.close()
  })
}

t.test('takes the length of a received message from its headers only if it is certain', async (t) => {
  const message = (changes: object) =>
    Object.assign(new IncomingMessage(new Socket()), { httpVersion: '1.1', ...changes })
  const post = { method: 'POST', rawHeaders: ['Host', 'a', 'Content-Length', '7'] }
  const answer = { method: null, statusCode: 200, req: { method: 'GET' }, rawHeaders: ['Content-Length', '7'] }
  const lengths: [object, number | null][] = [
    [post, 7],
    [{ ...post, rawHeaders: ['Host', 'content-length'] }, 0],
    [{ ...post, rawHeaders: ['Host', 'a'] }, 0],
    [{ ...post, rawHeaders: ['Host', 'a'], httpVersion: '2.0' }, null],
    [{ ...post, rawHeaders: [...post.rawHeaders, 'Transfer-Encoding', 'chunked'] }, null],
    [answer, 7],
    [{ ...answer, rawHeaders: ['Date', 'x'] }, null],
    [{ ...answer, req: { method: 'HEAD' } }, null],
    [{ ...answer, statusCode: 304 }, null],
    [{ ...answer, statusCode: 204 }, null],
    // A framework created the message.
    [{ ...post, rawHeaders: [] }, null],
    [{ ...post, complete: undefined, rawHeaders: ['Host', 'a'] }, null],
  ]
  for (const [changes, length] of lengths) t.equal(streamLength(message(changes)), length, JSON.stringify(changes))
  const begun = message(post)
  begun.push('abc')
  begun.read()
  t.equal(streamLength(begun), null, 'no length for a partly read message')
})
