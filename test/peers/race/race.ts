import { Client, type DispatchHandler } from '../../../lib/index.js'
import { type LateProxy, lateProxy } from './late-proxy.js'
import { type Habit, raceServer } from './server.js'

/** Timers of nginx in ms, and its request limit per connection. */
const HABITS: readonly Habit[] = [
  { keepAliveTimeout: 1, keepAliveRequests: 1000 },
  { keepAliveTimeout: 2, keepAliveRequests: 1000 },
  { keepAliveTimeout: 3, keepAliveRequests: 4 },
  { keepAliveTimeout: 5, keepAliveRequests: 5 },
  { keepAliveTimeout: 1, keepAliveRequests: 2 },
  { keepAliveTimeout: 1000, keepAliveRequests: 1 },
  { keepAliveTimeout: 1000, keepAliveRequests: 3 },
]

const KINDS: readonly { method: string; body: string | null; idempotent: boolean; weight: number }[] = [
  { method: 'GET', body: null, idempotent: true, weight: 4 },
  { method: 'HEAD', body: null, idempotent: true, weight: 1 },
  { method: 'PUT', body: 'a body', idempotent: true, weight: 1 },
  { method: 'POST', body: 'a body', idempotent: false, weight: 4 },
]
const WEIGHED = KINDS.flatMap((kind) => new Array<typeof kind>(kind.weight).fill(kind))

export interface Figures {
  rounds: number
  seconds: number
  /** Number of opened connections. */
  connections: number
  /** Idempotent requests that were retried because the server had closed the connection. */
  replays: number
  /** Requests that the proxy received after the server had closed. */
  late: number
  /** Failed idempotent requests by code. */
  idempotentFailures: Record<string, number>
  posts: number
  /** Failed POSTs by code. */
  postFailures: Record<string, number>
  /** Failed POSTs that the server had executed. */
  postsExecutedUnanswered: number
  postsExecutedTwice: number
  /** Responses of other requests, and errors with wrong information. */
  wrong: string[]
}

interface Outcome {
  starts: number
  answer: string | null
  error: (Error & Record<string, unknown>) | null
}

/** Waits by spinning the event loop, so that it never blocks in poll. */
async function pass(ms: number, blocking: boolean): Promise<void> {
  const until = performance.now() + ms
  while (performance.now() < until) if (!blocking) await new Promise(setImmediate)
}

function send(client: Client, target: string, kind: (typeof KINDS)[number]): Promise<Outcome> {
  return new Promise((resolve) => {
    const outcome: Outcome = { starts: 0, answer: null, error: null }
    let text = ''
    let named: unknown
    const handler: DispatchHandler = {
      onRequestStart: () => void outcome.starts++,
      onResponseStart: (_controller, _statusCode, headers) => {
        named = headers['x-target']
      },
      onResponseData: (_controller, chunk) => {
        text += chunk.toString()
      },
      onResponseEnd: () => resolve({ ...outcome, answer: `${named} ${text}` }),
      onResponseError: (_controller, error) => resolve({ ...outcome, error: error as Outcome['error'] }),
    }
    const { method, body, idempotent } = kind
    client.dispatch({ path: target, method, body, idempotent }, handler)
  })
}

class Race {
  readonly figures: Figures
  readonly #failedPosts: string[] = []
  readonly #rounds: number
  #begun = 0

  constructor(rounds: number) {
    this.#rounds = rounds
    this.figures = {
      rounds: 0,
      seconds: 0,
      connections: 0,
      replays: 0,
      late: 0,
      idempotentFailures: {},
      posts: 0,
      postFailures: {},
      postsExecutedUnanswered: 0,
      postsExecutedTwice: 0,
      wrong: [],
    }
  }

