import { encode, FORGED, type Plan, responseBody, tunnelBytes } from './plan.js'
import type { Random } from './random.js'
import type { Peer, SimulatedSocket } from './socket.js'

/** Expectations of a server for one request. */
export interface Expected {
  readonly id: number
  readonly method: string
  /** Whether it may be executed twice. */
  readonly repeatable: boolean
  /** Whether no other request may follow before its response. */
  readonly barrier: boolean
  /** Whether it may follow others before their responses. */
  readonly pipelined: boolean
  readonly upgrade: boolean
  /** Whether it must not be sent at all. */
  readonly refused: boolean
  /** Whether no request may follow it on its connection. */
  readonly lastOfConnection: boolean
  /** Returns the complete body bytes for this `content-type`, or null if that is wrong. */
  uploadAs(type: string | undefined): Buffer | null
  /** Number of times that its headers arrived at servers. */
  executions: number
  /** Returns the plan of the next execution. */
  plan(attempt: number): Plan
}

/** Observer of a run. */
export interface Watch {
  readonly pipelining: number
  arrive(delay: number, run: () => void): void
  trace(text: () => string): void
  violation(text: string): never
  find(id: number): Expected
  /** Called when a request arrives on `connection`. */
  arrived(id: number, connection: string): void
  /** Calls `answer` when request `id` must be answered. */
  hold(id: number, answer: () => void): void
}

interface Served {
  readonly request: Expected
  readonly attempt: number
  readonly plan: Plan
  readonly upload: Buffer
  received: number
  complete: boolean
  started: boolean
}

type Reading =
  | { kind: 'head' }
  | { kind: 'length'; left: number }
  | { kind: 'size' }
  | { kind: 'chunk'; left: number }
  | { kind: 'trailer' }
  | { kind: 'nothing' }

/** The server side of a connection: parses requests strictly and responds to each by its plan. */
export class Server implements Peer {
  readonly #socket: SimulatedSocket
  readonly #watch: Watch
  readonly #random: Random
  readonly #faulty: boolean
  #input = Buffer.alloc(0)
  #reading: Reading = { kind: 'head' }
  #current: Served | null = null
  readonly #queue: Served[] = []
  #closed = false
  /** Whether it never responds again. */
  #stalled = false
  #served = 0
  #last: Expected | null = null

  constructor(part: { socket: SimulatedSocket; watch: Watch; random: Random; faulty: boolean }) {
    this.#socket = part.socket
    this.#watch = part.watch
    this.#random = part.random
    this.#faulty = part.faulty
  }

  /** Whether the server may close now: no request is in flight. */
  closeIdle(): void {
    const served = this.#served
    const idle = () => served === this.#served && this.#queue.length === 0 && this.#input.length === 0
    if (!this.#faulty || !this.#random.chance(0.3)) return
    this.#watch.arrive(this.#random.spread(0, 6000), () => {
      if (idle() && !this.#closed && this.#current === null) this.#close(this.#random.pick(['end', 'reset'] as const))
    })
  }

  onBytes(bytes: Buffer): void {
    if (this.#closed) {
      if (this.#faulty && this.#random.chance(0.7)) this.#socket.incomingReset()
      return
    }
    this.#input = Buffer.concat([this.#input, bytes])
    while (!this.#closed && this.#read()) {}
  }

  onEnd(): void {
    this.#clientClosed('the client ended')
  }

  onReset(): void {
    this.#clientClosed('the client reset')
  }

  #clientClosed(why: string): void {
    if (this.#closed) return
    this.#watch.trace(() => `${this.#socket.name} server: ${why}`)
    this.#closed = true
    this.#socket.incomingEnd()
  }

  #close(how: 'end' | 'reset'): void {
    if (this.#closed) return
    this.#watch.trace(() => `${this.#socket.name} server: closes by ${how}`)
    this.#closed = true
    if (how === 'end') this.#socket.incomingEnd()
    else this.#socket.incomingReset()
  }

  /** Parses the next part of the received bytes. Returns false if more are needed. */
  #read(): boolean {
    const reading = this.#reading
    switch (reading.kind) {
      case 'head':
        return this.#readHead()
      case 'length':
      case 'chunk':
        return this.#readBody(reading)
      case 'size':
        return this.#readSize()
      case 'trailer':
        return this.#readTrailer()
      default:
        this.#input = Buffer.alloc(0)
        return false
    }
  }

  #line(end: string): string | null {
    const at = this.#input.indexOf(end)
    if (at < 0) return null
    const line = this.#input.toString('latin1', 0, at)
    this.#input = this.#input.subarray(at + end.length)
    return line
  }

