import type { EventEmitter } from 'node:events'
import type { DispatchController, DispatchHandler } from '../../lib/exchange/handler.js'
import {
  BalancedPool,
  Client,
  type DispatchInterceptor,
  interceptors,
  Pool,
  type PoolStats,
  type RetryHandler,
  RoundRobinPool,
} from '../../lib/index.js'
import { type WasmEngine, wasmEngine } from '../../lib/wire/wasm-engine.js'
import { type FakeSocket, fakeConnector, turns } from './fake-socket.js'
import { must } from './finding.js'
import { LegacyPlayer } from './legacy-player.js'
import { LentBody, POISON } from './lent-body.js'
import { Player, type Surroundings } from './player.js'
import { Random } from './random.js'
import { readRequest } from './strict-request.js'
import type { Fuzz } from './targets.js'
import { UserErrors } from './user-errors.js'

const wasm = wasmEngine() as WasmEngine
const METHODS = ['GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT']
/** Methods whose bodies every server reads. */
const EXPECT_BODY = ['POST', 'PUT']
const KINDS = ['Client', 'Pool', 'RoundRobinPool', 'BalancedPool', 'composed', 'retried', 'factory'] as const
const ORIGIN = 'http://fuzz.test'
const POISONED = String.fromCharCode(POISON)
const STALLS = 'HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello'
/** `hello` stands for what the request is answered with. */
const ANSWERS = [
  'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx: y\r\n\r\n',
  'HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 204 No\r\n\r\n',
  'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello',
  STALLS,
  'HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\nsurplus',
  'HTTP/1.1 2x0\r\n\r\n',
]

/** An interceptor answers a request, as long as nobody aborts it. */
function answered(handler: DispatchHandler, { answer }: Player): boolean {
  let over = false
  const controller = {
    ...{ aborted: false, paused: false, reason: null as Error | null, rawHeaders: [], rawTrailers: [] },
    abort(reason = new Error('aborted')) {
      if (over) return
      over = true
      Object.assign(controller, { aborted: true, reason })
      // What that throws is not the request's.
      queueMicrotask(() => handler.onResponseError?.(controller, reason))
    },
    pause() {},
    resume() {},
  }
  const chunk = Buffer.from(new Uint8Array(Buffer.from(answer)).buffer)
  try {
    handler.onRequestStart?.(controller, null)
    if (!over) handler.onResponseStart?.(controller, 200, {}, 'OK')
    if (!over) handler.onResponseData?.(controller, chunk)
    if (over) return true
    over = true
    handler.onResponseEnd?.(controller, {})
  } finally {
    over = true
  }
  return true
}

/** One sequence of calls, of answers, and of calls from within callbacks. */
class Play implements Surroundings {
  readonly #random: Random
  readonly #dispatcher: Client | Pool | RoundRobinPool | BalancedPool
  readonly #sockets = new Set<FakeSocket>()
  /** What the server of a socket is still to do, in order. */
  readonly #answers = new WeakMap<FakeSocket, Promise<void>>()
  /** Nothing may follow on these. */
  readonly #last = new WeakSet<FakeSocket>()
  readonly #continued = new WeakSet<FakeSocket>()
  /** Their server sends no more of the response that it began. */
  readonly #stalled = new WeakSet<FakeSocket>()
  readonly #players: Player[] = []
  readonly #paused = new Set<DispatchController>()
  readonly #ending: Promise<unknown>[] = []
  readonly #errors = new UserErrors()
  readonly told: string[] = []
  #room = 40
  #retries = false
  #wrong = ''
  /** Code of the caller does nothing unusual any more. */
  #calm = false

