import type { EventEmitter } from 'node:events'
import { processClock } from '../../lib/base/clock.js'
import { BalancedPool, Client, type Dispatcher, Pool, RoundRobinPool } from '../../lib/index.js'
import { type WasmEngine, wasmEngine } from '../../lib/wire/wasm-engine.js'
import { Call } from './call.js'
import { drawChain } from './chains.js'
import { checkEvents, checkStats, checkZero, countsFinished, type Known } from './counts.js'
import { Drains } from './drains.js'
import { drawFeatures, ENABLED, type Features } from './features.js'
import { FetchCall } from './fetch-call.js'
import { Loop } from './loop.js'
import { MethodCall } from './method-call.js'
import { Network } from './network.js'
import type { Manners } from './plan.js'
import { checkRest, type Destination, Probe, type Probed } from './probe.js'
import { Random } from './random.js'
import type { SimulatedRequest, Surroundings } from './request.js'
import type { Figures, Run } from './run.js'
import type { Watch } from './server.js'
import { type AnyDispatcher, KINDS, type Kind, type Made, makeDispatcher, ORIGINS } from './settings.js'
import type { SimulatedSocket } from './socket.js'
import { UserCode } from './user-code.js'

/** One run of one seed: a dispatcher, the actions on it, and the invariants. */
export class World implements Surroundings, Watch, Probed {
  readonly random: Random
  readonly manners: Manners
  readonly features: Features
  readonly userCode: UserCode
  readonly wild: boolean
  calm = false
  pipelining: number
  readonly #run: Run
  readonly #loop: Loop
  readonly #network: Network
  readonly #kind: Kind
  readonly #dispatcher: AnyDispatcher
  /** The dispatcher with interceptors, and the methods that these may send again. */
  readonly #composed: { dispatcher: Dispatcher; repeats: readonly string[] } | null
  readonly #known: Known
  readonly calls: SimulatedRequest[] = []
  readonly #live = new Set<SimulatedRequest>()
  /** Ended requests whose response may still arrive. */
  readonly #lingering = new Set<SimulatedRequest>()
  #connected = 0
  /** Origins ('' unless it is an Agent) for which `dispatch` returned false. */
  readonly #drains: Drains
  #ends = 0
  #warming = 0
  #mirrors = 0
  readonly made: Made
  #settled = 0
  #failure: Error | null = null
  readonly #probe = new Probe(this)
  readonly #engine = wasmEngine() as WasmEngine
  readonly #slots = this.#engine.used

  constructor(run: Run) {
    const random = new Random(run.seed)
    this.#run = run
    this.random = random
    const faulty = random.chance(0.7)
    this.features = drawFeatures(random.fork(3), run.features ?? ENABLED)
    this.manners = { faulty, long: random.chance(0.15), silentClose: !faulty && this.features.silentClose }
    this.wild = faulty && random.chance(0.7)
    this.#loop = new Loop(random.fork(1), faulty && random.chance(0.3) ? 0.05 : 0)
    const parts = { random: random.fork(4), active: this.features.userCode, wild: this.wild }
    this.userCode = new UserCode({ ...parts, reentry: this })
    this.#network = new Network({ loop: this.#loop, random: random.fork(2), watch: this, manners: this.manners })
    this.#kind = random.pick(KINDS)
    this.#drains = new Drains(this.#kind === 'Agent')
    this.pipelining = random.pick([0, 1, 1, 2, 3, 10])
    this.made = this.#make()
    const { dispatcher, clients } = this.made
    this.#dispatcher = dispatcher
    this.#known = {
      dispatcher,
      clients,
      live: this.#live,
      lingering: this.#lingering,
      foreign: this.features.foreign,
      connected: () => (this.features.foreign ? null : this.#connected),
      now: () => this.#loop.now,
      mirrors: () => this.#mirrors,
    }
    this.#composed = this.features.interceptors ? this.#compose() : null
    this.#listen()
  }