  /** Sends requests at about the time when the server closes the connection, until all rounds have begun. */
  async run(port: number, { keepAliveTimeout }: Habit, pipelining: number): Promise<void> {
    const client = new Client(`http://127.0.0.1:${port}`, { pipelining, keepAliveTimeout: 60_000 })
    client.on('connect', () => this.figures.connections++)
    while (this.#begun < this.#rounds) {
      const batch = Array.from({ length: pipelining === 1 ? 1 : 1 + Math.floor(Math.random() * pipelining) }, () => {
        const kind = WEIGHED[Math.floor(Math.random() * WEIGHED.length)] as (typeof KINDS)[number]
        const target = `/${this.#begun++}`
        return send(client, target, kind).then((outcome) => this.#judge(target, kind, outcome))
      })
      await Promise.all(batch)
      // In one of eight rounds the event loop is blocked meanwhile.
      if (keepAliveTimeout < 100) await pass(keepAliveTimeout * (0.7 + Math.random() * 1.1), Math.random() < 0.125)
    }
    await client.close()
  }

  #judge(target: string, { method, idempotent }: (typeof KINDS)[number], outcome: Outcome): void {
    const { figures } = this
    const { starts, answer, error } = outcome
    figures.rounds++
    if (method === 'POST') figures.posts++
    if (starts > 1 && idempotent) figures.replays++
    const right = `${target} ${method === 'HEAD' ? '' : `${method} ${target}`}`
    if (error === null && answer !== right) figures.wrong.push(`${method} ${target}: ${answer}`)
    if (error === null) return
    const failures = idempotent ? figures.idempotentFailures : figures.postFailures
    const code = String(error.code ?? error)
    failures[code] = (failures[code] ?? 0) + 1
    if (!idempotent) this.#failedPosts.push(target)
    const { reusedSocket, replaySafe, bytesWritten, phase } = error
    const truthful = reusedSocket === true && replaySafe === idempotent && Number(bytesWritten) > 0 && phase === 'wait'
    if (!truthful) {
      figures.wrong.push(
        `${method} ${target}: ${code} ${JSON.stringify({ reusedSocket, replaySafe, bytesWritten, phase })}`,
      )
    }
  }

  /** Evaluates the run. `executed`: number of executions by method and target. */
  count(executed: Map<string, number>): void {
    const { figures } = this
    for (const [request, times] of executed) {
      if (times > 1 && request.startsWith('POST ')) figures.postsExecutedTwice++
    }
    for (const target of this.#failedPosts) if (executed.has(`POST ${target}`)) figures.postsExecutedUnanswered++
  }
}

/**
 * Sends requests at about the time when nginx closes their connections. `delay`: a proxy between them forwards the close up
 * to so many ms late; 0 for no proxy.
 */
export async function race(part: { rounds: number; width: number; delay: number }): Promise<Figures> {
  const server = await raceServer(HABITS)
  const proxy: LateProxy | null = part.delay > 0 ? await lateProxy(server.ports, part.delay) : null
  const ports = proxy?.ports ?? server.ports
  const started = performance.now()
  const race = new Race(part.rounds)
  const clients = Array.from({ length: part.width }, (_, index) => {
    const which = index % HABITS.length
    return race.run(ports[which] as number, HABITS[which] as Habit, index % 3 === 2 ? 5 : 1)
  })
  await Promise.all(clients)
  race.figures.seconds = (performance.now() - started) / 1000
  race.figures.late = proxy?.late ?? 0
  await proxy?.stop()
  race.count(await server.stop())
  return race.figures
}

/** Returns violations of what must always hold. */
export function faultsOf(figures: Figures): string[] {
  const { idempotentFailures, postFailures, postsExecutedTwice, wrong } = figures
  const faults = Object.entries(idempotentFailures).map(
    ([code, times]) => `${times} idempotent requests failed: ${code}`,
  )
  if (postsExecutedTwice > 0) faults.push(`${postsExecutedTwice} POSTs were executed twice`)
  for (const code of Object.keys(postFailures)) {
    if (!/^(UND_ERR_SOCKET|ECONNRESET|EPIPE)$/.test(code)) faults.push(`a POST failed with ${code}`)
  }
  return [...faults, ...wrong.slice(0, 20)]
}
