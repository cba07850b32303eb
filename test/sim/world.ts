import type { EventEmitter } from 'node:events'
import { processClock } from '../../lib/base/clock.js'
import type { Dispatcher } from '../../lib/dispatcher/dispatcher.js'
import { Agent, BalancedPool, Client, Pool, RoundRobinPool } from '../../lib/index.js'
import { type WasmEngine, wasmEngine } from '../../lib/wire/wasm-engine.js'
import { Call, type Surroundings } from './call.js'
import { Loop } from './loop.js'
import { Network } from './network.js'
import type { Manners } from './plan.js'
import { Random } from './random.js'
import type { Watch } from './server.js'

export interface Run {
  seed: number
  /** Most things to do, for a shorter story of the same failure. */
  steps?: number
  onTrace?: (line: string) => void
}

export interface Figures {
  calls: number
  ended: number
  failed: number
  upgraded: number
  sockets: number
  steps: number
}

type Any = Client | Pool | RoundRobinPool | BalancedPool | Agent

const KINDS = ['Client', 'Client', 'Pool', 'RoundRobinPool', 'BalancedPool', 'Agent'] as const
const ORIGINS = ['http://a.test:1', 'http://b.test:2', 'http://c.test:3']

interface Counts {
  connected: number | boolean
  pending: number
  running: number
  size: number
  queued?: number
  free?: number
}

/** One run of one seed: a dispatcher, what is done with it, and what must always be true. */
export class World implements Surroundings, Watch {
  readonly random: Random
  readonly manners: Manners
  readonly wild: boolean
  pipelining: number
  readonly #run: Run
  readonly #loop: Loop
  readonly #network: Network
  readonly #kind: (typeof KINDS)[number]
  readonly #dispatcher: Any
  readonly #clients = new Set<Client>()
  readonly #walks: boolean
  readonly #calls: Call[] = []
  #live = new Set<Call>()
  /** Those whose response may still come though they are over. */
  #lingering = new Set<Call>()
  #connected = 0
  /** Origins ('' unless it is an Agent) for which `dispatch` said false. */
  readonly #thirsty = new Set<string>()
  #ends = 0
  #warming = 0
  /** Connections that there may be at once. */
  #most = Infinity
  #settled = 0
  #failure: Error | null = null
  readonly #engine = wasmEngine() as WasmEngine
  readonly #slots = this.#engine.used

  constructor(run: Run) {
    const random = new Random(run.seed)
    this.#run = run
    this.random = random
    const faulty = random.chance(0.7)
    this.manners = { faulty, long: random.chance(0.15) }
    this.wild = faulty && random.chance(0.7)
    this.#loop = new Loop(random.fork(1), faulty && random.chance(0.3) ? 0.05 : 0)
    this.#network = new Network({ loop: this.#loop, random: random.fork(2), watch: this, manners: this.manners })
    this.#kind = random.pick(KINDS)
    this.pipelining = random.pick([0, 1, 1, 2, 3, 10])
    this.#walks = random.chance(0.5)
    this.#dispatcher = this.#make()
    this.#listen()
  }

  async play(): Promise<Figures> {
    const uncaught = (error: unknown): void => this.#fail(`uncaught: ${(error as Error)?.stack ?? error}`)
    const warned = (warning: Error): void => {
      if (warning.name !== 'SluiceWarning') this.#fail(`warning: ${warning.message}`)
    }
    process.on('uncaughtException', uncaught).on('unhandledRejection', uncaught).on('warning', warned)
    this.#loop.install()
    this.#network.install()
    try {
      await this.#story()
    } finally {
      this.#network.uninstall()
      this.#loop.uninstall()
      process.off('uncaughtException', uncaught).off('unhandledRejection', uncaught).off('warning', warned)
    }
    const count = (state: string) => this.#calls.filter((call) => call.state === state).length
    const { sockets } = this.#network
    return {
      calls: this.#calls.length,
      ended: count('ended'),
      failed: count('failed'),
      upgraded: count('upgraded'),
      sockets: sockets.length,
      steps: this.#loop.steps,
    }
  }

