import type { Random } from './random.js'

export type Ending = 'end' | 'reset'

/** Behaviour of a server for one execution of a request. */
export interface Plan {
  /** Request body bytes after which it responds; Infinity: after the whole body. */
  readonly after: number
  /** Delay of the response in ms. */
  readonly delay: number
  readonly interim: readonly number[]
  readonly status: number
  readonly framing: 'length' | 'chunked' | 'close' | 'none'
  /** Length of the body in bytes. */
  readonly length: number
  readonly trailers: boolean
  readonly http10: boolean
  /** Whether it sends `connection: close`. */
  readonly close: boolean
  /** Seconds of the keep-alive header. */
  readonly keepAlive: number | null
  /** Whether it accepts an upgrade. */
  readonly tunnel: boolean
  /** Fraction of the response after which it stops. */
  readonly cut: { readonly at: number; readonly how: Ending | 'stall' } | null
  /** Unannounced action after the response. */
  readonly behind: Ending | 'garbage' | null
  /** Time in ms during which it does not read the body. */
  readonly deaf: number
  /** Number of upload bytes after which it closes the connection. */
  readonly refuseUpload: { readonly at: number; readonly how: Ending } | null
  readonly expect: 'continue' | 'ignore'
  /** Whether it sends a body in response to HEAD. */
  readonly bodyOfHead: boolean
  /** Whether a 204 or 304 has a `content-length`. */
  readonly announced: boolean
  /** Delay in ms after which a body is sent behind a response that must have none. */
  readonly lateBody: number | null
  /** Number of CR LF sent behind the response, and delay in ms. */
  readonly emptyLines: { readonly count: number; readonly delay: number } | null
  /** Whether it closes with the last bytes of the response, unannounced. */
  readonly silentClose: boolean
}

/** Settings of the servers of a seed. */
export interface Manners {
  readonly faulty: boolean
  /** Whether bodies may be longer than the input buffer. */
  readonly long: boolean
  /** Whether servers close after responses without announcing it. */
  readonly silentClose: boolean
}

export interface PlanParts {
  readonly manners: Manners
  /** Length of the request body in bytes. */
  readonly upload: number
  /** Whether responses have error-prone framing. */
  readonly framing: boolean
  /** Whether the server does nothing unusual. */
  readonly calm: boolean
}

const CALM = { long: false, faulty: false, silentClose: false }

export function makePlan(random: Random, parts: PlanParts): Plan {
  const { upload, calm } = parts
  const manners = calm ? CALM : parts.manners
  const faulty = (probability: number) => manners.faulty && random.chance(probability)
  const status = random.chance(0.8) ? 200 : random.pick([201, 204, 304, 404, 500, 304])
  const framing = random.pick(['length', 'length', 'length', 'chunked', 'chunked', 'close'] as const)
  const cutShort = faulty(0.12)
  return {
    after: faulty(0.2) ? random.between(0, upload) : Infinity,
    delay: random.chance(0.5) ? 0 : random.spread(0, 200),
    interim: random.chance(0.85)
      ? []
      : Array.from({ length: random.between(1, 3) }, () => random.pick([100, 102, 103])),
    status,
    framing: status === 204 || status === 304 ? 'none' : framing,
    length: manners.long && random.chance(0.2) ? random.spread(1, 400_000) : random.spread(0, 600),
    trailers: random.chance(0.3),
    http10: random.chance(0.05) && framing !== 'chunked',
    close: random.chance(0.1),
    keepAlive: random.chance(0.1) ? random.between(0, 6) : null,
    tunnel: random.chance(0.8),
    cut: cutShort ? { at: random.next(), how: random.pick(['end', 'reset', 'stall'] as const) } : null,
    behind: faulty(0.1) ? random.pick(['end', 'reset', 'garbage'] as const) : null,
    deaf: random.chance(0.2) ? random.spread(1, 300) : 0,
    refuseUpload: faulty(0.1) ? { at: random.between(0, upload), how: random.pick(['end', 'reset'] as const) } : null,
    expect: random.chance(0.7) ? 'continue' : 'ignore',
    bodyOfHead: faulty(0.1),
    ...drawFraming(random, parts),
  }
}

function drawFraming(random: Random, { manners, framing, calm }: PlanParts) {
  const late = framing && manners.faulty && random.chance(0.3)
  const empty = framing && random.chance(0.1)
  const delay = random.chance(0.5) ? 0 : random.spread(0, 300)
  return {
    announced: framing && random.chance(0.5),
    lateBody: late ? random.spread(1, 100) : null,
    emptyLines: empty ? { count: random.between(1, 2), delay } : null,
    silentClose: manners.silentClose && !calm && random.chance(0.5),
  }
}

/** Returns bytes that are unique to one execution of one request. */
export function bytesOf(name: string, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  const label = Buffer.from(`<${name}>`)
  for (let at = 0; at < length; at += label.length) label.copy(bytes, at)
  return bytes
}

export function responseBody(id: number, attempt: number, plan: Plan): Buffer {
  return plan.framing === 'none' ? Buffer.alloc(0) : bytesOf(`response ${id} ${attempt}`, plan.length)
}

export function tunnelBytes(id: number): Buffer {
  return bytesOf(`tunnel ${id}`, (id * 97) % 300)
}

/** Returns an unexpected body that has the form of a response. */
export const FORGED = Buffer.from('HTTP/1.1 200 OK\r\nx-id: 999999\r\nx-attempt: 1\r\ncontent-length: 6\r\n\r\nforged')

const TRAILER = 'x-sum: 1'

/** Returns the bytes of a response. */
export function encode(part: { id: number; attempt: number; plan: Plan; random: Random; method: string }): Buffer {
  const { id, attempt, plan, random, method } = part
  const body = responseBody(id, attempt, plan)
  let head = `HTTP/1.${plan.http10 ? 0 : 1} ${plan.status} ${random.pick(['OK', '', 'Fine by me'])}\r\n`
  head += `X-Id: ${id}\r\nx-attempt: ${attempt}\r\n`
  for (let extra = random.chance(0.3) ? random.between(1, 8) : 0; extra > 0; extra--) head += `x-${extra}: ${id}\r\n`
  if (plan.framing === 'none' && plan.announced) head += `content-length: ${plan.length}\r\n`
  if (plan.framing === 'length') head += `content-length: ${body.length}\r\n`
  if (plan.framing === 'chunked') head += 'transfer-encoding: chunked\r\n'
  if (plan.close) head += 'connection: close\r\n'
  if (plan.keepAlive !== null) head += `keep-alive: timeout=${plan.keepAlive}\r\n`
  const pieces: Uint8Array[] = [Buffer.from(`${head}\r\n`, 'latin1')]
  if (method !== 'HEAD' || plan.bodyOfHead) {
    if (plan.framing === 'chunked') pieces.push(...chunks(body, plan.trailers, random))
    else pieces.push(body)
  }
  return Buffer.concat(pieces)
}

function chunks(body: Uint8Array, trailers: boolean, random: Random): Uint8Array[] {
  const pieces: Uint8Array[] = []
  for (let at = 0; at < body.length; ) {
    const piece = body.subarray(at, at + Math.max(random.spread(1, 1000), body.length >> 5))
    at += piece.length
    pieces.push(Buffer.from(`${piece.length.toString(16)}${random.chance(0.1) ? ';a=b' : ''}\r\n`), piece)
    pieces.push(Buffer.from('\r\n'))
  }
  pieces.push(Buffer.from(trailers ? `0\r\n${TRAILER}\r\n\r\n` : '0\r\n\r\n'))
  return pieces
}
