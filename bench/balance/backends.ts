import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { answer } from '../harness/channel.js'
import { type Behaviour, exponential, type Scenario, type ScenarioName, scenarios, seeded } from './behaviours.js'
import { BODY } from './contenders.js'

// The backends as a process.

/** ms between two looks at who takes connections. */
const TICK = 10

class Backend {
  readonly #behaviour: Behaviour
  readonly #server: http.Server
  #answered = 0
  port = 0

  constructor(behaviour: Behaviour, takes: (behaviour: Behaviour) => number) {
    this.#behaviour = behaviour
    this.#server = http.createServer({ keepAliveTimeout: 60_000 }, (request, reply) => {
      const fatal = ++this.#answered % (behaviour.dying ?? Number.POSITIVE_INFINITY) === 0
      setTimeout(() => respond(request, reply, fatal), takes(behaviour))
    })
  }

  get answered(): number {
    return this.#answered
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.port, '127.0.0.1', resolve))
    this.port = (this.#server.address() as AddressInfo).port
  }

  /** Takes connections, or refuses them and breaks those that there are. */
  check(time: number): void {
    const alive = this.#behaviour.alive(time)
    if (alive === this.#server.listening) return
    if (alive) return void this.#server.listen(this.port, '127.0.0.1')
    this.#server.close()
    this.#server.closeAllConnections()
  }

  begin(): void {
    this.#answered = 0
    this.#server.closeAllConnections()
  }
}

function respond(request: http.IncomingMessage, reply: http.ServerResponse, fatal: boolean): void {
  const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
  const range = from > 0 ? { 'content-range': `bytes ${from}-${BODY.length - 1}/${BODY.length}` } : {}
  const rest = BODY.slice(from)
  const fields = { etag: '"one"', 'accept-ranges': 'bytes', 'content-length': rest.length, ...range }
  reply.writeHead(from > 0 ? 206 : 200, fields)
  if (!fatal) return void reply.end(rest)
  reply.write(rest.slice(0, rest.length / 2), () => request.socket.destroy())
}

let backends: Backend[] = []
let started = 0
let pace = 1

answer({
  /** Where they listen; those that refuse as well. */
  async open(name: ScenarioName): Promise<string[]> {
    const scenario: Scenario = scenarios[name]
    const random = seeded(1)
    const [steady, mean] = scenario.service
    pace = scenario.pace
    const now = () => (performance.now() - started) * pace
    const takes = ({ slowness }: Behaviour) => (steady + exponential(random, mean)) * slowness(now())
    backends = scenario.behaviours.map((behaviour) => new Backend(behaviour, takes))
    for (const backend of backends) await backend.open()
    setInterval(() => {
      for (const backend of backends) backend.check(now())
    }, TICK)
    return backends.map(({ port }) => `http://127.0.0.1:${port}`)
  },
  /** From now on their time counts. */
  begin() {
    started = performance.now()
    for (const backend of backends) {
      backend.check(0)
      backend.begin()
    }
  },
  /** Requests that each has had since. */
  counts: () => backends.map(({ answered }) => answered),
})