  // What others ask for

  arrive(delay: number, run: () => void): void {
    this.#loop.arrive(delay, run)
  }

  readonly trace = (text: () => string): void => {
    this.#run.onTrace?.(`${String(this.#loop.now - 1000).padStart(6)}  ${text()}`)
  }

  violation(text: string): never {
    this.#fail(text)
    throw this.#failure
  }

  find(id: number): Call {
    return this.#calls[id] ?? this.violation(`nobody made a request ${id}`)
  }

  meddle(): void {
    const { random } = this
    const what = random.next()
    if (what < 0.05) this.#dispatcher.closeIdle()
    else if (what < 0.7 || !this.wild) {
      if (this.#calls.length < 60) this.#dispatch()
    } else if (what < 0.97) this.#abortOne()
    else if (what < 0.985) this.#close()
    else this.#destroy()
  }

  // What happens

  async #story(): Promise<void> {
    const { random } = this
    const steps = Math.min(random.between(1, 16), this.#run.steps ?? Infinity)
    const span = random.spread(1, 20_000)
    for (let step = 0; step < steps; step++) this.arrive(random.between(0, span), () => this.#act())
    const ending = random.pick(['idle', 'idle', 'close', 'destroy', 'both'] as const)
    const last = ending === 'idle' ? null : () => this.#finish(ending)
    if (last !== null) this.arrive(span + random.spread(0, 2000), last)
    await this.#loop.run(() => this.#look())
    this.#checkIdle()
    this.#finish(ending === 'idle' ? random.pick(['close', 'destroy'] as const) : ending)
    await this.#loop.run(() => this.#look())
    this.#checkIdle()
    this.#checkEnd()
  }

  #finish(how: 'close' | 'destroy' | 'both'): void {
    if (how !== 'destroy') this.#close()
    if (how !== 'close') this.#destroy()
  }

  #act(): void {
    const { random } = this
    const what = random.next()
    if (what < 0.1 && this.wild) this.#abortOne()
    else if (what > 0.97) this.#dispatcher.closeIdle()
    else if (what > 0.93) this.#warm()
    else if (what < 0.13 && this.#dispatcher instanceof Client) {
      this.#dispatcher.pipelining = random.between(1, 4)
      this.pipelining = Math.max(this.pipelining, this.#dispatcher.pipelining)
    } else if (what < 0.18 && this.#dispatcher instanceof BalancedPool) {
      const upstream = random.pick(ORIGINS)
      this.trace(() => `upstream ${upstream} comes or goes`)
      if (!this.#dispatcher.upstreams.includes(upstream)) this.#dispatcher.addUpstream(upstream)
      else if (this.#dispatcher.upstreams.length > 1) this.#dispatcher.removeUpstream(upstream)
    } else if (what < 0.185 && this.wild) random.chance(0.5) ? this.#close() : this.#destroy()
    else for (let count = random.chance(0.3) ? random.between(2, 6) : 1; count > 0; count--) this.#dispatch()
  }

  #dispatch(): void {
    const call = new Call(this.#calls.length, this)
    const origin = this.random.pick(ORIGINS)
    this.#calls.push(call)
    this.#live.add(call)
    this.trace(() => `dispatch ${call.method} ${call.id}${call.upload.length > 0 ? ` (${call.upload.length})` : ''}`)
    const target = this.#dispatcher as Dispatcher
    const options = this.#kind === 'Agent' ? { ...call.options, origin } : call.options
    const room = target.dispatch(options as never, call.handler() as never)
    if (room !== false) return
    this.trace(() => `no room for ${call.id}`)
    this.#thirsty.add(this.#kind === 'Agent' ? origin : '')
  }

  #abortOne(): void {
    const live = [...this.#live]
    if (live.length > 0) this.random.pick(live).abort()
  }

  /** Must be told how it went, whatever happens. */
  #warm(): void {
    const dispatcher = this.#dispatcher
    if (!(dispatcher instanceof Client || dispatcher instanceof Pool || dispatcher instanceof RoundRobinPool)) return
    const count = this.random.between(0, 4)
    this.trace(() => `warm(${count})`)
    this.#warming++
    const told = () => {
      this.#warming--
    }
    dispatcher.warm(count).then(told, told)
  }

  #close(): void {
    this.trace(() => 'close()')
    this.#end(this.#dispatcher.close())
  }

  #destroy(): void {
    this.trace(() => 'destroy()')
    this.#end(this.random.chance(0.3) ? this.#dispatcher.destroy(new Error('the end')) : this.#dispatcher.destroy())
  }

