import net from 'node:net'
import tls from 'node:tls'
import { RequestCounter } from './request-counter.js'
import { type Scene, type SceneName, sceneOf } from './scenes.js'

const REFUSAL = 'HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'
const MAX_JOINED = 512

/** What an origin was asked for and how it was used. */
export interface Usage {
  /** Responses sent since the start. */
  responses: number
  /** CPU time of the process, µs. */
  cpu: number
}

/** Servers on loopback that cost next to nothing: each counts requests and answers each with the same bytes. */
export class Origin {
  responses = 0
  readonly #servers: net.Server[] = []
  readonly #sockets = new Set<net.Socket>()
  readonly #identity: { key: string; cert: string } | null
  #stalled = false
  readonly #waiting: (() => void)[] = []
  #timer: NodeJS.Timeout | null = null

  constructor(identity: { key: string; cert: string } | null = null) {
    this.#identity = identity
  }

  /** Opens a port for a scene, and says which. */
  async listen(name: SceneName, options: { secure?: boolean } = {}): Promise<number> {
    const scene = sceneOf(name)
    const serve = (socket: net.Socket) => this.#serve(socket, scene)
    const server = options.secure
      ? tls.createServer({ ...(this.#identity ?? {}), noDelay: true }, serve)
      : net.createServer({ noDelay: true }, serve)
    this.#servers.push(server)
    if (scene.stall > 0) this.#stallNowAndThen(scene.stall)
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

  #serve(socket: net.Socket, scene: Scene): void {
    const requests = new RequestCounter(scene.upload?.length ?? 0)
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk) => {
      const count = requests.read(chunk)
      if (count < 0) return void socket.end(REFUSAL)
      if (count === 0) return
      if (scene.delay > 0) setTimeout(() => this.#answer(socket, scene, count), scene.delay)
      else if (this.#stalled) this.#waiting.push(() => this.#answer(socket, scene, count))
      else this.#answer(socket, scene, count)
    })
  }

  #answer(socket: net.Socket, scene: Scene, count: number): void {
    if (socket.destroyed) return
    this.responses += count
    if (scene.closes) return void socket.end(scene.sent)
    if (count === 1) return void socket.write(scene.sent)
    if (scene.volume === 0) {
      for (let left = count; left > 0; left -= MAX_JOINED) socket.write(joined(scene, Math.min(left, MAX_JOINED)))
    } else for (let i = 0; i < count; i++) socket.write(scene.sent)
  }

  #stallNowAndThen(time: number): void {
    this.#timer = setInterval(() => {
      this.#stalled = true
      setTimeout(() => {
        this.#stalled = false
        for (const answer of this.#waiting.splice(0)) answer()
      }, time)
    }, 1000)
  }
}

const responses = new Map<Scene, Buffer[]>()

/** Several responses as one piece, made once. */
function joined(scene: Scene, count: number): Buffer {
  let made = responses.get(scene)
  if (made === undefined) {
    made = []
    responses.set(scene, made)
  }
  made[count] ??= Buffer.concat(Array.from({ length: count }, () => scene.sent))
  return made[count]
}