  #readHead(): boolean {
    // A malformed request line is detected before it is complete.
    const start = this.#input.toString('latin1', 0, 8)
    if (!/^[A-Z]*( |$)/.test(start))
      this.#wrong(`bytes that are no request: ${JSON.stringify(this.#input.toString('latin1', 0, 60))}`)
    const head = this.#line('\r\n\r\n')
    if (head === null) return false
    const [line = '', ...lines] = head.split('\r\n')
    const match = /^([A-Z]+) (?:\/|sim:)(\d+) HTTP\/1\.1$/.exec(line)
    if (match === null) this.#wrong(`a malformed request line: ${line}`)
    const fields = new Map<string, string>()
    for (const field of lines) {
      const [, name = '', value = ''] = /^([\w-]+): (.*)$/.exec(field) ?? this.#wrong(`a malformed header: ${field}`)
      if (fields.has(name)) this.#wrong(`${name} twice`)
      fields.set(name, value)
    }
    this.#take(this.#watch.find(Number(match?.[2])), String(match?.[1]), fields)
    return true
  }

  #take(request: Expected, method: string, fields: Map<string, string>): void {
    if (method !== request.method)
      this.#wrong(`method ${method} instead of ${request.method} for request ${request.id}`)
    const before = this.#last
    this.#last = request
    if (before?.lastOfConnection) this.#wrong(`request ${request.id} behind the body of ${before.method} ${before.id}`)
    if (request.refused) this.#wrong(`${method} ${request.id}, which must be rejected`)
    const attempt = ++request.executions
    this.#watch.trace(() => `${this.#socket.name} server: ${method} ${request.id}, attempt ${attempt}`)
    if (attempt > 1 && !request.repeatable) this.#wrong(`${method} ${request.id} is executed ${attempt} times`)
    const last = this.#queue.at(-1)
    if (last !== undefined) {
      if (last.request.barrier)
        this.#wrong(`request ${request.id} behind the unanswered ${last.request.method} ${last.request.id}`)
      if (!request.pipelined) this.#wrong(`${method} ${request.id} pipelined behind ${last.request.id}`)
    }
    if (this.#queue.length >= Math.max(1, this.#watch.pipelining))
      this.#wrong(`${this.#queue.length + 1} requests in flight`)
    const type = fields.get('content-type')
    const served: Served = {
      request,
      attempt,
      plan: request.plan(attempt),
      upload: request.uploadAs(type) ?? this.#wrong(`the body of request ${request.id} with content-type ${type}`),
      received: 0,
      complete: false,
      started: false,
    }
    this.#served++
    this.#current = served
    this.#queue.push(served)
    this.#watch.arrived(request.id, this.#socket.name)
    this.#frame(served, fields)
  }

  #frame(served: Served, fields: Map<string, string>): void {
    const length = fields.get('content-length')
    const { plan } = served
    if (fields.has('expect') && plan.expect === 'continue' && this.#queue.length === 1 && !this.#stalled) {
      this.#send(Buffer.from('HTTP/1.1 100 Continue\r\n\r\n'))
    }
    if (fields.get('transfer-encoding') === 'chunked') this.#reading = { kind: 'size' }
    else if (length !== undefined && Number(length) > 0) this.#reading = { kind: 'length', left: Number(length) }
    else return this.#finishUpload()
    if (plan.deaf > 0) {
      this.#socket.listen(false)
      this.#watch.arrive(plan.deaf, () => this.#socket.listen(true))
    }
    this.#consider()
  }

  #readBody(reading: { kind: 'length' | 'chunk'; left: number }): boolean {
    const served = this.#current as Served
    const piece = this.#input.subarray(0, reading.left)
    if (piece.length === 0) return false
    const { id } = served.request
    const { upload } = served
    if (!upload.subarray(served.received, served.received + piece.length).equals(piece)) {
      this.#wrong(`a wrong body of request ${id}: ${JSON.stringify(piece.toString('latin1', 0, 60))}`)
    }
    this.#input = this.#input.subarray(piece.length)
    served.received += piece.length
    reading.left -= piece.length
    if (reading.left === 0 && reading.kind === 'length') this.#finishUpload()
    else if (reading.left === 0) this.#reading = { kind: 'size' }
    const { refuseUpload } = served.plan
    if (refuseUpload !== null && served.received >= refuseUpload.at) this.#close(refuseUpload.how)
    this.#consider()
    return true
  }

  #readSize(): boolean {
    if (this.#input.indexOf('\r\n') === 0) this.#input = this.#input.subarray(2)
    const line = this.#line('\r\n')
    if (line === null) return false
    if (!/^[\da-f]+$/.test(line))
      this.#wrong(`a malformed chunk of request ${this.#current?.request.id}: ${JSON.stringify(line)}`)
    const left = Number.parseInt(line, 16)
    this.#reading = left === 0 ? { kind: 'trailer' } : { kind: 'chunk', left }
    return true
  }

  #readTrailer(): boolean {
    if (this.#input.length < 2) return false
    if (this.#line('\r\n') !== '') this.#wrong('unexpected trailers')
    this.#finishUpload()
    return true
  }

  #finishUpload(): void {
    const served = this.#current as Served
    const { id } = served.request
    const { upload } = served
    if (served.received !== upload.length) this.#wrong(`${served.received} of ${upload.length} bytes of request ${id}`)
    served.complete = true
    this.#current = null
    this.#reading = served.request.upgrade && served.plan.tunnel ? { kind: 'nothing' } : { kind: 'head' }
    this.#consider()
  }

  /** Returns whether the oldest request must be answered now. */
  #consider(): void {
    const first = this.#queue[0]
    if (first === undefined || first.started || this.#closed || this.#stalled) return
    if (!first.complete && first.received < first.plan.after) return
    first.started = true
    this.#watch.hold(first.request.id, () => this.#watch.arrive(first.plan.delay, () => this.#answer(first)))
  }

  #answer(served: Served): void {
    if (this.#closed) return
    const { request, attempt, plan } = served
    const { method, id } = request
    this.#watch.trace(() => `${this.#socket.name} server: answers ${id} with ${plan.status} ${plan.framing}`)
    this.#queue.shift()
    const heads = plan.interim.map((status) => Buffer.from(`HTTP/1.1 ${status} Wait\r\nx-id: ${id}\r\n\r\n`))
    if (request.upgrade && plan.tunnel) return this.#openTunnel(request, heads)
    this.#socket.refusesTunnel = method === 'CONNECT'
    const response = Buffer.concat([...heads, encode({ id, attempt, plan, random: this.#random, method })])
    if (plan.cut !== null) return this.#cut(response, plan.cut)
    const untilClose = plan.framing === 'close' && (method !== 'HEAD' || plan.bodyOfHead)
    const garbage = plan.behind === 'garbage' && !untilClose
    this.#send(garbage ? Buffer.concat([response, Buffer.from('~ garbage')]) : response)
    if (plan.behind === 'end' || plan.behind === 'reset') return this.#close(plan.behind)
    if (untilClose || plan.close || plan.http10 || garbage) return this.#close('end')
    if (plan.silentClose) return this.#closeTogether()
    this.#sendBehind(method, plan)
    this.#consider()
    this.closeIdle()
  }

  /** Closes together with the last sent bytes. */
  #closeTogether(): void {
    this.#watch.trace(() => `${this.#socket.name} server: closes silently`)
    this.#closed = true
    this.#socket.incomingEnd(Number.NEGATIVE_INFINITY)
  }

  /** Sends unexpected bytes between responses: a body, or empty lines. */
  #sendBehind(method: string, { lateBody, emptyLines, framing, length, announced }: Plan): void {
    const forbidden = framing === 'none' ? announced && length > 0 : method === 'HEAD' && framing !== 'close'
    const empty = framing === 'length' && length === 0
    if (lateBody !== null && forbidden && !empty) this.#sendLater(FORGED, lateBody)
    else if (emptyLines !== null) this.#sendLater(Buffer.from('\r\n'.repeat(emptyLines.count)), emptyLines.delay)
  }

  #sendLater(bytes: Buffer, delay: number): void {
    const send = (): void => {
      if (!this.#closed && !this.#stalled) this.#send(bytes)
    }
    if (delay === 0) send()
    else this.#watch.arrive(delay, send)
  }

  #cut(response: Buffer, cut: { at: number; how: 'end' | 'reset' | 'stall' }): void {
    this.#send(response.subarray(0, Math.floor(cut.at * response.length)))
    if (cut.how !== 'stall') return this.#close(cut.how)
    this.#stalled = true
  }

  #openTunnel(request: Expected, heads: Buffer[]): void {
    const { id, method } = request
    const head = method === 'CONNECT' ? '200 Go' : '101 Switching\r\nconnection: upgrade\r\nupgrade: sim'
    this.#send(Buffer.concat([...heads, Buffer.from(`HTTP/1.1 ${head}\r\nx-id: ${id}\r\n\r\n`), tunnelBytes(id)]))
    this.#close('end')
  }

  #send(bytes: Buffer): void {
    let delay = 0
    for (let at = 0; at < bytes.length; ) {
      const piece = bytes.subarray(at, at + Math.max(this.#random.spread(1, bytes.length), bytes.length >> 4))
      at += piece.length
      this.#socket.incoming(piece, delay)
      if (this.#random.chance(0.2)) delay += this.#random.spread(0, 100)
    }
  }

  #wrong(text: string): never {
    return this.#watch.violation(`${this.#socket.name} server got ${text}`)
  }
}

/** Returns whether `received` is the response of a plan, or its beginning. */
export function matches(id: number, attempt: number, plan: Plan, received: Buffer): 'whole' | 'part' | 'other' {
  const body = responseBody(id, attempt, plan)
  if (received.equals(body)) return 'whole'
  return received.equals(body.subarray(0, received.length)) ? 'part' : 'other'
}