  #end(promise: Promise<void>): void {
    this.#ends++
    const settle = (how: string) => () => {
      this.trace(() => `an end is ${how}`)
      this.#settled++
      if (how === 'reached') this.#checkEnd()
      this.arrive(0, () => this.#checkNothing())
    }
    // close() behind destroy() is refused.
    promise.then(settle('reached'), settle('refused'))
  }

  // What is built

  #make(): Any {
    const { random } = this
    const { faulty } = this.manners
    const time = (most: number) => (faulty ? random.spread(100, most) : random.pick([0, 300_000]))
    const options = {
      pipelining: this.pipelining,
      headersTimeout: time(5000),
      bodyTimeout: time(5000),
      keepAliveTimeout: random.spread(1, 10_000),
      keepAliveTimeoutThreshold: random.pick([0, 1000, 2000]),
      maxRequestsPerClient: random.chance(0.2) ? random.between(1, 5) : 0,
      maxConnectionAge: random.chance(0.2) ? random.spread(1, 10_000) : null,
      parser: random.chance(0.1) ? ('js' as const) : ('auto' as const),
      ...(random.chance(0.6) ? { connectTimeout: time(5000) } : { connect: this.#network.connector }),
    }
    this.trace(() => `${this.#kind} ${JSON.stringify(options)}`)
    if (this.#kind === 'Client') return this.#keep(new Client(ORIGINS[0] as string, options))
    const clients = (origin: URL, own: object) => this.#keep(new Client(origin, own))
    const many = {
      ...options,
      connections: random.pick([null, 1, 2, 3, 5]),
      clientTtl: random.chance(0.15) ? random.spread(1, 5000) : null,
      maxIdleConnections: random.chance(0.2) ? random.between(0, 3) : null,
      reuse: random.pick(['lifo', 'fifo'] as const),
    }
    const pooled = this.#walks ? { ...many, factory: clients } : many
    if (this.#kind === 'Pool') return new Pool(ORIGINS[0] as string, pooled)
    if (this.#kind === 'RoundRobinPool') return new RoundRobinPool(ORIGINS[0] as string, pooled)
    const pools = (origin: URL | string, own: object) => new Pool(origin, { ...own, factory: clients })
    const outer = this.#walks ? { ...many, factory: pools } : many
    if (this.#kind !== 'Agent') return new BalancedPool(ORIGINS.slice(0, random.between(1, 3)), outer)
    this.#most = random.pick([Infinity, Infinity, 1, 2, 4])
    return new Agent({ ...outer, maxTotalConnections: this.#most === Infinity ? null : this.#most })
  }

  #keep(client: Client): Client {
    this.#clients.add(client)
    return client
  }

  #listen(): void {
    const events = this.#dispatcher as EventEmitter
    const meddle = (): void => {
      if (this.random.chance(0.05)) this.meddle()
    }
    events.on('connect', () => {
      this.#connected++
      meddle()
    })
    events.on('disconnect', () => {
      this.#connected--
      meddle()
    })
    events.on('connectionError', meddle)
    events.on('drain', (origin: URL) => {
      this.trace(() => `drain ${origin.origin}`)
      if (!this.#thirsty.delete(this.#kind === 'Agent' ? origin.origin : '')) this.#fail('drain without need')
      meddle()
    })
    events.on('error', () => {})
  }

  // What must be true

  /** After each callback. */
  #look(): void {
    if (this.#failure !== null) throw this.#failure
    if (this.#loop.steps > 50_000) this.violation('it goes on for ever')
    for (const call of this.#live) {
      if (!call.over) continue
      this.#live.delete(call)
      if (call.lingering) this.#lingering.add(call)
    }
    const alive = this.#network.sockets.filter(({ open, destroyed }) => open && !destroyed).length
    if (alive > this.#most) this.violation(`${alive} connections, of ${this.#most} that may be`)
    this.#checkStats()
  }

  #checkStats(): void {
    const stats = this.#stats()
    if (stats === null) return
    const say = () => `${JSON.stringify(stats)}, ${this.#live.size} live, ${this.#lingering.size} lingering`
    const { connected, pending, running, queued = 0, size } = stats
    if (size !== pending + running + queued) this.violation(`stats do not add up: ${say()}`)
    if (Number(connected) !== this.#connected) this.violation(`${this.#connected} are connected: ${say()}`)
    const held = [...this.#live].filter((call) => call.paused && call.state === 'started').length
    if (size < this.#live.size - held) this.violation(`stats lost a request: ${say()}`)
    if (size > this.#live.size + this.#lingering.size) this.violation(`stats have one too many: ${say()}`)
    if (size === this.#live.size - held) this.#lingering.clear()
    if (this.#walks && this.#kind !== 'Client') this.#checkWalk(stats, say)
  }

  #checkWalk(stats: Counts, say: () => string): void {
    const walk = { connected: 0, free: 0, pending: 0, running: 0 }
    for (const { stats: own } of this.#clients) {
      walk.connected += Number(own.connected)
      walk.free += Number(own.connected && own.running === 0)
      walk.pending += own.pending
      walk.running += own.running
    }
    for (const name of ['connected', 'free', 'pending', 'running'] as const) {
      if (stats[name] !== walk[name]) this.violation(`a walk counts ${JSON.stringify(walk)}: ${say()}`)
    }
  }

  /** An Agent lets go of origins with their connections: what it has of them does not add up to all. */
  #stats(): Counts | null {
    const dispatcher = this.#dispatcher
    return dispatcher instanceof Agent ? null : dispatcher.stats
  }

  /** Nothing is left to happen. */
  #checkIdle(): void {
    for (const call of this.#calls) {
      if (!call.over) this.violation(`${call.method} ${call.id} never ends: ${call.state}`)
      if (!this.manners.faulty && call.state === 'failed' && this.#ends === 0) {
        this.violation(`${call.method} ${call.id} failed without a fault: ${call.error?.stack}`)
      }
      const { error } = call
      if (error?.replaySafe === true && !call.idempotent && call.executions > 0) {
        this.violation(`${call.method} ${call.id} was executed, and its error says that it may be sent again`)
      }
    }
    const open = this.#network.sockets.filter((socket) => !socket.gone)
    if (open.length > 0) this.violation(`sockets are left: ${open.map(({ name }) => name)}`)
    if (this.#thirsty.size > 0) this.violation('no drain came')
    if (this.#warming > 0) this.violation('warm() does not end')
    if (this.#settled < this.#ends) this.violation('close() or destroy() does not end')
    this.#checkNothing()
  }

  /** Once a close or a destroy is done. */
  #checkEnd(): void {
    for (const call of this.#calls) {
      if (!call.over && !call.paused) this.#fail(`${call.method} ${call.id} lives on after the end`)
    }
    const open = this.#network.sockets.filter((socket) => socket.open)
    if (open.length > 0) this.#fail(`sockets are open after the end: ${open.map(({ name }) => name)}`)
    if (this.#thirsty.size > 0) this.#fail('no drain came before the end')
    const stats = this.#stats()
    if (stats !== null && Object.values(stats).some((value) => Number(value) !== 0)) {
      this.#fail(`stats after the end: ${JSON.stringify(stats)}`)
    }
  }

  #checkNothing(): void {
    const { size } = processClock
    if (size !== 0) this.#fail(`${size} alarms are left`)
    const slots = this.#engine.used - this.#slots
    if (slots !== 0) this.#fail(`${slots} parser slots are left`)
  }

  #fail(text: string): void {
    this.trace(() => `FAILS: ${text}`)
    this.#failure ??= new Error(text)
  }
}