  async play(): Promise<Figures> {
    const uncaught = this.#onUncaught
    const warned = (warning: Error): void => {
      // Without an `error` listener, an exception of a last callback becomes a warning.
      if (this.userCode.reportText(warning.message, 'a warning')) return
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
    const count = (state: string) => this.calls.filter((call) => call.state === state).length
    return {
      calls: this.calls.length,
      ended: count('ended'),
      failed: count('failed'),
      upgraded: count('upgraded'),
      sockets: this.#network.sockets.length,
      steps: this.#loop.steps,
    }
  }

  // Interface for requests, servers and probes

  readonly arrive = (delay: number, run: () => void): void => {
    this.#loop.arrive(delay, run)
  }

  readonly trace = (text: () => string): void => {
    this.#run.onTrace?.(`${String(this.#loop.now - 1000).padStart(6)}  ${text()}`)
  }

  violation(text: string): never {
    this.#fail(text)
    throw this.#failure
  }

  arrived(id: number, connection: string): void {
    this.#probe.gathering.arrived(id, connection)
  }

  hold(id: number, answer: () => void): void {
    this.#probe.gathering.hold(id, answer)
  }

  advance(until?: () => boolean): Promise<void> {
    return this.#loop.run(this.#look, this.#onUncaught, until)
  }

  /** Whether all requests have ended. Connections may still be open. */
  rests(): boolean {
    const requests = this.#live.size + this.#lingering.size + this.#mirrors
    return requests === 0 && checkRest(this.#dispatcher) === null
  }

  calmDown(): void {
    if (this.calm) return
    this.trace(() => 'all faults are disabled')
    this.calm = true
    this.#network.calm = true
    this.userCode.active = false
  }

  get sockets(): readonly SimulatedSocket[] {
    return this.#network.sockets
  }

  find(id: number): SimulatedRequest {
    return this.calls[id] ?? this.violation(`a server got request ${id}, which was never sent`)
  }

  reenter(): void {
    const { random } = this
    const what = random.next()
    if (what < 0.05) this.#dispatcher.closeIdle()
    else if (what < 0.7 || !this.wild) {
      if (this.calls.length < 60) this.dispatch()
    } else if (what < 0.97) this.#abortOne()
    else if (what < 0.985) this.#close()
    else this.#destroy()
  }

  checkCounts(): void {
    if (!this.features.userCode || this.pipelining > 1) return
    const wrong = countsFinished(this.#known)
    if (wrong !== null) this.violation(wrong)
  }

  // Actions

  async #story(): Promise<void> {
    const { random } = this
    const steps = Math.min(random.between(1, 16), this.#run.steps ?? Infinity)
    const span = random.spread(1, 20_000)
    let left = steps
    const act = () => {
      left--
      this.#act()
    }
    for (let step = 0; step < steps; step++) this.arrive(random.between(0, span), act)
    const ending = random.pick(['idle', 'idle', 'close', 'destroy', 'both'] as const)
    const last = ending === 'idle' ? null : () => this.#finish(ending)
    if (last !== null) this.arrive(span + random.spread(0, 2000), last)
    else await this.advance(() => left === 0 && this.rests())
    if (this.#ends === 0 && last === null) await this.#probe.run()
    await this.advance()
    this.#checkIdle()
    if (this.#ends === 0) {
      await this.#probe.runAnew()
      this.#checkIdle()
    }
    this.#finish(ending === 'idle' ? random.pick(['close', 'destroy'] as const) : ending)
    await this.advance()
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
      const pipelining = random.between(1, 4)
      // First, because the assignment may start queued requests and run user code.
      this.pipelining = Math.max(this.pipelining, pipelining)
      this.#dispatcher.pipelining = pipelining
    } else if (what < 0.18 && this.#dispatcher instanceof BalancedPool) {
      const upstream = random.pick(ORIGINS)
      this.trace(() => `upstream ${upstream} is added or removed`)
      if (!this.#dispatcher.upstreams.includes(upstream)) this.#dispatcher.addUpstream(upstream)
      else if (this.#dispatcher.upstreams.length > 1) this.#dispatcher.removeUpstream(upstream)
    } else if (what < 0.185 && this.wild) random.chance(0.5) ? this.#close() : this.#destroy()
    else for (let count = random.chance(0.3) ? random.between(2, 6) : 1; count > 0; count--) this.dispatch()
  }

  dispatch({ origin: to, part }: Destination = {}): void {
    const { random } = this
    const byMethod = this.features.methods && !this.calm && random.chance(0.4)
    const byFetch = this.features.fetch && !this.calm && !byMethod && random.chance(0.3)
    const Kind = byMethod ? MethodCall : byFetch ? FetchCall : Call
    const call = new Kind(this.calls.length, this)
    const composed = this.calm || random.chance(0.3) ? null : this.#composed
    if (composed !== null) {
      call.counted = false
      call.intercepted = true
      call.repeatable = call.idempotent || composed.repeats.includes(call.method)
    }
    const origin = to ?? random.pick(ORIGINS)
    this.calls.push(call)
    this.#live.add(call)
    call.began(this.#loop.now)
    this.trace(() => `dispatch ${call.method} ${call.id}${call.upload.length > 0 ? ` (${call.upload.length})` : ''}`)
    const more = this.#kind === 'Agent' ? { origin } : {}
    const target = (part ?? composed?.dispatcher ?? this.#dispatcher) as Dispatcher
    let accepts = true
    try {
      if (call instanceof MethodCall) call.start(target, more)
      else if (call instanceof FetchCall) call.start(target, more.origin ?? (ORIGINS[0] as string))
      else accepts = target.dispatch(call.givenOptions(more) as never, call.handler() as never)
    } catch (error) {
      if (!this.userCode.report(error, 'dispatch')) throw error
      if (!call.over) call.state = 'failed'
    }
    if (accepts !== false) return
    this.trace(() => `${call.id} makes it busy`)
    // A part of a dispatcher emits the drain of its own requests.
    if (composed !== null || part !== undefined) return
    this.#drains.refused(origin)
  }

  #abortOne(): void {
    const live = [...this.#live]
    if (live.length > 0) (this.random.pick(live) as Call | MethodCall | FetchCall).abort()
  }

  /** Records a promise that must settle. */
  #warm(): void {
    const dispatcher = this.#dispatcher
    if (!(dispatcher instanceof Client || dispatcher instanceof Pool || dispatcher instanceof RoundRobinPool)) return
    const count = this.random.between(0, 4)
    this.trace(() => `warm(${count})`)
    this.#warming++
    const ended = (): void => {
      this.#warming--
    }
    dispatcher.warm(count).then(ended, ended)
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
      this.trace(() => `the dispatcher is closed or destroyed: ${how}`)
      this.#settled++
      if (how === 'refused') return
      this.#checkEnd()
      this.arrive(0, () => this.#checkNothing())
    }
    // close() after destroy() rejects.
    promise.then(settle('reached'), settle('refused'))
  }

  #make() {
    const { random, manners, features, userCode, pipelining, arrive, trace } = this
    const parts = { random, manners, features, userCode, pipelining, arrive, trace }
    return makeDispatcher({ ...parts, kind: this.#kind, network: this.#network })
  }

  #compose() {
    const { userCode, wild, arrive, trace } = this
    const mirrored = (change: number) => {
      this.#mirrors += change
    }
    const parts = { random: this.random.fork(5), userCode, wild, arrive, trace, mirrored }
    const { interceptors, repeats } = drawChain(parts)
    return { dispatcher: this.#dispatcher.compose(interceptors) as Dispatcher, repeats }
  }

  #listen(): void {
    const events = this.#dispatcher as EventEmitter
    const reenter = (): void => {
      if (this.calm) return
      if (this.random.chance(0.05)) this.reenter()
      this.userCode.run('listener')
    }
    events.on('connect', () => {
      this.#connected++
      reenter()
    })
    events.on('disconnect', () => {
      this.#connected--
      reenter()
    })
    events.on('connectionError', reenter)
    events.on('drain', (origin: URL, targets: readonly unknown[]) => {
      this.trace(() => `drain ${origin.origin}`)
      const busy = this.#drains.drained(origin.origin, targets)
      // Requests through interceptors, methods and `fetch` do not return whether the dispatcher was busy.
      if (!busy && !this.features.interceptors && !this.features.methods && !this.features.fetch)
        this.#fail('drain without need')
      reenter()
    })
    events.on('error', (error: unknown) => this.userCode.report(error, 'an error event'))
  }

  readonly #onUncaught = (error: unknown): void => {
    if (error === this.#failure) return
    if (!this.userCode.report(error, 'uncaught')) this.#fail(`uncaught: ${(error as Error)?.stack ?? error}`)
  }

  // Invariants

  /** Checks invariants after each callback. */
  readonly #look = (): void => {
    if (this.#failure !== null) throw this.#failure
    if (this.#loop.steps > 50_000) this.violation('the run does not end')
    for (const call of this.#live) {
      if (!call.over && this.#loop.now > call.deadline)
        this.violation(`${call.method} ${call.id} did not end within its timeout`)
      if (!call.over) continue
      this.#live.delete(call)
      if (call.lingering) this.#lingering.add(call)
    }
    const alive = this.#network.sockets.filter((one) => one.open && !one.destroyed && !one.refusesTunnel).length
    const { most } = this.made
    if (alive > most) this.violation(`${alive} connections, the limit is ${most}`)
    const wrong = checkStats(this.#known)
    if (wrong !== null) this.violation(wrong)
  }

  /** Checks invariants at the end of the run. */
  #checkIdle(): void {
    for (const call of this.calls) {
      const wrong = call.checkSettled()
      if (wrong !== null) this.violation(`${call.method} ${call.id} ${wrong}`)
      if (!this.manners.faulty && call.state === 'failed' && this.#ends === 0 && !call.refused && call.counted) {
        this.violation(`${call.method} ${call.id} failed although no fault occurred: ${call.error?.stack}`)
      }
      const { error } = call
      if (error?.replaySafe === true && !call.idempotent && call.counted && call.executions > 0) {
        this.violation(`${call.method} ${call.id} was executed, but its error has replaySafe: true`)
      }
      if (this.features.sources && !call.sourceClosed()) {
        this.violation(`${call.method} ${call.id} did not close its ${call.bodyKind} body`)
      }
    }
    const open = this.#network.sockets.filter((socket) => !socket.closeEmitted)
    if (open.length > 0) this.violation(`sockets are still open: ${open.map(({ name }) => name)}`)
    if (this.#drains.pending) this.violation('drain was not emitted')
    if (this.#warming > 0) this.violation('warm() did not settle')
    if (this.#settled < this.#ends) this.violation('close() or destroy() did not settle')
    const unreported = this.userCode.check()
    if (this.features.userCode && unreported !== null) this.violation(unreported)
    if (this.#mirrors !== 0) this.violation(`${this.#mirrors} copies of requests did not end`)
    const wrong = checkZero(this.#dispatcher)
    if (wrong !== null) this.violation(wrong)
    const missing = checkEvents(this.#known)
    if (missing !== null) this.violation(missing)
    this.#checkNothing()
  }

  /** Checks invariants after close or destroy. */
  #checkEnd(): void {
    for (const call of this.calls) {
      if (!call.over && !call.paused && call.counted)
        this.#fail(`${call.method} ${call.id} did not end with its dispatcher`)
    }
    const open = this.#network.sockets.filter((socket) => socket.open)
    if (open.length > 0) this.#fail(`sockets are open after the end: ${open.map(({ name }) => name)}`)
    if (this.#drains.pending) this.#fail('drain was not emitted before the end')
    const wrong = checkZero(this.#dispatcher)
    if (wrong !== null) this.#fail(wrong)
  }

  #checkNothing(): void {
    const { size } = processClock
    // A request that an interceptor holds, or whose handler is paused at its end, has a timeout, although its dispatcher does
    // not count it any more.
    const held = [...this.#live].some(({ counted, paused, over, limited }) => (!counted || paused) && !over && limited)
    if (size !== 0 && !held) this.#fail(`${size} alarms are left`)
    const slots = this.#engine.used - this.#slots
    if (slots !== 0) this.#fail(`${slots} parser slots are left`)
  }

  #fail(text: string): void {
    this.trace(() => `FAILS: ${text}`)
    this.#failure ??= new Error(text)
  }
}
