import t from 'tap'
import { Agent, interceptors, RetryAgent } from '../../lib/index.js'
import { type Origin, onRequests, rawOrigin, response } from '../servers/origin.js'
import { type Attack, counted, each } from './catalogue.js'
import { outcome } from './requests-to-attacker.js'

/** A redirect to an unwanted location, or one that should not receive all headers. */
interface MaliciousRedirect extends Attack {
  location(there: string, here: string): string
  status?: number
  request?: object
  /** Outcome of the request. Default: the response of the last origin. */
  outcome?: string
  /** Headers that the other origin must not receive. Default: all secrets. */
  kept?: readonly string[]
}

const SECRET = 'hunter2'
const secrets = { authorization: SECRET, cookie: SECRET, 'proxy-authorization': SECRET, host: `${SECRET}.test` }
const REFUSED = 'UND_ERR_INVALID_ARG'
const LATE = 'UND_ERR_CONNECT_TIMEOUT'

const detours: MaliciousRedirect[] = [
  ...[
    'file:///etc/passwd',
    'javascript:alert(1)',
    'data:,x',
    'ftp://host/',
    'blob:http://host/',
    'ws://host/',
    'about:blank',
    'http://[',
  ].map((where) => ({ what: `to ${where}`, good: 'refuses', location: () => where, outcome: REFUSED })),
  { what: 'to another port', good: 'does not send credentials', location: (there) => there },
  {
    what: 'to another name of the same host',
    good: 'does not send credentials',
    location: (there) => there.replace('127.0.0.1', 'localhost'),
  },
  {
    what: 'to another origin, without a scheme',
    good: 'does not send credentials',
    location: (there) => there.replace('http:', ''),
  },
  {
    what: 'to another origin, with backslashes',
    good: 'does not send credentials',
    location: (there) => there.replace('http://', '/\\'),
  },
  {
    what: 'to another origin, with a tab in it',
    good: 'does not send credentials',
    location: (there) => there.replace('http://', 'ht\ttp://'),
  },
  {
    what: 'to another origin, with credentials of its own',
    good: 'sends neither',
    location: (there) => there.replace('//', '//user:other@'),
  },
  ...[301, 303, 307, 308].map((status) => ({
    what: `by ${status} with a body`,
    good: 'does not send credentials',
    status,
    location: (there: string) => there,
    request: { method: 'POST', body: 'x' },
  })),
  {
    what: 'to another scheme of the same host and port',
    good: 'does not send credentials',
    location: (there) => there.replace('http:', 'https:'),
    outcome: LATE,
  },
  { what: 'to itself', good: 'does not turn in circles', location: (_there, here) => `${here}/`, outcome: REFUSED },
]

async function redirectingOrigins(
  answer: (path: string) => string,
): Promise<{ here: Origin; there: Origin; heads: string[] }> {
  const heads: string[] = []
  const here = await rawOrigin((socket) =>
    onRequests(socket, (head) => socket.write(answer(head.split(' ')[1] as string))),
  )
  const there = await rawOrigin((socket) => {
    socket.on('data', (chunk) => heads.push(chunk.toString('latin1')))
    onRequests(socket, () => socket.write(response('there')))
  })
  return { here, there, heads }
}

t.test('sends no credentials to another origin after a redirect', (t) =>
  each(t, detours, async (t, { location, status = 302, request = {}, outcome: wanted = 'there' }) => {
    const moved = () =>
      `HTTP/1.1 ${status} Moved\r\nlocation: ${location(there.url, here.url)}\r\ncontent-length: 0\r\n\r\n`
    const { here, there, heads } = await redirectingOrigins(moved)
    const agent = new Agent({ connectTimeout: 200 })
    const options = { origin: here.url, path: '/', method: 'GET', headers: secrets, ...request }
    for (const dispatcher of [agent, new RetryAgent(agent, { maxRetries: 1 })]) {
      const following = dispatcher.compose(interceptors.redirect({ maxRedirections: 5 }))
      t.equal(await outcome(following as never, options), wanted)
    }
    for (const head of heads) t.notMatch(head, new RegExp(`${SECRET}|other`), 'no secret is sent to the other origin')
    t.equal(heads.length >= 2, wanted === 'there' || wanted === LATE)
    await agent.destroy()
    await Promise.all([here.close(), there.close()])
  }),
)

/** A redirect that never ends. */
const mazes: (Attack & { answer(path: string): string })[] = [
  {
    what: 'redirects to new locations forever',
    good: 'stops after maxRedirections',
    answer: (path) => `HTTP/1.1 302 Moved\r\nlocation: ${path}x\r\ncontent-length: 0\r\n\r\n`,
  },
  {
    what: 'a redirect whose body has no end',
    good: 'does not wait for it',
    answer: (path) => `HTTP/1.1 302 Moved\r\nlocation: ${path}x\r\n\r\n${'body'.repeat(100_000)}`,
  },
]

t.test('stops endless redirects', (t) =>
  each(t, mazes, async (t, { answer }) => {
    let requestCount = 0
    const { here, there } = await redirectingOrigins((path) => {
      requestCount++
      return answer(path)
    })
    const agent = new Agent()
    const following = agent.compose(interceptors.redirect({ maxRedirections: 5, throwOnMaxRedirect: true }))
    t.equal(await outcome(following as never, { origin: here.url, path: '/', method: 'GET' }), 'UND_ERR_REDIRECT_MAX')
    t.equal(requestCount, 6)
    await agent.destroy()
    await Promise.all([here.close(), there.close()])
  }),
)

t.test('README.md has the number of these attacks', counted)
