import type { Plans } from './plan.js'

const GLOBAL_REQUEST = `
const { request } = await import('undici')
const watched = await request('http://localhost:3000/watched')
console.log(watched.statusCode, await watched.body.text())`

const CONNECT_TIMEOUT = `import { Client } from 'undici'
const stuck = new Client('http://localhost:3000', { connect: { timeout: 20, lookup () {} } })
const busy = setTimeout(() => {}, 60_000)
const err = await stuck.request({ path: '/', method: 'GET' }).catch((error) => error)
clearTimeout(busy)`

const SOCKET_FAILURE = `import { Client } from 'undici'
import { createServer } from 'node:net'
import { once } from 'node:events'
const server = createServer((socket) => socket.once('data', () => socket.destroy())).listen(0)
await once(server, 'listening')
const client = new Client(\`http://localhost:\${(server.address() as any).port}\`)
const error = await client.request({ path: '/', method: 'POST' }).catch((failed) => failed)
await client.close()
server.close()`

/** A server that responds with 503 several times before it succeeds. */
function failing(times: number): string {
  return `import { createServer } from 'node:http'
import { once } from 'node:events'
let requestCount = 0
const server = createServer((request, response) => {
  response.statusCode = requestCount++ < ${times} ? 503 : 200
  response.end('at last', () => response.statusCode === 200 && server.emit('answered'))
}).listen()
await once(server, 'listening')
const dispatchOptions = { path: '/', method: 'GET' }`
}

const AFTER_ANSWER = `
await once(server, 'answered')
await client.close()
server.close()`

const INSTALLED = `import { install } from 'undici'
install()`

/** Code that prints the origins that the global dispatcher was used for. */
const DISPATCHED = `
const { getGlobalDispatcher } = await import('undici')
console.log(Object.keys(getGlobalDispatcher().stats))`

/** Code that prints the documented properties of an error that exist, in documented order. */
const SOCKET_FIELDS = `const info: SocketInfo = error.socket
const names = ['localAddress', 'localPort', 'remoteAddress', 'remotePort', 'remoteFamily', 'bytesWritten', 'bytesRead']
console.log(names.filter((name) => info[name as keyof SocketInfo] !== undefined).join(' '))`

const FOUR_PROXIES = `
for (const agent of [a, b, c, d]) {
  const origin = agent === d ? 'https://secure.endpoint.com' : 'http://localhost:3000'
  const { body } = await agent.request({ origin, path: '/watched', method: 'GET' })
  console.log(await body.text())
  await agent.close()
}`

const PROXIED = [/^response (received|status) 200$/, /data .*\/foo.*"via":"localhost"/]

const SERVED = 'a `server` and `dispatchOptions`'
const RUNTIME_FETCH = "the runtime's own `fetch`, routed by `install()`"
const LOCAL_FETCH = "the runtime's own `fetch` in the place of an import"

export const agents: Plans = {
  Agent: {
    Agent: [
      [
        {
          behind: `${GLOBAL_REQUEST}\nconsole.log(Object.keys(agent.stats))`,
          prints: [/^200 .*watched/, /^\[ 'http:\/\/localhost:3000' \]$/],
        },
      ],
    ],
    'agent.stats': [
      [
        {
          prints: [
            /^\{$/,
            /'http:\/\/localhost:3000': PoolStats \{$/,
            ...[/connected: 1/, /free: 1/, /pending: 0/, /queued: 0/, /running: 0/, /size: 0/],
            /^ {2}\}$/,
            /^\}$/,
          ],
          differs: 'an idle connection is counted as `free` in sluice, as `PoolStats.md` says, not in undici',
        },
      ],
    ],
    'agent.request(options[, callback])': [[{ prints: [/^response received 200$/, /^data \{.*"url":"\/"/] }]],
  },
  Errors: {
    Errors: [
      [
        {
          needs: 'an `err`',
          before: CONNECT_TIMEOUT,
          behind: 'console.log(err instanceof errors.ConnectTimeoutError, err.name)',
          prints: [/^true ConnectTimeoutError$/],
        },
      ],
      [
        {
          needs: 'an `err`',
          before: CONNECT_TIMEOUT,
          behind: 'console.log(err.code)',
          prints: [/^UND_ERR_CONNECT_TIMEOUT$/],
        },
      ],
    ],
    'Configuring timeouts for fetch': [
      [
        {
          needs: RUNTIME_FETCH,
          before: INSTALLED,
          behind: DISPATCHED,
          runtimeFetch: true,
          trusts: true,
          prints: [/^\[ 'https:\/\/example.com' \]$/],
        },
      ],
    ],
    'Class: WebAssemblyNotSupportedError': [
      [{ needs: RUNTIME_FETCH, before: INSTALLED, behind: DISPATCHED, prints: [/^\[ 'http:\/\/localhost:3000' \]$/] }],
    ],
    'Class: SocketError': [
      [
        {
          before: SOCKET_FAILURE,
          behind: SOCKET_FIELDS,
          prints: [/^localAddress .*Port remoteAddress remotePort remoteFamily bytesWritten bytesRead$/],
        },
      ],
    ],
  },
  RetryHandler: {
    RetryHandler: [[{ behind: 'console.log(typeof RetryHandler)', prints: [/^function$/] }]],
    Examples: [
      [
        {
          needs: SERVED,
          before: failing(1),
          behind: `${AFTER_ANSWER}\nconsole.log(requestCount, Buffer.concat(chunks).toString())`,
          prints: [/^2 at last$/],
        },
      ],
      [{ needs: SERVED, before: failing(1), behind: `${AFTER_ANSWER}\nconsole.log(requestCount)`, prints: [/^2$/] }],
    ],
  },
  RetryAgent: {
    RetryAgent: [[{ behind: 'console.log(typeof RetryAgent)', prints: [/^function$/] }]],
    'new RetryAgent(dispatcher[, options])': [[{ prints: [/^200$/, /"host":"example.com"/] }]],
  },
  ProxyAgent: {
    ProxyAgent: [[{ behind: GLOBAL_REQUEST, prints: [/^200 .*"via":"localhost"/] }]],
    'new ProxyAgent(options)': [
      [
        {
          trusts: true,
          behind: FOUR_PROXIES,
          prints: [...Array<RegExp>(3).fill(/"via":"localhost"/), /"host":"secure.endpoint.com"/],
        },
      ],
    ],
    'Example - proxy request with the global dispatcher': [[{ prints: PROXIED }]],
    'Example - proxy request with a local dispatcher': [[{ prints: PROXIED }]],
    'Example - proxy request with authentication': [
      [
        {
          behind: `console.log(await (await request('http://localhost:3000/watched')).body.text())`,
          prints: [/received 200$/, /"via":"localhost, Basic dXNlcm5hbWU6cGFzc3dvcmQ="/],
        },
      ],
    ],
    'proxyAgent.close()': [[{ behind: 'console.log(proxyAgent.closed)', prints: [/^true$/] }]],
    'Example - proxy request with fetch': [[{ needs: LOCAL_FETCH, runtimeFetch: true, prints: PROXIED }]],
    'Example - HTTPS tunneling': [
      [
        {
          needs: LOCAL_FETCH,
          runtimeFetch: true,
          trusts: true,
          prints: [/status 200$/, /response data \{.*secure.endpoint.com/],
        },
      ],
    ],
  },
}
