import type { BodyInput, DispatchInput } from '../../lib/exchange/request.js'
import { type MadeBody, makeBody } from './bodies.js'
import type { Features } from './features.js'
import { RequestMemory, ResponseMemory } from './memory.js'
import { bytesOf, type Manners, makePlan, type Plan } from './plan.js'
import type { Random } from './random.js'
import { type Expected, matches } from './server.js'
import type { UserCode } from './user-code.js'

/** Environment of a request. */
export interface Surroundings {
  readonly random: Random
  readonly manners: Manners
  readonly features: Features
  readonly userCode: UserCode
  /** Whether handlers abort and throw, sources fail, and the dispatcher is closed or destroyed. */
  readonly wild: boolean
  /** Whether requests do nothing unusual, to check recovery. */
  readonly calm: boolean
  arrive(delay: number, run: () => void): void
  trace(text: () => string): void
  violation(text: string): never
  /** Runs a random action within a callback: another request, a close, an abort. */
  reenter(): void
  /** Checks stats, which must be correct whenever user code runs. */
  checkCounts(): void
}

export type State = 'new' | 'queued' | 'started' | 'ended' | 'failed' | 'upgraded'

/** Maximum delay of a timeout in ms, of a process that is busy when it is due. */
const LATE = 2500
const NEVER_TWICE = ['POST', 'PATCH', 'DELETE']
/** Methods whose body a server may leave unread, so the connection can not be reused. */
const BODY_UNEXPECTED = ['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE', 'REPORT', 'CONNECT']
const USUAL = ['GET', 'GET', 'GET', 'GET', 'HEAD', 'POST', 'POST', 'PUT', 'DELETE']
const UNUSUAL = ['GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'REPORT']

/** API of a request. Upgrades use only `dispatch`. */
export type Way = 'dispatch' | 'method' | 'fetch'

/** One request: the bytes to send, and the expected response. */
export class SimulatedRequest implements Expected {
  readonly id: number
  readonly method: string
  readonly idempotent: boolean
  /** Whether it may be executed twice: it is idempotent, or an interceptor may send it again. */
  repeatable: boolean
  readonly barrier: boolean
  pipelined: boolean
  readonly upgrade: boolean
  readonly upload: Buffer
  readonly options: DispatchInput
  readonly memory: RequestMemory
  /** Whether it must be rejected before anything is sent. */
  readonly refused: boolean
  /** Whether it has a body that its server may leave unread. */
  readonly lastOfConnection: boolean
  executions = 0
  state: State = 'new'
  error: (Error & { replaySafe?: boolean; bytesWritten?: number }) | null = null
  /** Whether it was aborted while possibly on a connection: its response may still arrive. */
  lingering = false
  paused = false
  /** Time in ms at which it must have ended. */
  deadline = Infinity
  readonly #total: number | null
  /** Whether it is a refused CONNECT whose client has released the connection. */
  detached = false
  /** Whether stats must count it. Unknown if an interceptor holds it, or its body waits for its reader. */
  counted = true
  /** Whether its bytes are sent unchanged, for any kind of body. */
  protected plain = false
  /** Whether interceptors may report its end before its response is complete. */
  intercepted = false
  protected readonly around: Surroundings
  protected readonly random: Random
  /** Number of the execution whose response arrives; 0 before its headers. */
  protected attempt = 0
  protected readonly responseMemory: ResponseMemory
  readonly #plans: Plan[] = []
  readonly #made: MadeBody | null
  /** Whether the library has read the body option: no getter threw before. */
  #given = false
  #received: Buffer[] = []
  #length = 0

  constructor(id: number, around: Surroundings, way: Way = 'dispatch') {
    this.id = id
    this.around = around
    const random = around.random.fork(id)
    this.random = random
    const { features, calm } = around
    this.memory = new RequestMemory(features.memory)
    this.upgrade = way === 'dispatch' && !calm && random.chance(0.05)
    this.method = this.upgrade
      ? random.pick(['GET', 'CONNECT'])
      : calm
        ? 'GET'
        : random.pick(features.framing ? UNUSUAL : USUAL)
    const fetches = way === 'fetch'
    if (fetches && this.method === 'TRACE') this.method = 'REPORT'
    const given =
      fetches || NEVER_TWICE.includes(this.method) || this.upgrade ? undefined : random.pick([undefined, true])
    this.idempotent = given ?? (this.method === 'GET' || this.method === 'HEAD')
    this.repeatable = this.idempotent
    const blocking = random.chance(0.1) && !calm && !fetches
    const bodiless = fetches && this.idempotent
    const hasBody = !calm && !bodiless && this.#drawBody()
    this.#total =
      features.timeouts && !calm && !fetches && around.manners.faulty && random.chance(0.3)
        ? random.spread(1, 8000)
        : null
    // CONNECT with a stream that has ended without data is not rejected, so that its body is never empty here.
    const least = this.method === 'CONNECT' ? 1 : 0
    const length = around.manners.long && random.chance(0.2) ? random.spread(1, 300_000) : random.spread(least, 3000)
    this.upload = hasBody ? bytesOf(`request ${id}`, length) : Buffer.alloc(0)
    this.#made = hasBody && !fetches ? this.#makeBody() : null
    const streams = this.#made?.streams === true
    const sends = this.upload.length > 0 || this.#made?.encoded !== undefined
    // A body that is known to be empty would not be sent.
    this.refused = this.method === 'CONNECT' && hasBody && (streams || sends)
    this.lastOfConnection = features.framing && sends && BODY_UNEXPECTED.includes(this.method)
    this.barrier = !this.idempotent || blocking || this.upgrade
    this.pipelined = this.idempotent && !this.upgrade && !streams
    this.options = {
      path: this.method === 'CONNECT' ? `sim:${id}` : `/${id}`,
      method: this.method,
      body: this.#made?.body as BodyInput,
      blocking,
      // `false` would keep a connection on which an unread body may remain.
      ...(random.chance(0.03) && !calm ? { reset: true } : {}),
      expectContinue: hasBody && random.chance(0.15),
      ...(given === undefined ? {} : { idempotent: given }),
      ...(this.#total === null ? {} : { timeouts: { total: this.#total } }),
      ...(this.upgrade && this.method !== 'CONNECT' ? { upgrade: 'sim' } : {}),
      ...(streams && random.chance(0.5) ? { headers: { 'content-length': String(length) } } : {}),
    }
    const later = (run: () => void) => around.arrive(random.spread(0, 100), run)
    this.responseMemory = new ResponseMemory({ id, active: features.memory, random: random.fork(3), later })
  }

  get over(): boolean {
    return this.state === 'ended' || this.state === 'failed' || this.state === 'upgraded'
  }

  /** Whether it has `timeouts.total`. */
  get limited(): boolean {
    return this.#total !== null
  }

  /** Whether its caller may be notified of its end before the dispatcher. */
  get endsEarly(): boolean {
    return this.intercepted
  }

  /** Whether it has ended while an interceptor may still hold and dispatch it. */
  get heldBack(): boolean {
    return this.intercepted && this.limited
  }

  /** Records that it is dispatched at `now`. */
  began(now: number): void {
    if (this.#total !== null) this.deadline = now + this.#total + LATE
  }

  plan(attempt: number): Plan {
    const { manners, features, calm } = this.around
    for (let next = this.#plans.length + 1; next <= attempt; next++) {
      const parts = { manners, upload: this.upload.length, framing: features.framing && !calm, calm }
      const plan = makePlan(this.random.fork(next), parts)
      // RFC 9110 §9.3.6: any 2xx opens the tunnel.
      const tunnel = plan.tunnel || (this.method === 'CONNECT' && plan.status < 300)
      this.#plans.push({ ...plan, tunnel })
    }
    return this.#plans[attempt - 1] as Plan
  }

  uploadAs(type: string | undefined): Buffer | null {
    return this.#made?.encoded === undefined || this.plain ? this.upload : this.#made.encoded(type)
  }

  get bodyKind(): string {
    return `body (${Object.prototype.toString.call(this.options.body)})`
  }

  /** Returns whether its body was closed or completely read. */
  sourceClosed(): boolean {
    return this.#made === null || !this.#given || this.#made.closed()
  }

  /** Returns its problem at the end of the run, or null. */
  checkSettled(): string | null {
    if (!this.over) return `did not end, state: ${this.state}`
    if (this.responseMemory.changed()) return 'received chunks that changed afterwards'
    if (this.refused && this.state !== 'failed') return 'was not rejected'
    return null
  }

  /** Returns its options; with `userCode`, as getters that throw and call the library. */
  givenOptions(more: object): DispatchInput {
    // Long enough for the slowest network.
    const patience = this.around.calm ? { headersTimeout: 0, bodyTimeout: 0 } : {}
    const options = { ...this.options, ...patience, ...more }
    if (!this.around.features.userCode || !this.random.chance(0.3)) {
      this.#given = true
      return options
    }
    const given = {}
    for (const [name, value] of Object.entries(options)) {
      const get = () => {
        this.around.userCode.run('getter', options)
        return value
      }
      Object.defineProperty(given, name, { get, enumerable: true })
    }
    return given as DispatchInput
  }

  protected responseBegins(status: number, headers: Record<string, unknown>): void {
    if (headers['x-id'] !== undefined && headers['x-id'] !== String(this.id)) {
      this.wrong(`got the response of ${headers['x-id']}`)
    }
    if (status < 200) return
    this.detached = this.method === 'CONNECT'
    if (this.attempt > 0) this.wrong('got headers of a second response')
    this.attempt = Number(headers['x-attempt'])
    if (!(this.attempt >= 1 && this.attempt <= this.executions))
      this.wrong(`got the response of attempt ${this.attempt}`)
    if (status !== this.plan(this.attempt).status) this.wrong(`got status ${status}`)
  }

  /** Handles a chunk of the body. `borrowed`: its memory belongs to the library. */
  protected receive(chunk: Buffer, borrowed: boolean): void {
    if (this.attempt === 0) this.wrong('got data before its headers')
    const { framing, length } = this.plan(this.attempt)
    const { copy, wrong } = borrowed ? { copy: Buffer.from(chunk), wrong: null } : this.responseMemory.take(chunk)
    if (wrong !== null) this.wrong(wrong)
    this.#received.push(copy)
    this.#length += copy.length
    if (framing === 'none' || this.method === 'HEAD' || this.#length > length)
      this.wrong('got more bytes than its body has')
  }

  protected checkBody(end: boolean): void {
    if (this.attempt === 0) return
    const plan = this.plan(this.attempt)
    const received = Buffer.concat(this.#received)
    const match = this.method === 'HEAD' ? 'whole' : matches(this.id, this.attempt, plan, received)
    if (match === 'other') {
      this.wrong(`got a wrong body: ${JSON.stringify(received.toString('latin1', 0, 80))}`)
    }
    // A body without length that is cut off by the server's close can not be distinguished from a complete one (RFC 9112 §8).
    // A stalled one ends like this when the server rejects the upload of the next request.
    const delimited = plan.framing !== 'close' || plan.cut === null || plan.cut.how === 'reset'
    if (end && match === 'part' && delimited) this.wrong(`ended after ${received.length} of ${plan.length} bytes`)
  }

  protected wrong(text: string): never {
    return this.around.violation(`${this.method} ${this.id} ${text}`)
  }

  #drawBody(): boolean {
    const { random, method } = this
    const { framing } = this.around.features
    if (this.upgrade) return framing && method === 'CONNECT' && random.chance(0.3)
    if (method === 'HEAD') return framing && random.chance(0.1)
    if (BODY_UNEXPECTED.includes(method) && method !== 'DELETE') return random.chance(framing ? 0.15 : 0.05)
    return random.chance(0.8)
  }

  #makeBody(): MadeBody {
    const { upload, memory, random, around } = this
    const { userCode, wild, features } = around
    const arrive = (delay: number, run: () => void) => around.arrive(delay, run)
    return makeBody(
      { upload, memory, random, userCode, wild, arrive, stalls: this.#total !== null && random.chance(0.2) },
      features.memory || features.userCode || features.sources,
    )
  }
}
