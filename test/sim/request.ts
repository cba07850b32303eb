import type { BodyInput, DispatchInput } from '../../lib/exchange/request.js'
import { type MadeBody, makeBody } from './bodies.js'
import type { Features } from './features.js'
import { RequestMemory, ResponseMemory } from './memory.js'
import { bytesOf, type Manners, makePlan, type Plan } from './plan.js'
import type { Random } from './random.js'
import { type Expected, matches } from './server.js'
import type { UserCode } from './user-code.js'

/** What a request needs of the world around it. */
export interface Surroundings {
  readonly random: Random
  readonly manners: Manners
  readonly features: Features
  readonly userCode: UserCode
  /** Handlers abort and throw, sources fail, and the dispatcher is closed or destroyed. */
  readonly wild: boolean
  /** Requests that do nothing unusual, to see that all is well again. */
  readonly calm: boolean
  arrive(delay: number, run: () => void): void
  trace(text: () => string): void
  violation(text: string): never
  /** Something that user code does from within a callback: another request, a close, an abort. */
  meddle(): void
  /** Counts must be right whenever user code runs. */
  checkCounts(): void
}

export type State = 'new' | 'queued' | 'started' | 'ended' | 'failed' | 'upgraded'

/** ms by which a time-out may be late: those of a process that is busy when it should wake up. */
const LATE = 2500
const NEVER_TWICE = ['POST', 'PATCH', 'DELETE']
/** Methods whose body a server may leave unread, so that nothing may follow it on its connection. */
const BODY_UNEXPECTED = ['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE', 'REPORT', 'CONNECT']
const USUAL = ['GET', 'GET', 'GET', 'GET', 'HEAD', 'POST', 'POST', 'PUT', 'DELETE']
const UNUSUAL = ['GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'REPORT']

/** What a request is made by: only `dispatch` is used for upgrades. */
export type Way = 'dispatch' | 'method' | 'fetch'

/** One request: what is sent, and what must come back for it. */
export class SimulatedRequest implements Expected {
  readonly id: number
  readonly method: string
  readonly idempotent: boolean
  /** It may be executed twice: by itself, or because an interceptor sends it again. */
  repeatable: boolean
  readonly barrier: boolean
  pipelined: boolean
  readonly upgrade: boolean
  readonly upload: Buffer
  readonly options: DispatchInput
  readonly memory: RequestMemory
  /** Must be refused before anything is sent. */
  readonly refused: boolean
  /** It has a body that its server may leave unread. */
  readonly lastOfConnection: boolean
  executions = 0
  state: State = 'new'
  error: (Error & { replaySafe?: boolean; bytesWritten?: number }) | null = null
  /** Aborted when it may have been on a connection: its response may still come. */
  lingering = false
  paused = false
  /** When it must have ended, in ms. */
  deadline = Infinity
  readonly #total: number | null
  /** A refused CONNECT, whose connection its client has let go of. */
  detached = false
  /** Whether stats must count it; not known of a request that an interceptor holds, or whose body waits for its reader. */
  counted = true
  /** Its bytes are sent as they are, whatever body was made of them. */
  protected plain = false
  /** Interceptors may report its end before its response has come whole. */
  intercepted = false
  protected readonly around: Surroundings
  protected readonly random: Random
  /** Number of the execution whose response comes in; 0 before its headers. */
  protected attempt = 0
  protected readonly responseMemory: ResponseMemory
  readonly #plans: Plan[] = []
  readonly #made: MadeBody | null
  /** The library has the body for certain: no getter threw before it was read. */
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
    const length = around.manners.long && random.chance(0.2) ? random.spread(1, 300_000) : random.spread(0, 3000)
    this.upload = hasBody ? bytesOf(`request ${id}`, length) : Buffer.alloc(0)
    this.#made = hasBody && !fetches ? this.#makeBody() : null
    const streams = this.#made?.streams === true
    const sends = this.upload.length > 0 || this.#made?.encoded !== undefined
    // Of an empty body that is known to be empty nothing would be sent.
    this.refused = this.method === 'CONNECT' && hasBody && (streams || sends)
    this.lastOfConnection = features.framing && sends && BODY_UNEXPECTED.includes(this.method)
    this.barrier = !this.idempotent || blocking || this.upgrade
    this.pipelined = this.idempotent && !this.upgrade && !streams
    this.options = {
      path: this.method === 'CONNECT' ? `sim:${id}` : `/${id}`,
      method: this.method,
      body: this.#made?.body as BodyInput,
      blocking,
      // `false` would keep a connection on which a body may be left over.
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

  /** It has a time-out for all of it. */
  get limited(): boolean {
    return this.#total !== null
  }

  /** Its caller may have its end before the dispatcher has. */
  get endsEarly(): boolean {
    return this.intercepted
  }

  /** It has ended, and an interceptor may still hold it, and dispatch it then. */
  get heldBack(): boolean {
    return this.intercepted && this.limited
  }

  /** It is dispatched at `now`. */
  began(now: number): void {
    if (this.#total !== null) this.deadline = now + this.#total + LATE
  }

  plan(attempt: number): Plan {
    const { manners, features, calm } = this.around
    for (let next = this.#plans.length + 1; next <= attempt; next++) {
      const parts = { manners, upload: this.upload.length, framing: features.framing && !calm, calm }
      const plan = makePlan(this.random.fork(next), parts)
      // RFC 9110 §9.3.6: any success opens it.
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

  /** Whether its body was closed or read to its end. */
  sourceClosed(): boolean {
    return this.#made === null || !this.#given || this.#made.closed()
  }

  /** What is wrong with it when nothing is left to happen, or null. */
  checkSettled(): string | null {
    if (!this.over) return `never ends: ${this.state}`
    if (this.responseMemory.changed()) return 'received chunks that changed afterwards'
    if (this.refused && this.state !== 'failed') return 'was not refused'
    return null
  }

  /** The options as they are given; under `userCode` by getters that throw and call back. */
  givenOptions(more: object): DispatchInput {
    // However slow the network is.
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

  /** A piece of the body; `borrowed`: its memory stays the library's. */
  protected receive(chunk: Buffer, borrowed: boolean): void {
    if (this.attempt === 0) this.wrong('got data before its headers')
    const { framing, length } = this.plan(this.attempt)
    const { copy, wrong } = borrowed ? { copy: Buffer.from(chunk), wrong: null } : this.responseMemory.take(chunk)
    if (wrong !== null) this.wrong(wrong)
    this.#received.push(copy)
    this.#length += copy.length
    if (framing === 'none' || this.method === 'HEAD' || this.#length > length) this.wrong('got more than its body')
  }

  protected checkBody(end: boolean): void {
    if (this.attempt === 0) return
    const plan = this.plan(this.attempt)
    const received = Buffer.concat(this.#received)
    const match = this.method === 'HEAD' ? 'whole' : matches(this.id, this.attempt, plan, received)
    if (match === 'other') {
      this.wrong(`got a body that is not its own: ${JSON.stringify(received.toString('latin1', 0, 80))}`)
    }
    // Nothing tells a body cut off by the server's end from one that is whole (RFC 9112 §8). One that stalls is ended so when
    // the server refuses the upload of the next request.
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
