import type { Entry, Plans } from './plan.js'

/** Code that sends a request with the dispatcher of an example. */
function exampleWithRequest(name: string, host = 'localhost:3000', trusts = false): Entry {
  const behind = `
const watched = await ${name}.request({ path: '/watched', method: 'GET' })
console.log(watched.statusCode, await watched.body.text())
await ${name}.close()`
  return [{ behind, prints: [new RegExp(`^200 .*/watched.*"${host}"`)], ...(trusts ? { trusts } : {}) }]
}

const ANSWER = /^\{"method":"GET","url":"\/","host":"localhost:3000"\}$/
const HELLO = /^Hello, World!$/

/** Response headers after `first`, as `console.log` prints them. */
function fields(first: RegExp, ...names: string[]): RegExp[] {
  return [first, ...names.map((name) => new RegExp(`^  '?${name}'?: '`)), /^\}$/]
}

const FIELDS = fields(/^headers \{$/, 'date', 'connection', 'keep-alive', 'content-length')

const OWN_CLIENT = `import { Client } from 'undici'
const client = new Client('http://localhost:3000')`

const REDIRECTED = `
const { createServer } = await import('node:http')
const { once } = await import('node:events')
const server = createServer((request, answer) => {
  if (request.url === '/') answer.writeHead(302, { location: '/there' }).end()
  else answer.end(request.url)
}).listen()
await once(server, 'listening')
const base = new Client(\`http://localhost:\${server.address().port}\`)
const followed = await base.compose(redirectInterceptor).request({ path: '/', method: 'GET', maxRedirections: 1 })
console.log(followed.statusCode, await followed.body.text())
await base.close()
server.close()`

const TLS_SOCKET = `
connector({ protocol: 'https:', hostname: 'localhost', port: '3000' }, (error, socket) => {
  console.log(error, socket.encrypted, socket.authorized)
  socket.destroy()
})`

export const dispatchers: Plans = {
  Client: {
    Client: [[{ prints: [] }]],
    'new Client(url[, options])': [
      exampleWithRequest('client'),
      exampleWithRequest('client'),
      exampleWithRequest('client'),
      exampleWithRequest('client', 'example.com', true),
      exampleWithRequest('client'),
    ],
    'client.request(options[, callback])': [[{ prints: [/^200$/, ANSWER] }]],
    "Event: 'connect'": [[{ prints: [/^Connected to http:\/\/localhost:PORT\/$/, HELLO] }]],
    "Event: 'disconnect'": [
      [{ prints: [/^Disconnected from http:\/\/localhost:PORT\/$/], printsError: /^other side closed$/ }],
    ],
    "Event: 'drain'": [[{ prints: [/^drain event$/] }]],
  },
  Pool: {
    Pool: [[{ prints: [/^200 \{"method":"GET","url":"\/"/] }]],
    'new Pool(url[, options])': [exampleWithRequest('pool')],
    'pool.request(options[, callback])': [
      [{ prints: [...fields(/^200 \{$/, 'content-type', 'connection', 'keep-alive', 'content-length'), ANSWER] }],
    ],
  },
  BalancedPool: { BalancedPool: [[{ prints: [/^response received 200$/, /^data \{.*"host":"localhost:300[012]"/] }]] },
  RoundRobinPool: {
    RoundRobinPool: [exampleWithRequest('pool')],
    Example: [[{ prints: Array<RegExp>(100).fill(/url: '\/api\/data'/) }]],
  },
  Dispatcher: {
    Dispatcher: [[{ prints: [/^true$/] }]],
    'dispatcher.close([callback])': [[{ prints: [/^undici$/, /^Client closed$/] }]],
    'dispatcher.connect(options[, callback])': [[{ prints: [/received: Body .* wanted: Body$/] }]],
    'dispatcher.destroy([error[, callback]])': [
      [
        {
          needs: 'a `dispatcher`',
          before: OWN_CLIENT.replace('client =', 'dispatcher ='),
          behind: 'console.log(dispatcher.destroyed)',
          prints: [/^true$/],
        },
      ],
      [{ prints: [/^Client destroyed$/], printsError: /^ClientDestroyedError: / }],
    ],
    'dispatcher.dispatch(options, handler)': [
      [{ prints: [/^Connected!$/, /^statusCode: 200 .*"content-length":"13"/, /^trailers: \{\}$/, /Hello, World!$/] }],
    ],
    'dispatcher.pipeline(options, handler)': [
      [
        {
          prints: [/received 200$/, ...fields(/^headers \{$/, 'date', 'connection', 'transfer-encoding'), /: undici$/],
          differs: 'sluice closes the connection after a GET with a body',
        },
      ],
    ],
    'dispatcher.request(options[, callback])': [
      [{ prints: [/received 200$/, ...FIELDS, HELLO, /^trailers \{\}$/] }],
      [{ prints: [], printsError: /AbortError/, fails: 'the aborted request is not awaited' }],
      [
        {
          needs: 'a `client`, and a function to return from',
          before: `${OWN_CLIENT}\nconst returned = await (async () => {`,
          behind: '})()\nconsole.log(Buffer.from(returned).toString())',
          prints: [ANSWER],
        },
      ],
    ],
    'dispatcher.stream(options, factory[, callback])': [[{ prints: [/received 200$/, ...FIELDS, HELLO] }]],
    'dispatcher.upgrade(options[, callback])': [[{ prints: [/^upgrade: Websocket$/] }]],
    'dispatcher.compose(interceptors[, interceptor])': [
      [{ behind: REDIRECTED, prints: [/^200 \/there$/] }],
      [
        {
          needs: 'the two interceptors',
          before: `import { interceptors } from 'undici'
const redirectInterceptor = interceptors.redirect({ maxRedirections: 2 })
const retryInterceptor = interceptors.retry()`,
          prints: [],
        },
      ],
    ],
  },
  Connector: {
    Connector: [[{ behind: TLS_SOCKET, prints: [/^null true false$/] }]],
    'buildConnector([options])': [exampleWithRequest('client')],
    'Example: validate the CA fingerprint': [
      [
        {
          prints: [],
          printsError: /^Error: Fingerprint does not match/,
          fails: 'its fingerprint is invented; with the one of the real authority it runs',
        },
        { placeholder: 'FO:OB:AR', prints: [ANSWER] },
      ],
    ],
  },
}
