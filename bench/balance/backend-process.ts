import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '../harness/channel.js'
import { type Behaviour, exponential, type Scenario, type ScenarioName, scenarios, seeded } from './behaviours.js'
import { BODY } from './clients.js'

// Backend process: runs all backends of a scenario.

/** Interval in ms at which backends start or stop to accept connections. */
const TICK = 10

class Backend {
  readonly #behaviour: Behaviour
  readonly #server: http.Server
  #served = 0
  port = 0

  constructor(behaviour: Behaviour, serviceTime: (behaviour: Behaviour) => number) {
    this.#behaviour = behaviour
    this.#server = http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
      const cutOff = ++this.#served % (behaviour.cutOffEvery ?? Number.POSITIVE_INFINITY) === 0
      setTimeout(() => respond(request, response, cutOff), serviceTime(behaviour))
    })
  }

  get served(): number {
    return this.#served
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.port, '127.0.0.1', resolve))
    this.port = (this.#server.address() as AddressInfo).port
  }

  /** Accepts connections, or refuses them and closes existing ones, as the behaviour says at this time. */
  check(time: number): void {
    const alive = this.#behaviour.alive(time)
    if (alive === this.#server.listening) return
    if (alive) return void this.#server.listen(this.port, '127.0.0.1')
    this.#server.close()
    this.#server.closeAllConnections()
  }

  begin(): void {
    this.#served = 0
    this.#server.closeAllConnections()
  }
}

function respond(request: http.IncomingMessage, response: http.ServerResponse, cutOff: boolean): void {
  const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
  const range = from > 0 ? { 'content-range': `bytes ${from}-${BODY.length - 1}/${BODY.length}` } : {}
  const rest = BODY.slice(from)
  const headers = { etag: '"one"', 'accept-ranges': 'bytes', 'content-length': rest.length, ...range }
  response.writeHead(from > 0 ? 206 : 200, headers)
  if (!cutOff) return void response.end(rest)
  response.write(rest.slice(0, rest.length / 2), () => request.socket.destroy())
}

let backends: Backend[] = []
let started = 0
let pace = 1

serve({
  /** Starts the backends and returns their URLs, including those that refuse connections. */
  async open(name: ScenarioName): Promise<string[]> {
    const scenario: Scenario = scenarios[name]
    const random = seeded(1)
    const [steady, mean] = scenario.service
    pace = scenario.pace
    const now = () => (performance.now() - started) * pace
    const serviceTime = ({ slowness }: Behaviour) => (steady + exponential(random, mean)) * slowness(now())
    backends = scenario.behaviours.map((behaviour) => new Backend(behaviour, serviceTime))
    for (const backend of backends) await backend.open()
    setInterval(() => {
      for (const backend of backends) backend.check(now())
    }, TICK)
    return backends.map(({ port }) => `http://127.0.0.1:${port}`)
  },
  /** Starts the time of the behaviours. */
  begin() {
    started = performance.now()
    for (const backend of backends) {
      backend.check(0)
      backend.begin()
    }
  },
  /** Returns the number of requests of each backend since `begin`. */
  counts: () => backends.map(({ served }) => served),
})