  constructor(random: Random) {
    this.#random = random
    const connect = fakeConnector({
      onSocket: (socket) => {
        this.#sockets.add(socket)
        socket.on('close', () => this.#sockets.delete(socket))
      },
      onSent: (socket) => this.#serve(socket),
      fails: () => random.once(12),
      answersTwice: () => random.once(12),
      late: random.once(3),
    })
    const kind = random.pick(KINDS)
    this.told.push(kind)
    const options = { connect, pipelining: random.pick([1, 1, 2, 10]), parser: random.pick(['js', 'wasm'] as const) }
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
    const random = this.#random
    const connections = random.pick([1, 2, 5])
    switch (kind) {
      case 'Client':
        return new Client(ORIGIN, options)
      case 'Pool':
        return new Pool(ORIGIN, { ...options, connections })
      case 'RoundRobinPool':
        return new RoundRobinPool(ORIGIN, { ...options, connections })
      case 'BalancedPool':
        return new BalancedPool([ORIGIN, 'http://other.test'], { ...options, connections })
      case 'composed':
        return new Pool(ORIGIN, { ...options, connections }).compose(this.#waiting) as unknown as Pool
      case 'retried':
        this.#retries = true
        return new Pool(ORIGIN, { ...options, connections }).compose(
          this.#waiting,
          interceptors.retry({ retry: this.#retry }),
        ) as unknown as Pool
      default: {
        const factory = (origin: URL, given: object) => new Client(origin, given).compose(this.#waiting)
        return new Pool(ORIGIN, { ...options, connections, factory })
      }
    }
  }

  /** At once or later, and not for ever. */
  readonly #retry: RetryHandler.RetryCallback = (error, { state }, callback) => {
    const answer = () => callback(state.counter > 3 || this.#calm ? error : null)
    if (this.#random.once(2)) answer()
    else setImmediate(answer)
  }

  /** Holds some requests back, answers some, and throws now and then. */
  readonly #waiting: DispatchInterceptor = (dispatch) => (options, handler) => {
    const random = this.#random
    if (random.once(24) && !this.#calm) throw this.#errors.make('an interceptor', !this.#retries)
    const player = this.#players[Number(/^\/(\d+)$/.exec(String(options.path))?.[1])]
    if (random.once(12) && player !== undefined) return answered(handler, player)
    if (random.once(2)) return dispatch(options, handler)
    setImmediate(() => dispatch(options, handler))
    return true
  }

  // What players ask for

  /** Who is called by the library has nobody to throw to. */
  readonly expect = (holds: boolean, what: string): void => {
    if (!holds) this.#wrong ||= what
  }

  report(error: unknown): boolean {
    return this.#errors.report(error)
  }

  pick<Item>(items: readonly Item[]): Item {
    return this.#random.pick(items)
  }

  /** What code of the caller does, now and then. */
  within(place: string, controller: DispatchController | null): void {
    const random = this.#random
    if (this.#calm || !random.once(5)) return
    const act = random.below(6)
    if (act === 0 && controller !== null) {
      this.told.push('abort')
      controller.abort(new Error('enough'))
    } else if (act === 1 && controller !== null) {
      this.told.push('pause')
      this.#paused.add(controller)
      controller.pause()
    } else if (act === 2) {
      this.told.push(`throw in ${place}`)
      throw this.#errors.make(place, place !== 'a source')
    } else this.#step()
  }

  after(controller: DispatchController): void {
    const random = this.#random
    if (this.#calm) return
    if (random.once(8)) controller.abort()
    if (random.once(4)) this.#step()
    if (random.once(16)) throw this.#errors.make('onResponseError', true)
  }

  // The server

  #serve(socket: FakeSocket): void {
    this.expect(!socket.sent.includes(POISONED), 'memory that its caller has again is not sent')
    if (socket.sent === '') return
    this.expect(!this.#last.has(socket), `nothing is sent behind a request that a server may not read: ${socket.sent}`)
    const reading = readRequest(socket.sent)
    this.expect(reading.state !== 'wrong', `${JSON.stringify(reading)} of ${JSON.stringify(socket.sent)}`)
    if (reading.state === 'more' && reading.expects && !this.#continued.has(socket)) {
      this.#continued.add(socket)
      this.#later(socket, async () => socket.receive('HTTP/1.1 100 Continue\r\n\r\n'))
    }
    if (reading.state !== 'complete') return
    this.#continued.delete(socket)
    socket.sent = socket.sent.slice(reading.next)
    const { method, target, body } = reading.request
    const player = this.#players[Number(/\d+$/.exec(target)?.[0])] as Player
    const wanted = player.body?.content ?? ''
    this.expect(
      body === wanted,
      `request ${player.id} arrives with ${body.length} bytes of ${wanted.length}, or others`,
    )
    if (method === 'HEAD' || (body !== '' && !EXPECT_BODY.includes(method))) this.#last.add(socket)
    this.#later(socket, () => this.#answer(socket, player))
    this.#serve(socket)
  }

  /** Responses come in order. */
  #later(socket: FakeSocket, action: () => Promise<void>): void {
    const before = this.#answers.get(socket) ?? Promise.resolve()
    this.#answers.set(
      socket,
      before.then(() => (this.#stalled.has(socket) ? undefined : action())),
    )
  }

  async #answer(socket: FakeSocket, player: Player): Promise<void> {
    const random = this.#random
    const kind = random.once(3) ? random.pick(ANSWERS) : (ANSWERS[0] as string)
    const answer = kind.replace('hello', player.answer)
    const cut = random.below(answer.length)
    await turns(random.below(3))
    if (kind === STALLS) this.#stalled.add(socket)
    if (random.once(16)) return void socket.receive(null)
    if (random.once(16)) return void socket.destroy(new Error('reset'))
    socket.receive(answer.slice(0, cut))
    if (random.once(3)) await turns(1)
    socket.receive(answer.slice(cut))
  }

  // What callers do

  #step(): void {
    const random = this.#random
    if (--this.#room < 0) return
    switch (random.below(14)) {
      case 0:
        this.told.push('close')
        this.#ending.push(this.#dispatcher.close().catch(() => {}))
        return
      case 1:
        if (!random.once(3)) return
        this.told.push('destroy')
        this.#ending.push(this.#dispatcher.destroy(random.once(2) ? new Error('destroyed') : null))
        return
      case 2:
        this.told.push('resume')
        for (const controller of this.#paused) controller.resume()
        this.#paused.clear()
        return
      case 3:
        this.told.push('lose a socket')
        for (const socket of this.#sockets) return void socket.destroy()
        return
      case 4:
        this.told.push('abort one')
        return this.#players[random.below(this.#players.length)]?.controller?.abort()
      case 5:
        this.told.push('closeIdle')
        return this.#dispatcher.closeIdle?.()
      default:
        this.#dispatch()
    }
  }

  #dispatch(): void {
    const random = this.#random
    const method = random.pick(METHODS)
    const id = this.#players.length
    const connect = method === 'CONNECT'
    const sends = !connect && (EXPECT_BODY.includes(method) || random.once(4))
    const body = sends ? new LentBody(random, `${id}.`, () => this.within('a source', null)) : null
    const player = new Player(id, body, this)
    this.told.push(method)
    this.#players.push(player)
    const options = {
      path: connect ? `a.test:${id}` : `/${id}`,
      method,
      body: body?.body ?? null,
      blocking: random.once(8),
      expectContinue: sends && random.once(8),
      idempotent: random.once(8) ? true : null,
    }
    try {
      player.given = !random.once(4)
      const handler = random.once(3) ? new LegacyPlayer(player) : player
      this.#dispatcher.dispatch((player.given ? options : this.#withGetters(options)) as never, handler as Player)
    } catch (error) {
      this.expect(false, `dispatch throws ${error}`)
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
    const random = this.#random
    while (this.#room > 0) {
      this.#step()
      if (random.once(2)) await turns(random.below(3))
    }
    for (let i = 0; i < 50; i++) {
      for (const controller of this.#paused) controller.resume()
      await turns(2)
    }
    this.#calm = true
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

  #check(ended: boolean): void {
    must(this.#wrong === '', this.#wrong)
    must(ended, 'closing and destroying end')
    for (const { id, ends, spoiled, body, given } of this.#players) {
      must(ends === 1, `request ${id} had ${ends} ends`)
      must(!spoiled, `chunks that request ${id} kept have changed`)
      must(!given || body?.closed !== false, () => `the body of request ${id} is left open: ${body?.body}`)
    }
    must(this.#errors.check() === '', () => this.#errors.check())
    must(this.#sockets.size === 0, 'sockets are closed')
    const { connected, pending, running, size } = this.#dispatcher.stats as PoolStats
    must(
      [connected, pending, running, size].every((number) => Number(number) === 0),
      'the statistics are at zero',
    )
    must(wasm.used === 0, () => `${wasm.used} slots are taken`)
  }
}

export const fuzz: Fuzz = async ({ runs, seed, note }) => {
  const random = new Random(seed)
  let calls = 0
  for (let run = 0; run < runs; run++) {
    const own = random.seed()
    note(`play ${own}`)
    const play = new Play(new Random(own))
    try {
      await play.run()
    } catch (error) {
      throw Object.assign(error as Error, { message: `${(error as Error).message}: ${own}: ${play.told.join(', ')}` })
    }
    calls += play.told.length
  }
  return `${calls} calls`
}
