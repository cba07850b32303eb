import net from 'node:net'
import tls from 'node:tls'
import { RequestCounter } from './request-counter.js'
import { type Scenario, type ScenarioName, scenarioOf } from './scenarios.js'

const REFUSAL = 'HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'
const MAX_JOINED = 512

/** Work of an origin since its start. */
export interface Usage {
  /** Number of responses sent. */
  responses: number
  /** CPU time of the process in µs. */
  cpu: number
}

/** Loopback servers that use little CPU time: they count requests and respond with the same bytes. */
export class Origin {
  responses = 0
  readonly #servers: net.Server[] = []
  readonly #sockets = new Set<net.Socket>()
  readonly #identity: { key: string; cert: string } | null
  #stalled = false
  readonly #delayed: (() => void)[] = []
  #timer: NodeJS.Timeout | null = null

  constructor(identity: { key: string; cert: string } | null = null) {
    this.#identity = identity
  }

  /** Opens a port for a scenario and returns its number. */
  async listen(name: ScenarioName, options: { secure?: boolean } = {}): Promise<number> {
    const scenario = scenarioOf(name)
    const serve = (socket: net.Socket) => this.#serve(socket, scenario)
    const server = options.secure
      ? tls.createServer({ ...(this.#identity ?? {}), noDelay: true }, serve)
      : net.createServer({ noDelay: true }, serve)
    this.#servers.push(server)
    if (scenario.stall > 0) this.#stallEachSecond(scenario.stall)
    await new Promise<void>((resolve, reject) => {
      server.on('error', reject)
      server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve)
    })
    return (server.address() as net.AddressInfo).port
  }

  get usage(): Usage {
    const { user, system } = process.cpuUsage()
    return { responses: this.responses, cpu: user + system }
  }

  async close(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer)
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))))
  }

  #serve(socket: net.Socket, scenario: Scenario): void {
    const requests = new RequestCounter(scenario.upload?.length ?? 0)
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk) => {
      const count = requests.read(chunk)
      if (count < 0) return void socket.end(REFUSAL)
      if (count === 0) return
      if (scenario.delay > 0) setTimeout(() => this.#respond(socket, scenario, count), scenario.delay)
      else if (this.#stalled) this.#delayed.push(() => this.#respond(socket, scenario, count))
      else this.#respond(socket, scenario, count)
    })
  }

  #respond(socket: net.Socket, scenario: Scenario, count: number): void {
    if (socket.destroyed) return
    this.responses += count
    if (scenario.closes) return void socket.end(scenario.sent)
    if (count === 1) return void socket.write(scenario.sent)
    if (scenario.volume === 0) {
      for (let left = count; left > 0; left -= MAX_JOINED) socket.write(joined(scenario, Math.min(left, MAX_JOINED)))
    } else for (let i = 0; i < count; i++) socket.write(scenario.sent)
  }

  #stallEachSecond(time: number): void {
    this.#timer = setInterval(() => {
      this.#stalled = true
      setTimeout(() => {
        this.#stalled = false
        for (const respond of this.#delayed.splice(0)) respond()
      }, time)
    }, 1000)
  }
}

const responses = new Map<Scenario, Buffer[]>()

/** Returns several responses in one buffer, created once. */
function joined(scenario: Scenario, count: number): Buffer {
  let buffers = responses.get(scenario)
  if (buffers === undefined) {
    buffers = []
    responses.set(scenario, buffers)
  }
  buffers[count] ??= Buffer.concat(Array.from({ length: count }, () => scenario.sent))
  return buffers[count]
}
