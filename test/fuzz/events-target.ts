import type { EventEmitter } from 'node:events'
import type { DispatchController } from '../../lib/exchange/handler.js'
import {
  Agent,
  BalancedPool,
  Client,
  type Dispatcher,
  interceptors,
  Pool,
  type PoolStats,
  type RetryHandler,
  RoundRobinPool,
} from '../../lib/index.js'
import { type WasmEngine, wasmEngine } from '../../lib/wire/wasm-engine.js'
import { Gathering } from '../sim/gathering.js'
import { type FakeSocket, fakeConnector, turns } from './fake-socket.js'
import { FetchPlayer, type FetchSurroundings } from './fetch-player.js'
import { must } from './finding.js'
import { LegacyPlayer } from './legacy-player.js'
import { LentBody } from './lent-body.js'
import { repeating, waiting } from './play-interceptors.js'
import { EXPECT_BODY, PlayServer } from './play-server.js'
import { type Played, Player } from './player.js'
import { Random } from './random.js'
import type { Fuzz } from './targets.js'
import { UserErrors } from './user-errors.js'

const wasm = wasmEngine() as WasmEngine
const METHODS = ['GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT']
const KINDS = ['Client', 'Pool', 'RoundRobinPool', 'BalancedPool', 'Agent', 'composed', 'retried', 'factory'] as const
const ORIGIN = 'http://fuzz.test'
/** Time in ms within which aborted or answered requests must end. A connection that must close first waits for a second. */
const PATIENCE = 10_000
/** Maximum number of probes, as connections may be broken. */
const ATTEMPTS = 5

/** One sequence of calls, responses, and calls from within callbacks. */
class Play implements FetchSurroundings {
  readonly random: Random
  readonly #dispatcher: Client | Pool | RoundRobinPool | BalancedPool | Agent
  readonly #sockets = new Set<FakeSocket>()
  readonly #server: PlayServer
  readonly #players: Played[] = []
  readonly #paused = new Set<DispatchController>()
  readonly #ending: Promise<unknown>[] = []
  readonly #errors = new UserErrors()
  readonly log: string[] = []
  probes = 0
  #late = false
  readonly #copies = new Set<DispatchController>()
  /** Whether it is not closed or destroyed before the end. */
  readonly #stays: boolean
  /** Connection limit of the dispatcher or of each upstream, and pipelining. */
  readonly #shape = { limit: 1, pipelining: 1 }
  #room = 40
  #wrong = ''
  /** Whether callers' code does nothing unusual any more. */
  #calm = false

