import type { Plan } from './plan.js'

/** Expected result of a program in the project's own documents. Programs run unchanged. */
export interface ProgramPlan extends Pick<Plan, 'prints' | 'trusts' | 'behind'> {
  /** Expected requests per connection, by host. Default: not checked. */
  serves?: Record<string, number[]>
}

const SERVICE = 'my-service.default.svc.cluster.local'
const nine = [1, 1, 1, 2, 2, 2, 3, 3, 3].map((number) => new RegExp(`^  'backend-${number}.internal',?$`))
const numbers = ['connected', 'free', 'pending', 'queued', 'running', 'size']

/** `PoolStats` as `console.log` prints them after another argument. */
function stats(...values: (number | string)[]): RegExp[] {
  return [...numbers.map((name, at) => new RegExp(`^  ${name}: ${values[at]},?$`)), /^\}$/]
}

const items = (host: string, before = '') =>
  new RegExp(`^${before}\\{ method: 'GET', url: '/items', host: '${host}' \\}`)

/** Plans by document, heading and position. */
export const ownPlans: Record<string, Record<string, ProgramPlan[]>> = {
  README: {
    'A first program': [
      { prints: [items('localhost:3000', '200 application/json ')], serves: { 'localhost:3000': [1] } },
      { prints: [/^250 answers, median \d+\.\d ms, p99 \d+\.\d ms$/] },
      {
        prints: [items('localhost:3000', '200 '), /^200$/, /^SLUICE_ERR_TOTAL_TIMEOUT GET \/never wait timeout$/],
      },
    ],
    'Which pool': [
      {
        trusts: true,
        prints: [new RegExp(`${items('api.example.com', '200 ').source} PoolStats \\{$`), ...stats(1, 1, 0, 0, 0, 0)],
        serves: { 'api.example.com': [1] },
      },
      { trusts: true, prints: [/^200 \{ method: 'GET', url: '\/fails-twice'/], serves: { 'api.example.com': [3] } },
      { prints: [/^true$/], serves: { [SERVICE]: Array(10).fill(15) } },
      {
        prints: [
          /^\[$/,
          ...nine,
          /^\]$/,
          /^\[$/,
          ...[2, 3, 4].map((number) => new RegExp(`^  'http://backend-${number}.internal',?$`)),
          /^\] PoolStats \{$/,
          ...stats('[69]', '[69]', 0, 0, 0, 0),
        ],
        serves: Object.fromEntries([1, 2, 3].map((number) => [`backend-${number}.internal`, [1, 1, 1]])),
      },
      {
        trusts: true,
        prints: [
          items('localhost:3000', 'http://localhost:3000/items 200 '),
          items('api.example.com', 'https://api.example.com/items 200 '),
          /^\[ 'http:\/\/localhost:3000', 'https:\/\/api.example.com' \]$/,
        ],
      },
    ],
  },
  'lib/dispatcher/README': {
    'Queue limits and timeouts': [{ prints: [/^\{"method":"GET","url":"\/","host":"localhost:3000"\}$/] }],
    'Connection lifecycle': [{ prints: [/^4 4$/, /^0$/, /^200$/] }],
    Balancers: [{ prints: [/^\{"method":"GET","url":"\/","host":"localhost:300[12]"\}$/] }],
    Discovery: [
      { prints: [new RegExp(`^\\{"method":"GET","url":"/","host":"${SERVICE}"\\}$`)], serves: { '127.0.0.1': [1] } },
      { prints: [/^\{"method":"GET","url":"\/","host":"localhost:3001"\}$/], serves: { '127.0.0.1:3001': [1] } },
    ],
  },
  'lib/interceptors/README': {
    'Hedged requests': [{ prints: [/^\{"method":"GET","url":"\/","host":"localhost:300[12]"\}$/] }],
  },
  'lib/diagnostics/README': {
    'Timings and inspection': [
      {
        prints: [
          /^\{$/,
          ...['queued', 'dns', 'tcp'].map((name) => new RegExp(`^  ${name}: \\d+(\\.\\d+)?,$`)),
          /^ {2}tls: null,$/,
          ...['sent', 'firstByte', 'end'].map((name) => new RegExp(`^  ${name}: \\d+(\\.\\d+)?,$`)),
          /^ {2}reused: false,$/,
          /^ {2}connection: \d+,$/,
          /^ {2}tries: 1$/,
          /^\}$/,
        ],
      },
      {
        prints: [
          /^Pool http:\/\/localhost:3000, connections: 2, connected: 2, free: 1, pending: 0, queued: 0, running: 1, size: 1$/,
          /^ {2}Client http:\/\/localhost:3000, connected: true, pending: 0, running: 1, size: 1$/,
          /^ {4}#1 waiting for the headers of GET \/never for \d+ ms; 1 in flight, 1 sent$/,
          /^ {2}Client http:\/\/localhost:3000, connected: true, pending: 0, running: 0, size: 0$/,
          /^ {4}#2 idle for \d+ ms; 0 in flight, 1 sent$/,
          /^UND_ERR_DESTROYED$/,
        ],
      },
      { prints: [/^true 2$/, /^\{"queue":\{"count":100,"mean":[^{]*\},"connect":\{.*\},"firstByte":\{.*\}\}$/] },
    ],
  },
  'lib/README': {},
  'bench/README': {},
}

/** Checks of the table for users of other clients, by its first column. */
export const cells: Record<string, { behind: string; prints: RegExp[] }> = {
  JSON: { behind: 'console.log(it)', prints: [items('localhost:3000')] },
  'send JSON': {
    behind: 'console.log(await it.body.json())',
    prints: [/^\{$/, /'POST'/, /url/, /host/, /'\{"a":1\}'/, /^\}$/],
  },
  'kept connections': sent('/items', 200),
  'time limit': { behind: 'console.log(await it.body.json())', prints: [items('localhost:3000')] },
  cancel: { behind: 'console.log(await it.body.json())', prints: [items('localhost:3000')] },
  retries: sent('/fails-twice', 200),
  redirects: sent('/moved', 200),
  'compressed answers': sent('/items', 200),
  'a 500 fails': {
    behind: `${by('/broken')}.catch((error) => console.log(error.code, error.statusCode))`,
    prints: [/^UND_ERR_RESPONSE 500$/],
  },
  proxy: sent('/items', 200),
  'to a file': { behind: "console.log(readFileSync('file', 'utf8'))", prints: [/^\{"method":"GET","url":"\/items"/] },
}

function by(path: string): string {
  return `await request('http://localhost:3000${path}', { dispatcher: it })`
}

/** Checks that the dispatcher was used. */
function sent(path: string, status: number): { behind: string; prints: RegExp[] } {
  const behind = `const sent = ${by(path)}\nconsole.log(sent.statusCode)\nawait sent.body.dump()\nawait it.close()`
  return { behind, prints: [new RegExp(`^${status}$`)] }
}
