import net from 'node:net'
import { Duplex, Readable } from 'node:stream'
import t from 'tap'
import { Client, Pool } from '../../lib/index.js'
import { authority, serverIdentity } from '../servers/certificates.js'
import { answerTo, type CountingServer, type Cut, countingServer, type Fault } from '../servers/counting.js'
import { event } from '../servers/origin.js'

const seed = Number(process.env.SLUICE_SEED ?? Math.floor(Math.random() * 2 ** 31))
let state = seed

/** Returns a generator of numbers from 0 to 1 (mulberry32). */
function random(): number {
  state = (state + 0x6d2b79f5) | 0
  let value = Math.imul(state ^ (state >>> 15), 1 | state)
  value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
  return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32
}

const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T

const bodies = {
  none: () => null,
  Buffer: () => Buffer.from('what is sent'),
  string: () => 'what is sent',
  Blob: () => new Blob(['what ', 'is sent']),
  stream: () => Readable.from(['what ', 'is sent']),
  async *iterable() {
    yield 'what '
    yield 'is sent'
  },
  array: () => ['what ', 'is sent'],
}
type Body = keyof typeof bodies

interface Kind {
  method: string
  body: Body
  /** Value of the option; `undefined` for the default of the method. */
  idempotent?: true
}

const all = Object.keys(bodies) as Body[]
const kinds: readonly Kind[] = [
  { method: 'GET', body: 'none' },
  { method: 'GET', body: 'Buffer' },
  { method: 'HEAD', body: 'none' },
  ...['PUT', 'DELETE', 'POST', 'PATCH'].flatMap((method) => all.map((body) => ({ method, body }))),
  ...['PUT', 'DELETE'].flatMap((method) => all.map((body) => ({ method, body, idempotent: true as const }))),
]

const transports = ['TCP', 'TLS', 'a connector', 'a connector of streams'] as const
type Transport = (typeof transports)[number]

interface Case {
  kind: Kind
  pipelining: 1 | 5
  /** Index among the requests that are sent together. */
  place: number
  /** Whether another request was completed on the connection before. */
  reused: boolean
  pool: boolean
  transport: Transport
  fault: Omit<Fault, 'request'>
}

function anyCase(fault: Case['fault']): Case {
  const pipelining = pick([1, 5] as const)
  return {
    kind: pick(kinds),
    pipelining,
    place: pipelining === 1 ? 0 : Math.floor(random() * 5),
    reused: random() < 0.7,
    pool: random() < 0.5,
    transport: pick(transports),
    fault,
  }
}

type Servers = Record<'http' | 'https', CountingServer> & { ca: string }

/** A custom stream around a socket. */
function streamOver(socket: net.Socket): Duplex {
  const duplex = new Duplex({
    read: () => void socket.resume(),
    write: (chunk, _encoding, callback) => void socket.write(chunk, callback),
    final: (callback) => void socket.end(callback),
    destroy: (error, callback) => {
      socket.destroy()
      callback(error)
    },
  })
  socket.on('data', (chunk) => duplex.push(chunk) || socket.pause())
  socket.on('end', () => duplex.push(null))
  socket.on('error', (error) => duplex.destroy(error))
  return duplex
}

function dispatcherOf(one: Case, servers: Servers): { dispatcher: Client | Pool; server: CountingServer } {
  const secure = one.transport === 'TLS'
  const server = secure ? servers.https : servers.http
  const connector = (_options: object, callback: (error: null, socket: never) => void) => {
    const socket = net.connect(server.port, '127.0.0.1')
    const made = one.transport === 'a connector' ? socket : streamOver(socket)
    socket.once('connect', () => callback(null, made as never))
  }
  const connect = one.transport.startsWith('a ')
    ? { connect: connector }
    : secure
      ? { connect: { ca: servers.ca } }
      : {}
  const options = { pipelining: one.pipelining, ...connect }
  const dispatcher = one.pool ? new Pool(server.url, { connections: 1, ...options }) : new Client(server.url, options)
  return { dispatcher, server }
}

interface Outcome {
  error: (Error & Record<string, unknown>) | null
  answer: string | null
}

async function ask(dispatcher: Client | Pool, target: string, kind: Kind): Promise<Outcome> {
  const { method, body, ...idempotent } = kind
  try {
    const options = { path: target, method: method as 'GET', body: bodies[body]() as never, ...idempotent }
    const answer = await dispatcher.request(options)
    return { error: null, answer: `${answer.headers['x-target']} ${await answer.body.text()}` }
  } catch (error) {
    return { error: error as Outcome['error'], answer: null }
  }
}

const GET: Kind = { method: 'GET', body: 'none' }
const rightAnswer = (target: string, { method }: Kind) => `${target} ${method === 'HEAD' ? '' : `${method} ${target}`}`

