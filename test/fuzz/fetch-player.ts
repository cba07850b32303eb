import type { Dispatcher } from '../../lib/index.js'
import type { LentBody } from './lent-body.js'
import type { Played, Surroundings } from './player.js'
import type { Random } from './random.js'

/** Points in time of a request. A `fetch` is aborted some microtasks, ticks and event-loop turns after one of them. */
export type Moment = 'dispatch' | 'connect' | 'arrival' | 'first bytes' | 'last bytes' | 'response' | 'chunk' | 'end'

const MOMENTS: readonly Moment[] = [
  'dispatch',
  'dispatch',
  'connect',
  'arrival',
  'first bytes',
  'last bytes',
  'response',
  'chunk',
  'end',
]

/** Maximum number of microtasks, ticks and event-loop turns between a moment and the abort. */
const DISTANCE = 10

/** What a `fetch` needs of its run. */
export interface FetchSurroundings extends Surroundings {
  readonly random: Random
  /** Runs `act` after some microtasks, ticks and event-loop turns. */
  soon(act: () => void, most?: number): void
  /** Calls the library at random. */
  reenter(): void
}

/** One request by the `fetch` of the runtime, whose response is read, left unread, or cancelled. */
export class FetchPlayer implements Played {
  readonly id: number
  readonly body: LentBody | null
  readonly spoiled = false
  /** Only `fetch` itself knows its source, and leaves it open when the connection is lost, over any dispatcher. */
  readonly given = false
  ends = 0
  answered = false
  controller: Played['controller'] = null
  readonly ended: Promise<void>
  readonly #play: FetchSurroundings
  readonly #abort = new AbortController()
  /** When it is aborted, or null for never. */
  #abortAt: Moment | null
  /** Whether the server has sent its whole response. */
  #responded = false
  #method = ''
  #resolveEnded: () => void = () => {}

  constructor(id: number, body: LentBody | null, play: FetchSurroundings) {
    this.id = id
    this.body = body
    this.#play = play
    this.#abortAt = play.random.once(2) ? play.pick(MOMENTS) : null
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve
    })
  }

  get answer(): string {
    return String(this.id).padStart(5, '0')
  }

  /** Whether it may still be queued although it has ended: `fetch` can abort a queued request only when it starts. */
  get heldBack(): boolean {
    return this.#abort.signal.aborted
  }

  /** Sends the request. `calm`: it is neither aborted nor left unread. */
  start(dispatcher: Dispatcher, method: string, { origin, calm }: { origin: string; calm: boolean }): void {
    if (calm) this.#abortAt = null
    this.#method = method
    const body = this.body === null ? {} : { body: this.body.body, duplex: 'half' }
    const init = { method, signal: this.#abort.signal, dispatcher, ...body }
    void this.#read(fetch(`${origin}/${this.id}`, init as RequestInit), calm)
    // Aborted within its own call, Node's `fetch` throws an AssertionError, over any dispatcher.
    this.controller = { abort: () => this.#cancel() }
    this.passes('dispatch')
  }

  passes(moment: Moment): void {
    if (moment === 'last bytes') this.#responded = true
    if (moment !== this.#abortAt) return
    this.#abortAt = null
    this.#play.soon(() => this.#cancel(), DISTANCE)
  }

  #cancel(): void {
    if (this.ends > 0 || this.controller === null) return
    this.#abort.abort()
    // Node's `fetch` never settles when it is aborted after its whole response has come unread, over any dispatcher.
    if (this.#responded && this.ends === 0) this.#end()
  }

  async #read(fetching: Promise<Response>, calm: boolean): Promise<void> {
    let whole = false
    try {
      const response = await fetching
      this.passes('response')
      this.#play.reenter()
      whole = await this.#consume(response, calm)
      this.passes('end')
    } catch (error) {
      this.#play.expect(error instanceof Error, 'fetch fails by an error')
      this.#play.report(error)
    }
    // The response may be read after the request was counted as aborted.
    if (this.ends > 0 && this.#abort.signal.aborted) return
    this.answered = whole
    this.#end()
    this.#play.reenter()
  }

  /** Returns whether it has read the whole body. */
  async #consume(response: Response, calm: boolean): Promise<boolean> {
    const way = this.#play.pick(calm ? ['text', 'bytes', 'iterate'] : ['text', 'bytes', 'iterate', 'cancel', 'leave'])
    if (way === 'text') return this.#checkBody(await response.text(), response)
    if (way === 'bytes') return this.#checkBody(Buffer.from(await response.arrayBuffer()).toString('latin1'), response)
    if (way === 'iterate') return this.#iterate(response, calm)
    if (way === 'leave') await new Promise<void>((resolve) => this.#play.soon(resolve, 30))
    await response.body?.cancel()
    return false
  }

  async #iterate(response: Response, calm: boolean): Promise<boolean> {
    let received = ''
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      received += Buffer.from(chunk).toString('latin1')
      this.#play.expect(this.answer.startsWith(received), `fetch ${this.id} receives ${JSON.stringify(received)}`)
      this.passes('chunk')
      this.#play.reenter()
      if (!calm && this.#play.random.once(8)) return false
      if (this.#play.random.once(4)) await new Promise(setImmediate)
    }
    return this.#checkBody(received, response)
  }

  /** Checks a complete body. */
  #checkBody(received: string, { status }: Response): true {
    const expected = status === 200 && this.#method !== 'HEAD' ? this.answer : ''
    this.#play.expect(received === expected, `fetch ${this.id} ends with ${JSON.stringify(received)}`)
    return true
  }

  #end(): void {
    this.#play.expect(this.ends++ === 0, 'a fetch ends once')
    this.body?.release()
    this.#resolveEnded()
  }
}
