import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import { gzipSync } from 'node:zlib'
import { JSDOM, requestInterceptor, VirtualConsole } from 'jsdom'
import { closedPort, failure, scenario, service } from './harness.mjs'

// That of the package: the top one may be of another major version.
const { Agent, ProxyAgent } = createRequire(import.meta.resolve('jsdom'))('undici')

const text = (type, content, headers) => (_request, response) =>
  response.writeHead(200, { 'content-type': type, ...headers }).end(content)
const page = (content) => text('text/html; charset=utf-8', content)
const loaded = ({ window }) => new Promise((resolve) => window.addEventListener('load', resolve))

scenario('loads a page with its scripts, styles and frames', async (context) => {
  const one = await service(context, {
    '/': page('<script src="a.js"></script><link rel="stylesheet" href="a.css"><iframe src="b.html"></iframe><p>x</p>'),
    '/a.js': text('text/javascript', 'window.ran = navigator.userAgent'),
    '/a.css': text('text/css', gzipSync('p { color: rgb(1, 2, 3) }'), { 'content-encoding': 'gzip' }),
    '/b.html': page('<h1>frame</h1>'),
  })
  const dom = await JSDOM.fromURL(`${one.url}/`, { runScripts: 'dangerously', resources: { userAgent: 'mine/1' } })
  await loaded(dom)
  const { window } = dom
  assert.equal(window.ran, 'mine/1')
  assert.equal(window.getComputedStyle(window.document.querySelector('p')).color, 'rgb(1, 2, 3)')
  assert.equal(window.frames[0].document.querySelector('h1').textContent, 'frame')
  assert.ok(one.received.every(({ headers }) => headers['user-agent'] === 'mine/1'))
  window.close()
})

scenario('follows redirects, and stores cookies', async (context) => {
  const one = await service(context, {
    '/first': (_request, response) => response.writeHead(302, { location: '/second', 'set-cookie': 'a=1' }).end(),
    '/second': page('<p>there</p>'),
  })
  const dom = await JSDOM.fromURL(`${one.url}/first`)
  assert.equal(dom.window.location.href, `${one.url}/second`)
  assert.equal(dom.window.document.cookie, 'a=1')
  assert.equal(one.received[1].headers.cookie, 'a=1')
})

scenario('XMLHttpRequest sends, receives and aborts requests', async (context) => {
  const one = await service(context, {
    '/': page('<p>x</p>'),
    '/echo': (request, response, body) => response.writeHead(201, { 'x-method': request.method }).end(body),
    '/silent': () => {},
  })
  const { window } = await JSDOM.fromURL(`${one.url}/`)
  const xhr = new window.XMLHttpRequest()
  xhr.open('POST', '/echo')
  const ended = new Promise((resolve) => xhr.addEventListener('loadend', resolve))
  xhr.send('some text')
  await ended
  assert.deepEqual([xhr.status, xhr.getResponseHeader('x-method'), xhr.responseText], [201, 'POST', 'some text'])
  const silent = new window.XMLHttpRequest()
  silent.open('GET', '/silent')
  const aborted = new Promise((resolve) => silent.addEventListener('abort', resolve))
  silent.send()
  silent.abort()
  await aborted
  const late = new window.XMLHttpRequest()
  late.open('GET', '/silent')
  late.timeout = 50
  const timeout = new Promise((resolve) => late.addEventListener('timeout', resolve))
  late.send()
  await timeout
  window.close()
})

scenario('opens a WebSocket', async (context) => {
  const one = await service(context, { '/': page('<p>x</p>') })
  one.server.on('upgrade', (request, socket) => {
    const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
    const accept = createHash('sha1').update(key).digest('base64')
    const head = `connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${accept}`
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${head}\r\n\r\n`)
    socket.write(Buffer.concat([Buffer.of(0x81, 5), Buffer.from('hello')]))
    socket.on('error', () => {})
  })
  const { window } = await JSDOM.fromURL(`${one.url}/`)
  const socket = new window.WebSocket(one.url.replace('http', 'ws'))
  const data = await new Promise((resolve, reject) => {
    socket.onmessage = ({ data }) => resolve(data)
    socket.onerror = () => reject(new Error('no WebSocket'))
  })
  assert.equal(data, 'hello')
  socket.close()
  window.close()
})

scenario('accepts a dispatcher, a proxy and interceptors', async (context) => {
  const one = await service(context, { '/': page('<script src="/made.js"></script>') })
  let connects = 0
  const dispatcher = new Agent().on('connect', () => connects++)
  context.after(() => dispatcher.destroy())
  const made = requestInterceptor((request) =>
    request.url.endsWith('/made.js')
      ? new Response('window.made = true', { headers: { 'content-type': 'text/javascript' } })
      : undefined,
  )
  const resources = { dispatcher, interceptors: [made] }
  const dom = await JSDOM.fromURL(`${one.url}/`, { runScripts: 'dangerously', resources })
  await loaded(dom)
  assert.equal(dom.window.made, true)
  assert.deepEqual([connects, one.received.length], [1, 1])
  const proxy = await service(context, { 'http://name.example/': page('<p>by proxy</p>') })
  const through = new ProxyAgent({ uri: proxy.url, proxyTunnel: false })
  context.after(() => through.destroy())
  const page_ = await JSDOM.fromURL('http://name.example/', { resources: { dispatcher: through } })
  assert.equal(page_.window.document.querySelector('p').textContent, 'by proxy')
})

scenario('reports resources that can not be loaded', async (context) => {
  const one = await service(context, { '/': page('<script src="/missing.js"></script>') })
  const errors = []
  const virtualConsole = new VirtualConsole().on('jsdomError', (error) => errors.push(error.type))
  const options = { runScripts: 'dangerously', resources: 'usable', virtualConsole }
  const dom = await JSDOM.fromURL(`${one.url}/`, options)
  await loaded(dom)
  assert.deepEqual(errors, ['resource-loading'])
  const refused = await failure(JSDOM.fromURL(`http://127.0.0.1:${await closedPort()}/`))
  assert.equal((refused.cause ?? refused).code, 'ECONNREFUSED')
})
