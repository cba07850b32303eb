import type { DispatchController, DispatchHandler } from '../../lib/exchange/handler.js'
import type { FakeSocket } from './fake-socket.js'
import type { Moment } from './fetch-player.js'
import type { LentBody } from './lent-body.js'
import { POISON } from './lent-body.js'

/** Environment of a player. */
export interface Surroundings {
  expect(holds: boolean, what: string): void
  /** Runs callers' code, which aborts, pauses, throws and calls the library at random. */
  within(place: string, controller: DispatchController | null): void
  /** The same in the last callback of a request. */
  after(controller: DispatchController): void
  report(error: unknown): boolean
  pick<Item>(items: readonly Item[]): Item
}

/** One request of a run, by a handler or by `fetch`. */
export interface Played {
  readonly id: number
  readonly body: LentBody | null
  /** Expected text in its response. */
  readonly answer: string
  /** Number of times that it ended. */
  readonly ends: number
  /** Whether it completed with its response. */
  readonly answered: boolean
  /** Whether its body source must be closed at the end. */
  readonly given: boolean
  /** Whether kept chunks have changed. */
  readonly spoiled: boolean
  readonly controller: Pick<DispatchController, 'abort'> | null
  /** Resolves when the request ends. */
  readonly ended: Promise<void>
  /** Called at points in time that its handler does not notice. */
  passes?(moment: Moment): void
}

/** The handler of one request: checks its callbacks, and acts like callers. */
export class Player implements DispatchHandler, Played {
  readonly id: number
  readonly body: LentBody | null
  ends = 0
  /** Whether it completed with its response. */
  answered = false
  /** Whether the library has read the body option: no getter threw before. */
  given = false
  controller: DispatchController | null = null
  /** Resolves when the request ends. */
  readonly ended: Promise<void>
  #resolveEnded: () => void = () => {}
  readonly #play: Surroundings
  readonly #kept: { chunk: Buffer; copy: Buffer }[] = []
  readonly #chunkUse: string
  #received = ''
  #calls = 0

  constructor(id: number, body: LentBody | null, play: Surroundings) {
    this.id = id
    this.body = body
    this.#play = play
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve
    })
    this.#chunkUse = play.pick(['keep', 'overwrite', 'transfer'])
  }

  /** Expected text in its response. */
  get answer(): string {
    return String(this.id).padStart(5, '0')
  }

  /** Checks that kept chunks are unchanged: their memory belongs to the receiver. */
  get spoiled(): boolean {
    return this.#kept.some(({ chunk, copy }) => !chunk.equals(copy))
  }

  #called(place: string, controller: DispatchController | null): void {
    this.#play.expect(this.ends === 0, `${place} is not called after the end`)
    this.#play.expect(++this.#calls < 5000, 'a request is not sent without end')
    this.#play.within(place, controller)
  }

  #end(): void {
    this.#play.expect(this.ends++ === 0, 'a request ends once')
    this.body?.release()
    this.#resolveEnded()
  }

  onRequestStart(controller: DispatchController): void {
    this.controller = controller
    this.#called('onRequestStart', controller)
  }

  onBodySent(chunk: Uint8Array): void {
    this.body?.sent(chunk)
    this.#called('onBodySent', null)
  }

  onRequestSent(): void {
    this.body?.release()
    this.#called('onRequestSent', null)
  }

  onResponseStart(controller: DispatchController): void {
    this.#called('onResponseStart', controller)
  }

  onResponseData(controller: DispatchController, chunk: Buffer): void {
    const { expect } = this.#play
    this.#received += chunk.toString('latin1')
    expect(this.answer.startsWith(this.#received), `request ${this.id} receives ${JSON.stringify(this.#received)}`)
    expect(chunk.buffer.byteLength === chunk.length, 'the memory of a short chunk holds nothing else')
    if (this.#chunkUse === 'keep') this.#kept.push({ chunk, copy: Buffer.from(chunk) })
    else if (this.#chunkUse === 'overwrite') chunk.fill(POISON)
    else structuredClone(chunk.buffer, { transfer: [chunk.buffer as ArrayBuffer] })
    this.#called('onResponseData', controller)
  }

  onRequestUpgrade(controller: DispatchController, ...rest: [number, object, FakeSocket]): void {
    rest[2].destroy()
    this.#called('onRequestUpgrade', controller)
    this.#end()
  }

  onResponseEnd(controller: DispatchController): void {
    // An exception there fails the request.
    this.#called('onResponseEnd', controller)
    this.answered = true
    this.#end()
  }

  onResponseError(controller: DispatchController, error: Error): void {
    this.#end()
    this.#play.expect(error instanceof Error, 'by an error')
    this.#play.report(error)
    this.#play.after(controller)
  }
}
