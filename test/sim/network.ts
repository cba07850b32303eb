import net from 'node:net'
import type { Connector, Onread } from '../../lib/transport/connector.js'
import { BANNER } from './connectors.js'
import { disguise } from './disguise.js'
import type { Loop } from './loop.js'
import type { Manners } from './plan.js'
import type { Random } from './random.js'
import { Server, type Watch } from './server.js'
import { asNetSocket, SimulatedSocket } from './socket.js'

/** Changes that connectors of a run make to sockets. */
type Handshake = 'banner' | 'coded' | null

interface Place {
  host?: string
  port?: number | string
  onread?: Onread
}

/** All connections of a run, failed ones included. */
export class Network {
  readonly sockets: SimulatedSocket[] = []
  handshake: Handshake = null
  /** Makes all later connections succeed without faults. */
  calm = false
  readonly #loop: Loop
  readonly #random: Random
  readonly #watch: Watch
  readonly #mayFail: boolean
  readonly #long: boolean
  readonly #connect = net.connect

  constructor(part: { loop: Loop; random: Random; watch: Watch; manners: Manners }) {
    this.#loop = part.loop
    this.#random = part.random
    this.#watch = part.watch
    this.#mayFail = part.manners.faulty
    this.#long = part.manners.long
  }

  get #faulty(): boolean {
    return this.#mayFail && !this.calm
  }

  /** Simulates `net.connect`, so that the library's own connector is used. */
  install(): void {
    net.connect = ((place: Place) => asNetSocket(this.open(place))) as typeof net.connect
  }

  uninstall(): void {
    net.connect = this.#connect
  }

  /**
   * Creates a connector like those of users: it may call back at once or twice, throw or reject, and return its socket in any
   * state or wrapper.
   */
  readonly connector: Connector = (target, callback) => {
    const manner = this.#random.next()
    if (this.#faulty && manner < 0.01) throw new Error('the connector threw')
    if (this.#faulty && manner < 0.02) return Promise.reject(new Error('the connector rejected'))
    if (this.#faulty && manner < 0.04) return callback(new Error('the connector refused'), null)
    const socket = this.#make({ host: target.hostname, port: target.port })
    const answer = (error: Error | null): void => {
      socket.off('connect', onConnect).off('error', answer).off('close', onClose)
      if (error !== null) return callback(error, null)
      const given = disguise(socket, this.#random)
      callback(null, given)
      if (this.#random.chance(0.1)) callback(null, given)
      if (this.#random.chance(0.1)) callback(new Error('the connector answered again'), null)
    }
    const onConnect = () => answer(null)
    const onClose = () => answer(new Error('closed before it stood'))
    socket.once('connect', onConnect).once('error', answer).once('close', onClose)
    if (manner > 0.85) this.#accept(socket, 'established')
    else this.#lead(socket)
    if (this.#random.chance(0.5)) return socket
    socket.private = true
    return undefined
  }

  open(place: Place): SimulatedSocket {
    const socket = this.#make(place)
    this.#lead(socket)
    return socket
  }

  #make(place: Place): SimulatedSocket {
    const random = this.#random
    const name = `#${this.sockets.length}`
    const socket = new SimulatedSocket({
      name,
      loop: this.#loop,
      random: random.fork(this.sockets.length),
      weather: {
        latency: random.chance(0.3) ? 0 : random.spread(0, 60),
        segment: random.pick([8, 300, 1460, 65536]),
        // Long bodies with a small window would take too long.
        capacity: random.pick(this.#long ? [20_000, 70_000, 1_000_000] : [50, 2000, 70_000, 1_000_000]),
        lossy: this.#faulty,
      },
      onread: place.onread,
      allowHalfOpen: place.onread === undefined && random.chance(0.3),
    })
    socket.coded = this.handshake === 'coded'
    this.sockets.push(socket)
    this.#watch.trace(() => `${name} to ${place.host}:${place.port}`)
    socket.on('close', () => this.#watch.trace(() => `${name} is closed`))
    return socket
  }

  /** Decides the outcome of a connection attempt. */
  #lead(socket: SimulatedSocket): void {
    const random = this.#random
    const outcome = this.#faulty ? random.pick(CONNECT_OUTCOMES) : 'established'
    this.#watch.trace(() => `${socket.name}: ${outcome}`)
    const delay = this.calm || random.chance(0.3) ? 0 : random.spread(0, 300)
    if (outcome === 'refused')
      this.#loop.arrive(delay, () => socket.refuse(random.pick(['ECONNREFUSED', 'EHOSTUNREACH'])))
    // Without an earlier timeout of the connector, the system reports a timeout at last.
    else if (outcome === 'lost') this.#loop.arrive(120_000, () => socket.refuse('ETIMEDOUT'))
    else this.#loop.arrive(delay, () => this.#accept(socket, outcome))
  }

  #accept(socket: SimulatedSocket, outcome: 'established' | 'closes' | 'resets'): void {
    const server = new Server({ socket, watch: this.#watch, random: this.#random, faulty: this.#faulty })
    if (this.handshake === 'banner') socket.incoming(BANNER)
    socket.establish(server)
    if (outcome === 'closes') socket.incomingEnd()
    else if (outcome === 'resets') socket.incomingReset()
    else server.closeIdle()
  }
}

const CONNECT_OUTCOMES = [...Array(18).fill('established'), 'refused', 'refused', 'lost', 'closes', 'resets'] as (
  | 'established'
  | 'refused'
  | 'lost'
  | 'closes'
  | 'resets'
)[]