/** Returns what is wrong with the result of a case. */
async function wrongWith(one: Case, servers: Servers): Promise<string[]> {
  const { dispatcher, server } = dispatcherOf(one, servers)
  const wrong: string[] = []
  const must = (right: boolean, what: string) => {
    if (!right) wrong.push(what)
  }
  const disconnected = event(dispatcher, 'disconnect')
  server.expect({ ...one.fault, request: one.place + (one.reused ? 1 : 0) })
  if (one.reused) must((await ask(dispatcher, '/before', GET)).error === null, 'the one before')
  const targets = Array.from({ length: one.pipelining }, (_, index) => (index === one.place ? '/it' : `/other${index}`))
  const outcomes = await Promise.all(
    targets.map((target) => ask(dispatcher, target, target === '/it' ? one.kind : GET)),
  )
  for (const [index, target] of targets.entries()) {
    const { answer, error } = outcomes[index] as Outcome
    if (target === '/it') continue
    // Bytes that arrive after the request was sent can not be distinguished from its response.
    if (error !== null && one.fault.how === 'garbage' && outcomes[one.place]?.answer !== null) {
      must(String(error.code).startsWith('HPE_') && index > one.place, `${target}: ${error}`)
      continue
    }
    must(answer === rightAnswer(target, GET), `${target}: ${answer} ${error}`)
    must(server.executions.get(target) === 1, `${target}: ${server.executions.get(target)} times`)
  }
  judge(one, outcomes[one.place] as Outcome, { server, must })
  if (server.faulted) await disconnected
  const { answer, error } = await ask(dispatcher, '/after', { method: 'POST', body: 'string' })
  must(answer === rightAnswer('/after', { method: 'POST', body: 'string' }), `/after: ${answer} ${error}`)
  must(server.executions.get('/after') === 1, '/after')
  await dispatcher.close()
  return wrong
}

function judge(
  one: Case,
  { answer, error }: Outcome,
  { server, must }: { server: CountingServer; must: (right: boolean, what: string) => void },
): void {
  const { kind, fault } = one
  const idempotent = kind.idempotent === true || kind.method === 'GET' || kind.method === 'HEAD'
  const replayable = ['none', 'Buffer', 'string', 'Blob'].includes(kind.body)
  const reused = one.reused || one.place > 0
  const whole = answerTo(kind.method, '/it').length
  const executed = server.executions.get('/it') ?? 0
  const sent = fault.of === 'response' ? fault.after : 0
  const started = sent > 0 || fault.how === 'garbage'
  const again = server.faulted && idempotent && replayable && reused && !started
  const times = (fault.of === 'response' || !server.faulted ? 1 : 0) + (again ? 1 : 0)
  must(executed === times, `executed ${executed} times, not ${times}`)
  if (again || sent >= whole || !server.faulted) must(answer === rightAnswer('/it', kind), `answer ${answer} ${error}`)
  // Within a header value or body, garbage can not be detected.
  else if (fault.how !== 'garbage' || sent === 0) must(error !== null, `answered: ${answer}`)
  if (error === null) return
  // The error for a short body has the reason of the close as its cause.
  const { code } = (error.code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' ? error.cause : error) as typeof error
  must(/^(UND_ERR_SOCKET|ECONNRESET|EPIPE|HPE_[A-Z_]+)$/.test(String(code ?? error.cause)), `${code}`)
  must(error.reusedSocket === reused, `reusedSocket ${error.reusedSocket}`)
  must(error.replaySafe === (!started && idempotent && replayable), `replaySafe ${error.replaySafe}`)
  const known = server.received.get('/it')
  if (known !== undefined) must(error.bytesWritten === known, `bytesWritten ${error.bytesWritten}, not ${known}`)
  else must(Number(error.bytesWritten) >= fault.after, `bytesWritten ${error.bytesWritten} of ${fault.after}`)
}

t.test('replays or fails requests correctly if the connection closes at any byte', async (t) => {
  t.comment(`again: SLUICE_SEED=${seed} node dist/test/connection/replay.test.js`)
  const ca = await authority()
  const servers = { http: await countingServer(), https: await countingServer(await serverIdentity(ca)), ca: ca.cert }
  const run = async (cases: Iterable<Case>) => {
    let count = 0
    const failures: unknown[] = []
    for (const one of cases) {
      count++
      const wrong = await wrongWith(one, servers)
      if (wrong.length > 0 && failures.length < 10) failures.push({ ...one, wrong })
    }
    return { count, failures }
  }
  const runs = Number(process.env.SLUICE_PROPERTY_RUNS ?? 1)
  const cuts: readonly Cut[] = ['fin', 'rst', 'garbage']

  await t.test('before the first byte of the response', async (t) => {
    function* cases(): Generator<Case> {
      for (const kind of kinds) {
        for (const reused of [true, false]) {
          for (const how of cuts) yield { ...anyCase({ of: 'response', after: 0, how }), kind, reused }
        }
      }
    }
    const { count, failures } = await run(cases())
    t.strictSame(failures, [], `${count} cases`)
  })

  for (const of of ['response', 'request'] as const) {
    await t.test(`after each byte of the ${of}`, async (t) => {
      // Number of bytes of the longest response: no later cut is possible.
      const longest = of === 'response' ? answerTo('DELETE', '/it').length : 110
      function* cases(): Generator<Case> {
        for (let after = of === 'response' ? 0 : 1; after <= longest; after++) {
          for (const how of cuts) for (let i = 0; i < runs; i++) yield anyCase({ of, after, how })
        }
      }
      const { count, failures } = await run(cases())
      t.strictSame(failures, [], `${count} cases`)
    })
  }
  await servers.http.close()
  await servers.https.close()
})
