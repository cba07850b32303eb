import { Request } from '../../lib/exchange/request.js'
import { Client, errors } from '../../lib/index.js'
import { type FakeSocket, fakeConnector, turns } from './fake-socket.js'
import { must } from './finding.js'
import { POISON } from './lent-body.js'
import { Random } from './random.js'
import { CallersError, type Wanted, wanted } from './request-options.js'
import { type ReadRequest, readRequest } from './strict-request.js'
import type { Fuzz } from './targets.js'

/** One in this many requests is sent by a Client; of the others only the headers are created. */
const CLIENT_SHARE = 8

/** Headers that depend on connection or body. */
const OURS = /^(host|connection|content-length|transfer-encoding|expect|upgrade|content-type)$/

function checkError(error: unknown): void {
  if (error instanceof CallersError || (error as Error)?.cause instanceof CallersError) return
  must(
    error instanceof errors.UndiciError,
    () => `failed with an unexpected error: ${(error as Error)?.stack ?? String(error)}`,
  )
}

/** Removes these headers, and returns names in lower case. */
function others(fields: readonly string[]): string {
  const lines: string[] = []
  for (let i = 0; i < fields.length; i += 2) {
    const name = (fields[i] as string).toLowerCase()
    if (!OURS.test(name)) lines.push(`${name}: ${(fields[i + 1] as string).replace(/^[ \t]+|[ \t]+$/g, '')}`)
  }
  return lines.join('\n')
}

/** Whether the source has more than its content-length, and the server responded before the excess was read. */
function isBeginning(read: ReadRequest, source: unknown, body: string): boolean {
  const announced = read.fields.some((text, i) => i % 2 === 0 && text.toLowerCase() === 'content-length')
  const whole = typeof source === 'string' || ArrayBuffer.isView(source)
  const inPieces = !whole && !(source instanceof ArrayBuffer) && !(source instanceof Blob)
  return announced && inPieces && body.startsWith(read.body)
}

function checkSame(read: ReadRequest, { options, fields, body }: Wanted, method: unknown, path: unknown): void {
  must(read.method === method, () => `method ${read.method}`)
  const same = 'query' in options && options.query != null ? read.target.startsWith(`${path}`) : read.target === path
  must(same, () => `target ${read.target} instead of ${String(path)}`)
  if (fields !== null) {
    must(others(read.fields) === others(fields), () => `headers ${others(read.fields)} instead of ${others(fields)}`)
  }
  if (body !== null && read.method !== 'CONNECT') {
    const same = read.body === body || isBeginning(read, options.body, body)
    must(same, () => `body ${JSON.stringify(read.body)} instead of ${JSON.stringify(body)}`)
  }
}

const defaults = {
  host: 'fuzz.test',
  origin: 'http://fuzz.test',
  headersTimeout: 0,
  bodyTimeout: 0,
  strictContentLength: true,
}

/** Returns whether the request was accepted. */
function tryHead(given: Wanted, close: boolean): boolean {
  const request = attempt(() => new Request(given.options as never, { ...defaults }))
  if (request === null) return false
  const { body } = request
  const bytes = body?.kind === 'bytes' ? Buffer.from(body.bytes).toString('latin1') : ''
  const text = request.headText(close) + bytes
  const reading = readRequest(text)
  must(reading.state !== 'wrong', () => `${JSON.stringify(reading)} of ${JSON.stringify(text)}`)
  if (reading.state === 'more') must(reading.headComplete && body !== null && body.kind !== 'bytes', 'it is complete')
  else {
    must(reading.next === text.length, () => `bytes behind the request: ${JSON.stringify(text)}`)
    const content = body === null || body.kind === 'bytes' ? given.body : null
    checkSame(reading.request, { ...given, body: content }, request.method, given.options.path)
  }
  return true
}

function attempt<Value>(action: () => Value): Value | null {
  try {
    return action()
  } catch (error) {
    checkError(error)
    return null
  }
}

/** A server that parses strictly and responds at once. */
class Server {
  readonly random: Random
  readonly read: ReadRequest[] = []
  wrong = ''
  readonly sockets = new Set<FakeSocket>()
  readonly #marks = new WeakMap<FakeSocket, { at: number; continued: boolean }>()
  readonly connector = fakeConnector({
    onSocket: (socket) => {
      this.sockets.add(socket)
      this.#marks.set(socket, { at: 0, continued: false })
      socket.on('close', () => this.sockets.delete(socket))
    },
    onSent: (socket) => this.#onSent(socket),
  })

  constructor(random: Random) {
    this.random = random
  }

  #onSent(socket: FakeSocket): void {
    const mark = this.#marks.get(socket) ?? { at: 0, continued: false }
    const reading = readRequest(socket.sent, mark.at)
    if (reading.state === 'wrong') this.wrong ||= `${reading.why} in ${JSON.stringify(socket.sent.slice(mark.at))}`
    else if (reading.state === 'complete') {
      mark.at = reading.next
      mark.continued = false
      this.read.push(reading.request)
      queueMicrotask(() => this.#answer(socket, reading.request))
    } else if (reading.expects && !mark.continued) {
      mark.continued = true
      queueMicrotask(() => socket.receive('HTTP/1.1 100 Continue\r\n\r\n'))
    }
  }

