import type { Entry, Plan, Plans } from './plan.js'

/** Code that sends a request with a new Client while the channel is subscribed. */
const REQUEST = `
const { Client } = await import('undici')
const client = new Client('http://localhost:3000')
const { body } = await client.request({ path: '/watched', method: 'POST', body: 'watched' })
await body.dump()
await client.close()`

const REQUIRED = `
const { Client } = require('undici')
const client = new Client('http://localhost:3000')
client.request({ path: '/watched', method: 'POST', body: 'watched' })
  .then(({ body }) => body.dump())
  .then(() => client.close())`

const TRAILERS = `
const { createServer } = await import('node:http')
const { once } = await import('node:events')
const { Client } = await import('undici')
const server = createServer((request, response) => {
  response.writeHead(200, { trailer: 'x-sum' })
  response.addTrailers({ 'x-sum': '7' })
  response.end('body')
}).listen()
await once(server, 'listening')
const client = new Client(\`http://localhost:\${server.address().port}\`)
const { body } = await client.request({ path: '/', method: 'GET' })
await body.dump()
await client.close()
server.close()`

const UNREACHABLE = `
const { Client } = await import('undici')
const lookup = (hostname, options, callback) => callback(new Error('nowhere'))
const client = new Client('http://localhost:3000', { connect: { lookup } })
await client.request({ path: '/', method: 'GET' }).catch(() => {})
await client.close()`

const PROXIED = `
const { ProxyAgent } = await import('undici')
const agent = new ProxyAgent('http://localhost:8000')
const { body } = await agent.request({ origin: 'https://secure.endpoint.com', path: '/', method: 'GET' })
await body.dump()
await agent.close()`

/** Code that subscribes to the channel of an example without output, and prints the documented properties. */
function show(channel: string, expression: string): string {
  return `
diagnosticsChannel.channel('${channel}').subscribe((message) => console.log(${expression}))`
}

const CONNECT_PARAMS =
  "['host', 'hostname', 'protocol', 'port', 'servername'].map((name) => message.connectParams[name]).join(' ')"
const SHOWN_PARAMS = /^localhost:3000 localhost http: 3000 ?\w* function$/

const SHOWN_PROXY = show(
  'undici:proxy:connected',
  "['origin', 'port', 'path'].map((name) => message.connectParams[name]).join(' '), 'remotePort' in message.socket",
)

const webSocket: Entry = { omitted: 'WebSocket is out of scope' }

function published(prints: RegExp[], behind = REQUEST, more: Partial<Plan> = {}): Entry {
  return [{ behind, prints, ...more }]
}

export const diagnostics: Plans = {
  DiagnosticsChannel: {
    'Diagnostics Channel Support': [
      published([/^POST http:\/\/localhost:3000 \/watched$/]),
      published([/^POST http:\/\/localhost:3000 \/watched$/], REQUIRED),
    ],
    "Event: 'undici:request:create'": [
      published([/^origin http/, /^completed false$/, /^method POST$/, /^path \/watched$/, /^headers \[/]),
    ],
    "Event: 'undici:request:bodyChunkSent'": [published([/^sent 7 bytes$/])],
    "Event: 'undici:request:bodySent'": [
      published([/^\/watched$/], show('undici:request:bodySent', 'message.request.path') + REQUEST),
    ],
    "Event: 'undici:request:headers'": [
      published([/^statusCode 200$/, /^OK$/, /^\[$/, ...Array<RegExp>(8).fill(/^ {2}<Buffer /), /^\]$/]),
    ],
    "Event: 'undici:request:bodyChunkReceived'": [published([/^received \d\d bytes$/])],
    "Event: 'undici:request:trailers'": [published([/^completed true$/, /x-sum.*7/], TRAILERS)],
    "Event: 'undici:request:error'": [published([], UNREACHABLE, { printsError: /nowhere/ })],
    "Event: 'undici:client:sendHeaders'": [
      published([/^Full headers list: POST \/watched HTTP\/1.1,host: localhost/], REQUEST, {
        differs: 'sluice includes `content-length` in the headers, as it is sent',
      }),
    ],
    "Event: 'undici:client:beforeConnect'": [
      published(
        [SHOWN_PARAMS],
        show('undici:client:beforeConnect', `${CONNECT_PARAMS}, typeof message.connector`) + REQUEST,
      ),
    ],
    "Event: 'undici:client:connected'": [
      published(
        [SHOWN_PARAMS],
        show('undici:client:connected', `${CONNECT_PARAMS}, typeof message.connector`) + REQUEST,
      ),
    ],
    "Event: 'undici:client:connectError'": [published([], UNREACHABLE, { printsError: /failed with nowhere$/ })],
    "Event: 'undici:websocket:open'": [webSocket],
    "Event: 'undici:websocket:close'": [webSocket],
    "Event: 'undici:websocket:socket_error'": [webSocket],
    "Event: 'undici:websocket:ping'": [webSocket],
    "Event: 'undici:websocket:pong'": [webSocket],
    "Event: 'undici:proxy:connected'": [
      published([/^http:\/\/localhost:8000 8000 secure.endpoint.com:443 true$/], SHOWN_PROXY + PROXIED, {
        trusts: true,
      }),
    ],
    "Event: 'undici:request:pending-requests'": [
      { omitted: 'the interceptor that publishes it, deduplicate, is out of scope' },
    ],
  },
}
