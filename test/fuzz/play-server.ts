import { Gathering } from '../sim/gathering.js'
import { type FakeSocket, turns } from './fake-socket.js'
import { POISON } from './lent-body.js'
import type { Played } from './player.js'
import type { Random } from './random.js'
import { readRequest } from './strict-request.js'

/** Methods whose bodies every server reads. */
export const EXPECT_BODY = ['POST', 'PUT']
const POISONED = String.fromCharCode(POISON)
const STALLS = 'HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello'
/** Responses. `hello` is replaced by the body of the request. */
const ANSWERS = [
  'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx: y\r\n\r\n',
  'HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 204 No\r\n\r\n',
  'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello',
  STALLS,
  'HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\nsurplus',
  'HTTP/1.1 2x0\r\n\r\n',
]

/** Environment of a server. */
export interface Served {
  expect(holds: boolean, what: string): void
  find(id: number): Played | undefined
}

/** The server of all sockets of a run: parses requests strictly, and responds in order or wrongly. */
export class PlayServer {
  gathering = new Gathering()
  /** Whether it sends complete responses to all requests. */
  calm = false
  readonly #random: Random
  readonly #play: Served
  /** Pending actions of each socket's server, in order. */
  readonly #answers = new WeakMap<FakeSocket, Promise<void>>()
  /** Sockets on which no request may follow. */
  readonly #last = new WeakSet<FakeSocket>()
  readonly #continued = new WeakSet<FakeSocket>()
  /** Sockets whose server does not complete its response. */
  readonly #stalled = new WeakSet<FakeSocket>()

  constructor(random: Random, play: Served) {
    this.#random = random
    this.#play = play
  }

  serve(socket: FakeSocket): void {
    this.#play.expect(!socket.sent.includes(POISONED), 'memory that its caller has again is not sent')
    if (socket.sent === '') return
    this.#play.expect(
      !this.#last.has(socket),
      `nothing is sent behind a request that a server may not read: ${socket.sent}`,
    )
    const reading = readRequest(socket.sent)
    this.#play.expect(reading.state !== 'wrong', `${JSON.stringify(reading)} of ${JSON.stringify(socket.sent)}`)
    if (reading.state === 'more' && reading.expects && !this.#continued.has(socket)) {
      this.#continued.add(socket)
      this.#later(socket, async () => socket.receive('HTTP/1.1 100 Continue\r\n\r\n'))
    }
    if (reading.state !== 'complete') return
    this.#continued.delete(socket)
    socket.sent = socket.sent.slice(reading.next)
    const { method, target, body } = reading.request
    const player = this.#play.find(Number(/\d+$/.exec(target)?.[0])) as Played
    const whole = player.body === null ? body === '' : player.body.arrives(body)
    this.#play.expect(whole, `request ${player.id} arrives with ${body.length} bytes that are not its own`)
    this.gathering.arrived(player.id, '')
    player.passes?.('arrival')
    if (method === 'HEAD' || (body !== '' && !EXPECT_BODY.includes(method))) this.#last.add(socket)
    this.#later(socket, () => this.#answer(socket, player))
    this.serve(socket)
  }

  /** Sends responses in order. */
  #later(socket: FakeSocket, action: () => Promise<void>): void {
    const before = this.#answers.get(socket) ?? Promise.resolve()
    this.#answers.set(
      socket,
      before.then(() => (this.#stalled.has(socket) ? undefined : action())),
    )
  }

  async #answer(socket: FakeSocket, player: Played): Promise<void> {
    const random = this.#random
    const kind = random.once(3) ? random.pick(ANSWERS) : (ANSWERS[0] as string)
    const answer = kind.replace('hello', player.answer)
    const cut = random.below(answer.length)
    await turns(random.below(3))
    await new Promise<void>((resolve) => this.gathering.hold(player.id, resolve))
    if (this.calm) return this.#whole(socket, player)
    if (kind === STALLS) this.#stalled.add(socket)
    if (random.once(16)) return void socket.receive(null)
    if (random.once(16)) return void socket.destroy(new Error('reset'))
    player.passes?.('first bytes')
    socket.receive(answer.slice(0, cut))
    if (random.once(3)) await turns(1)
    player.passes?.('last bytes')
    socket.receive(answer.slice(cut))
  }

  #whole(socket: FakeSocket, player: Played): void {
    player.passes?.('last bytes')
    socket.receive((ANSWERS[0] as string).replace('hello', player.answer))
  }
}