  #answer(socket: FakeSocket, { method, fields, tunnel }: ReadRequest): void {
    const upgrades = fields.some((text, i) => i % 2 === 0 && text.toLowerCase() === 'upgrade')
    if (upgrades) socket.receive('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n')
    else if (tunnel || method === 'HEAD') socket.receive('HTTP/1.1 200 OK\r\n\r\n')
    else socket.receive('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
  }

  /** Returns received bytes of a request, complete or not. */
  get unread(): number {
    let sum = 0
    for (const socket of this.sockets) sum += socket.sent.length - (this.#marks.get(socket)?.at ?? 0)
    return sum
  }
}

/** Transfers the memory of a body, as a caller may in the same event-loop turn. Returns false if it is not of bytes. */
function giveAway(body: unknown): boolean {
  const buffer = ArrayBuffer.isView(body) ? body.buffer : body
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength === 0 || buffer.byteLength > 64) return false
  structuredClone(buffer, { transfer: [buffer] })
  return true
}

/** Handler that records the end of a request, overwrites its bytes once they belong to the caller again, and throws at random. */
class Ending {
  calls = 0
  error: unknown = null
  readonly #lent: ReadonlySet<unknown>
  readonly #throws: string | null

  /** `lent`: memory of the body. `throws`: the callback that throws. */
  constructor(lent: ReadonlySet<unknown>, throws: string | null) {
    this.#lent = lent
    this.#throws = throws
  }

  #called(callback: string): void {
    must(this.calls === 0, `${callback} must not be called after the end`)
    if (callback === this.#throws) throw new CallersError(callback)
  }

  onRequestStart(): void {
    this.#called('onRequestStart')
  }

  onBodySent(chunk: Uint8Array): void {
    if (this.#lent.has(chunk.buffer)) chunk.fill(POISON)
    this.#called('onBodySent')
  }

  onRequestSent(): void {
    for (const buffer of this.#lent) new Uint8Array(buffer as ArrayBuffer).fill(POISON)
    this.#called('onRequestSent')
  }

  onResponseStart(): void {}
  onResponseData(): void {}

  onRequestUpgrade(...given: unknown[]): void {
    this.calls++
    ;(given[3] as FakeSocket).destroy()
  }

  onResponseEnd(): void {
    this.calls++
  }

  onResponseError(_controller: unknown, error: unknown): void {
    this.calls++
    this.error = error ?? new Error('none')
  }
}

/** Sends a request with a Client: a rejected one sends nothing, an accepted one arrives unchanged, once. */
async function tryRequest(client: Client, server: Server, given: Wanted): Promise<boolean> {
  server.read.length = 0
  const throws = server.random.once(16) ? server.random.pick(['onRequestStart', 'onBodySent', 'onRequestSent']) : null
  const ending = new Ending(given.lent, throws)
  const taken = attempt(() => client.dispatch(given.options as never, ending))
  // A getter of the caller may throw again.
  const body = attempt(() => given.options.body)
  const spoilt = taken !== null && server.random.once(8) && giveAway(body as never)
  await turns(500, () => taken === null || ending.calls > 0)
  await turns(2)
  must(server.wrong === '', () => server.wrong)
  if (taken === null || ending.error !== null) {
    if (ending.error !== null) checkError(ending.error)
    // A request that fails after it was sent may have arrived.
    const arrived = ending.error instanceof CallersError && /^on(Body|Request)Sent$/.test(ending.error.message)
    must(arrived || server.read.length === 0, () => `rejected, but sent: ${JSON.stringify(server.read)}`)
    must(server.unread === 0, 'rejected, but partly sent on a connection that stays open')
    return false
  }
  must(ending.calls === 1, () => `${ending.calls} completions`)
  must(server.read.length === 1, () => `${server.read.length} requests arrived`)
  // Short bodies are copied at dispatch.
  if (spoilt) return true
  checkSame(server.read[0] as ReadRequest, given, given.options.method, given.options.path)
  return true
}

export const fuzz: Fuzz = async ({ runs, seed, note }) => {
  const random = new Random(seed)
  const server = new Server(random)
  const options = { connect: server.connector, keepAliveTimeout: 600_000, headersTimeout: 0, bodyTimeout: 0 }
  const client = new Client('http://fuzz.test', options)
  let taken = 0
  let clients = 0
  for (let run = 0; run < runs; run++) {
    const given = wanted(random)
    note(`run ${run} of seed ${seed}: ${given.description}`)
    const whole = random.once(CLIENT_SHARE)
    if (whole) clients++
    const ok = whole ? await tryRequest(client, server, given) : tryHead(given, random.once(2))
    if (ok) taken++
  }
  await client.destroy()
  await turns(4)
  must(server.sockets.size === 0, 'all sockets must be closed')
  return `${taken} taken, ${runs - taken} refused, ${clients} through a Client`
}