  constructor(random: Random) {
    this.random = random
    this.#stays = random.once(2)
    this.#server = new PlayServer(random, this)
    const connect = fakeConnector({
      onSocket: (socket) => {
        this.#sockets.add(socket)
        socket.on('close', () => this.#sockets.delete(socket))
        for (const player of this.#players) player.passes?.('connect')
      },
      onSent: (socket) => this.#server.serve(socket),
      fails: () => !this.#calm && random.once(12),
      answersTwice: () => !this.#calm && random.once(12),
      late: random.once(3),
    })
    const kind = random.pick(KINDS)
    this.log.push(kind)
    const options = { connect, pipelining: random.pick([1, 1, 2, 10]), parser: random.pick(['js', 'wasm'] as const) }
    this.#shape.pipelining = options.pipelining
    this.#dispatcher = this.#open(kind, options)
    for (const event of ['drain', 'connect', 'disconnect', 'connectionError']) {
      ;(this.#dispatcher as EventEmitter).on(event, () => {
        if (random.once(8)) this.#step()
        if (random.once(24) && !this.#calm) throw this.#errors.make(event, true)
      })
    }
    ;(this.#dispatcher as EventEmitter).on('error', (error) => this.report(error))
  }

  #open(kind: (typeof KINDS)[number], options: object) {
    const random = this.random
    const connections = random.pick([1, 2, 5])
    const find = (id: number) => this.find(id)
    const copied = (controller: DispatchController) => {
      if (this.#calm) controller.abort()
      else this.#copies.add(controller)
    }
    const parts = { random, errors: this.#errors, reports: kind !== 'retried', calm: () => this.#calm, find, copied }
    this.#late = kind === 'composed' || kind === 'retried'
    this.#shape.limit = kind === 'Client' ? 1 : connections
    switch (kind) {
      case 'Client':
        return new Client(ORIGIN, options)
      case 'Pool':
        return new Pool(ORIGIN, { ...options, connections })
      case 'RoundRobinPool':
        return new RoundRobinPool(ORIGIN, { ...options, connections })
      case 'BalancedPool':
        return new BalancedPool([ORIGIN, 'http://other.test'], { ...options, connections })
      case 'Agent':
        return new Agent({ ...options, connections })
      case 'composed':
        return new Pool(ORIGIN, { ...options, connections }).compose(
          repeating(parts),
          waiting(parts),
        ) as unknown as Pool
      case 'retried':
        return new Pool(ORIGIN, { ...options, connections }).compose(
          repeating(parts),
          waiting(parts),
          interceptors.retry({ retry: this.#retry }),
        ) as unknown as Pool
      default: {
        const factory = (origin: URL, given: object) =>
          new Client(origin, given).compose(repeating(parts), waiting(parts))
        return new Pool(ORIGIN, { ...options, connections, factory })
      }
    }
  }

  /** Runs `act` at once or later. */
  readonly #retry: RetryHandler.RetryCallback = (error, { state }, callback) => {
    const answer = () => callback(state.counter > 3 || this.#calm ? error : null)
    if (this.random.once(2)) answer()
    else setImmediate(answer)
  }

  find(id: number): Played | undefined {
    return this.#players[id]
  }

  // Interface for players

  /** Runs callers' code and records its exceptions. */
  readonly expect = (holds: boolean, what: string): void => {
    if (!holds) this.#wrong ||= what
  }

  report(error: unknown): boolean {
    return this.#errors.report(error)
  }

  pick<Item>(items: readonly Item[]): Item {
    return this.random.pick(items)
  }

  /** Runs a random action of callers' code. */
  within(place: string, controller: DispatchController | null): void {
    const random = this.random
    if (this.#calm || !random.once(5)) return
    const act = random.below(6)
    if (act === 0 && controller !== null) {
      this.log.push('abort')
      this.soon(() => controller.abort(new Error('enough')))
    } else if (act === 1 && controller !== null) {
      this.log.push('pause')
      this.#paused.add(controller)
      controller.pause()
    } else if (act === 2) {
      this.log.push(`throw in ${place}`)
      throw this.#errors.make(place, place !== 'a source')
    } else this.#step()
  }

  /** Runs `act` at once, or after some microtasks, ticks and event-loop turns. */
  soon(act: () => void, most = 4): void {
    let left = this.random.below(most)
    const next = (): void => {
      if (left-- === 0) act()
      else this.random.pick([queueMicrotask, process.nextTick, setImmediate])(next)
    }
    next()
  }

  reenter(): void {
    if (!this.#calm && this.random.once(5)) this.#step()
  }

  after(controller: DispatchController): void {
    const random = this.random
    if (this.#calm) return
    if (random.once(8)) controller.abort()
    if (random.once(4)) this.#step()
    if (random.once(16)) throw this.#errors.make('onResponseError', true)
  }

  // Actions of callers

  #step(): void {
    const random = this.random
    if (--this.#room < 0) return
    switch (random.below(14)) {
      case 0:
        if (this.#stays) return
        this.log.push('close')
        this.#ending.push(this.#dispatcher.close().catch(() => {}))
        return
      case 1:
        if (this.#stays || !random.once(3)) return
        this.log.push('destroy')
        this.#ending.push(this.#dispatcher.destroy(random.once(2) ? new Error('destroyed') : null))
        return
      case 2:
        this.log.push('resume')
        for (const controller of this.#paused) controller.resume()
        this.#paused.clear()
        return
      case 3:
        this.log.push('lose a socket')
        for (const socket of this.#sockets) return void socket.destroy()
        return
      case 4:
        this.log.push('abort one')
        return this.#players[random.below(this.#players.length)]?.controller?.abort()
      case 5:
        this.log.push('closeIdle')
        return this.#dispatcher.closeIdle?.()
      default:
        this.#dispatch()
    }
  }

  #dispatch(): void {
    this.#send(this.random.pick(METHODS))
  }

  #send(method: string, to: Dispatcher = this.#dispatcher as Dispatcher): void {
    if (method !== 'CONNECT' && this.random.once(4)) this.#fetch(method, to)
    else this.#handle(method, to)
  }

  /** Sends a request by the `fetch` of the runtime. */
  #fetch(method: string, to: Dispatcher): void {
    const id = this.#players.length
    const sends = !this.#calm && EXPECT_BODY.includes(method)
    const body = sends ? new LentBody(this.random, `${id}.`, () => this.within('a source', null), true) : null
    const player = new FetchPlayer(id, body, this)
    this.log.push(`fetch ${method}`)
    this.#players.push(player)
    player.start(to, method, { origin: ORIGIN, calm: this.#calm })
  }

  /** Sends a request by `dispatch`. */
  #handle(method: string, to: Dispatcher): void {
    const random = this.random
    const id = this.#players.length
    const connect = method === 'CONNECT'
    const sends = !connect && !this.#calm && (EXPECT_BODY.includes(method) || random.once(4))
    const body = sends ? new LentBody(random, `${id}.`, () => this.within('a source', null)) : null
    const player = new Player(id, body, this)
    this.log.push(method)
    this.#players.push(player)
    const options = {
      ...(to instanceof Agent ? { origin: ORIGIN } : {}),
      path: connect ? `a.test:${id}` : `/${id}`,
      method,
      body: body?.body ?? null,
      blocking: !this.#calm && random.once(8),
      expectContinue: sends && random.once(8),
      idempotent: random.once(8) ? true : null,
      timeouts:
        !this.#calm && random.once(6)
          ? { [random.pick(['total', 'queue', 'connect'])]: random.pick([1, 3, 1000]) }
          : null,
    }
    try {
      player.given = !random.once(4)
      const handler = random.once(3) ? new LegacyPlayer(player) : player
      to.dispatch((player.given ? options : this.#withGetters(options)) as never, handler as Player)
    } catch (error) {
      // An interceptor may throw after it has dispatched and its request has ended.
      this.expect(this.#late && this.report(error), `dispatch throws ${error}`)
    }
  }

  #withGetters(options: object): object {
    const given = {}
    for (const [name, value] of Object.entries(options)) {
      const get = () => {
        this.within(`a getter of ${name}`, null)
        return value
      }
      Object.defineProperty(given, name, { get, enumerable: true })
    }
    return given
  }

  async run(): Promise<void> {
    const others = process.listeners('uncaughtException')
    const uncaught = (error: unknown) =>
      this.expect(this.report(error), `uncaught: ${(error as Error)?.stack ?? error}`)
    process.removeAllListeners('uncaughtException').on('uncaughtException', uncaught)
    try {
      await this.#story()
    } finally {
      process.removeListener('uncaughtException', uncaught)
      for (const listener of others) process.on('uncaughtException', listener)
    }
  }

  async #story(): Promise<void> {
    const random = this.random
    while (this.#room > 0) {
      this.#step()
      if (random.once(2)) await turns(random.below(3))
    }
    for (let i = 0; i < 50; i++) {
      for (const controller of this.#paused) controller.resume()
      await turns(2)
    }
    this.#calm = true
    if (this.#ending.length === 0) await this.#probe()
    const destroyed = this.#dispatcher.destroy()
    this.#ending.push(destroyed)
    const ended = { all: false }
    void Promise.all(this.#ending).then(() => {
      ended.all = true
    })
    await turns(200, () => ended.all)
    await turns(8)
    this.#check(ended.all)
  }

  /** Checks that the idle dispatcher serves as many requests at once as its connection limit. */
  async #probe(): Promise<void> {
    this.#server.calm = true
    for (const copy of this.#copies) copy.abort()
    for (const { controller, ends } of this.#players) if (ends === 0) controller?.abort()
    must(await this.#settled(), 'aborted requests must end')
    for (const part of this.#parts()) await this.#gather(part)
    this.probes++
    if (this.#players.some((player) => player instanceof FetchPlayer && player.heldBack)) {
      const late = performance.now() + PATIENCE
      while (!this.#atRest() && performance.now() < late) await turns(1)
    }
    must(this.#atRest(), () => `stats of an idle dispatcher: ${JSON.stringify(this.#dispatcher.stats)}`)
  }

  /** Returns whether the stats equal those of a new dispatcher, except for connections. */
  #atRest(): boolean {
    return this.#stats().every(({ connected, ...counts }) => {
      const { free = connected, ...rest } = counts
      return Object.values(rest).every((count) => count === 0) && free === connected
    })
  }

  /** Returns the stats of the dispatcher, or those of each origin of an Agent. */
  #stats(): readonly PoolStats[] {
    const whole = this.#dispatcher
    return (whole instanceof Agent ? Object.values(whole.stats) : [whole.stats]) as PoolStats[]
  }

  /** Returns the dispatchers that have connections. */
  #parts(): readonly Dispatcher[] {
    const whole = this.#dispatcher
    return whole instanceof BalancedPool ? whole.upstreams.map((one) => whole.getUpstream(one) as Pool) : [whole]
  }

  /** Sends one request per connection of `part`. The server responds when all have arrived. */
  async #gather(part: Dispatcher): Promise<void> {
    const { limit, pipelining } = this.#shape
    const count = limit * pipelining
    // A server may have closed connections, or sent unexpected bytes, before.
    for (let attempt = 1; ; attempt++) {
      const gathering = new Gathering()
      this.#server.gathering = gathering
      const first = this.#players.length
      for (let left = count; left > 0; left--) gathering.add(first + count - left)
      for (let left = count; left > 0; left--) this.#send('GET', part)
      const gathered = this.#players.slice(first)
      for (const { id, ended } of gathered) void ended.then(() => gathering.drop(id))
      const settled = await this.#settled()
      if (gathered.every(({ answered }) => answered)) return
      must(
        settled && attempt < ATTEMPTS,
        () => `of ${count} requests at once, these did not arrive: ${gathering.missing}`,
      )
    }
  }

  /** Waits until all requests have ended. Returns false if one has not within {@link PATIENCE}. */
  async #settled(): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, PATIENCE, false)
    })
    const all = Promise.all(this.#players.map(({ ended }) => ended)).then(() => true)
    return Promise.race([all, late]).finally(() => clearTimeout(timer))
  }

  #check(ended: boolean): void {
    must(this.#wrong === '', this.#wrong)
    must(ended, 'close and destroy must settle')
    for (const { id, ends, spoiled, body, given } of this.#players) {
      must(ends === 1, `request ${id} completed ${ends} times`)
      must(!spoiled, `kept chunks of request ${id} have changed`)
      must(!given || body?.closed !== false, () => `the body of request ${id} is still open: ${body?.body}`)
    }
    must(this.#errors.check() === '', () => this.#errors.check())
    must(this.#sockets.size === 0, 'all sockets must be closed')
    const numbers = this.#stats().flatMap(({ connected, pending, running, size }) => [
      connected,
      pending,
      running,
      size,
    ])
    must(
      numbers.every((number) => Number(number) === 0),
      'the statistics are at zero',
    )
    must(wasm.used === 0, () => `${wasm.used} parser slots are still in use`)
  }
}

export const fuzz: Fuzz = async ({ runs, seed, note }) => {
  const random = new Random(seed)
  let calls = 0
  let probes = 0
  for (let run = 0; run < runs; run++) {
    const own = random.seed()
    note(`play ${own}`)
    const play = new Play(new Random(own))
    try {
      await play.run()
    } catch (error) {
      throw Object.assign(error as Error, { message: `${(error as Error).message}: ${own}: ${play.log.join(', ')}` })
    }
    calls += play.log.length
    probes += play.probes
  }
  return `${calls} calls, ${probes} probes`
}
