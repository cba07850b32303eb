import type { EventEmitter } from 'node:events'
import type { DispatchController, DispatchHandler } from '../../lib/exchange/handler.js'
import { Client, Pool } from '../../lib/index.js'
import { type WasmEngine, wasmEngine } from '../../lib/wire/wasm-engine.js'
import { type FakeSocket, fakeConnector, turns } from './fake-socket.js'
import { must } from './finding.js'
import { Random } from './random.js'
import { readRequest } from './strict-request.js'
import type { Fuzz } from './targets.js'

const wasm = wasmEngine() as WasmEngine
const METHODS = ['GET', 'GET', 'HEAD', 'POST', 'DELETE', 'CONNECT']
const ANSWERS = [
  'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx: y\r\n\r\n',
  'HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 204 No\r\n\r\n',
  'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello',
  'HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\nsurplus',
  'HTTP/1.1 2x0\r\n\r\n',
]

/** One request: what it heard, and what it does then. */
class Player implements DispatchHandler {
  readonly #play: Play
  ends = 0
  #calls = 0

  constructor(play: Play) {
    this.#play = play
  }

  #called(controller: DispatchController): void {
    this.#play.expect(this.ends === 0, 'nothing is told after the end')
    this.#play.expect(++this.#calls < 100, 'a request is not sent without end')
    this.#play.within(controller)
  }

  onRequestStart(controller: DispatchController): void {
    this.#called(controller)
  }

  onResponseStart(controller: DispatchController): void {
    this.#called(controller)
  }

  onResponseData(controller: DispatchController): void {
    this.#called(controller)
  }

  onRequestUpgrade(controller: DispatchController, ...rest: [number, object, FakeSocket]): void {
    rest[2].destroy()
    this.#called(controller)
    this.#play.expect(this.ends++ === 0, 'a request ends once')
  }

  onResponseEnd(controller: DispatchController): void {
    // What it throws in there fails the request after all.
    this.#called(controller)
    this.#play.expect(this.ends++ === 0, 'a request ends once')
  }

  onResponseError(controller: DispatchController, error: Error): void {
    this.#play.expect(this.ends++ === 0, 'a request ends once')
    this.#play.expect(error instanceof Error, 'by an error')
    this.#play.after(controller)
  }
}

/** One sequence of calls, of answers, and of calls from within callbacks. */
class Play {
  readonly #random: Random
  readonly #dispatcher: Client | Pool
  readonly #sockets = new Set<FakeSocket>()
  readonly #players: Player[] = []
  readonly #paused = new Set<DispatchController>()
  readonly #ending: Promise<unknown>[] = []
  readonly told: string[] = []
  #room = 40
  #wrong = ''

  constructor(random: Random) {
    this.#random = random
    const connect = fakeConnector(
      (socket) => {
        this.#sockets.add(socket)
        socket.on('close', () => this.#sockets.delete(socket))
      },
      (socket) => this.#serve(socket),
      () => random.once(12),
    )
    const options = { connect, pipelining: random.pick([1, 1, 2, 10]), parser: random.pick(['js', 'wasm'] as const) }
    this.#dispatcher = random.once(2)
      ? new Client('http://fuzz.test', options)
      : new Pool('http://fuzz.test', { ...options, connections: random.pick([1, 2, 5]) })
    for (const event of ['drain', 'connect', 'disconnect', 'connectionError']) {
      ;(this.#dispatcher as EventEmitter).on(event, () => {
        if (random.once(8)) this.#step()
      })
    }
  }

  /** Who is called by the library has nobody to throw to. */
  expect(holds: boolean, what: string): void {
    if (!holds) this.#wrong ||= what
  }

  #serve(socket: FakeSocket): void {
    const reading = readRequest(socket.sent)
    this.expect(reading.state !== 'wrong', `${JSON.stringify(reading)} of ${JSON.stringify(socket.sent)}`)
    if (reading.state !== 'complete') return
    socket.sent = socket.sent.slice(reading.next)
    void this.#answer(socket)
    if (socket.sent !== '') this.#serve(socket)
  }

  async #answer(socket: FakeSocket): Promise<void> {
    const random = this.#random
    const answer = random.once(3) ? random.pick(ANSWERS) : (ANSWERS[0] as string)
    const cut = random.below(answer.length)
    await turns(random.below(3))
    if (random.once(16)) return void socket.receive(null)
    if (random.once(16)) return void socket.destroy(new Error('reset'))
    socket.receive(answer.slice(0, cut))
    if (random.once(3)) await turns(1)
    socket.receive(answer.slice(cut))
  }

  /** What a handler does from within a callback, now and then. */
  within(controller: DispatchController): void {
    const random = this.#random
    if (!random.once(4)) return
    switch (random.below(6)) {
      case 0:
        this.told.push('abort')
        return controller.abort(new Error('enough'))
      case 1:
        this.told.push('pause')
        this.#paused.add(controller)
        return controller.pause()
      case 2:
        this.told.push('throw')
        throw new Error('a handler throws')
      default:
        this.#step()
    }
  }

  after(controller: DispatchController): void {
    if (this.#random.once(8)) controller.abort()
    if (this.#random.once(4)) this.#step()
  }

  #step(): void {
    const random = this.#random
    if (--this.#room < 0) return
    switch (random.below(12)) {
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
      default:
        this.#dispatch()
    }
  }

  #dispatch(): void {
    const player = new Player(this)
    const method = this.#random.pick(METHODS)
    this.told.push(method)
    this.#players.push(player)
    const path = method === 'CONNECT' ? 'a.test:80' : '/'
    const body = method === 'POST' ? 'a body' : null
    const blocking = this.#random.once(8)
    this.#dispatcher.dispatch({ path, method, body, blocking }, player)
  }

  async run(): Promise<void> {
    const random = this.#random
    while (this.#room > 0) {
      this.#step()
      if (random.once(2)) await turns(random.below(3))
    }
    for (let i = 0; i < 50; i++) {
      for (const controller of this.#paused) controller.resume()
      await turns(2)
    }
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
    for (const player of this.#players) must(player.ends === 1, `a request had ${player.ends} ends`)
    must(this.#sockets.size === 0, 'sockets are closed')
    const { connected, pending, running, size } = this.#dispatcher.stats
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
