import { type Engine, INPUT_BYTES } from '../../lib/wire/engine.js'
import { Parser, type ParserListener, REQUEST_KIND, type RequestKind } from '../../lib/wire/parser.js'
import { defaultLimits } from '../../lib/wire/parser-limits.js'
import { RepeatedHeadCache } from '../../lib/wire/repeated-head-cache.js'
import type { ResponseHead } from '../../lib/wire/response-head.js'
import { Finding, must } from './finding.js'
import { Random } from './random.js'
import { type ResponseInput, WIDE } from './response-input.js'

/** Outcome of an input. */
export interface Outcome {
  /** Complete messages as text. */
  readonly messages: readonly string[]
  /** Header section of the incomplete message, or null. */
  readonly open: string | null
  /** Received part of its body. */
  readonly partial: string
  /** Code of the parse error, or ''. */
  readonly code: string
  /** Whether the parser was released within a callback. */
  readonly left: boolean
}

const SPLITTING = /[\0\r\n]/

function textOf(head: ResponseHead): string {
  const { statusCode, statusText, minor, rawHeaders, persistent, contentLength, keepAliveHint } = head
  for (const text of rawHeaders) must(!SPLITTING.test(text), () => `a header contains ${JSON.stringify(text)}`)
  must(!SPLITTING.test(statusText), () => `the reason phrase contains ${JSON.stringify(statusText)}`)
  must(rawHeaders.length % 2 === 0, 'rawHeaders must have pairs of names and values')
  const names = new Set(rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase()))
  must(Object.keys(head.headers()).length === names.size, 'every header name must be in the headers object')
  return [statusCode, statusText, minor, persistent, contentLength, keepAliveHint, ...rawHeaders].join('\n')
}

/** Receives parser callbacks, pauses it at random, and checks its contract. */
class Observer implements ParserListener {
  readonly messages: string[] = []
  readonly #waiting: ResponseInput['requests']
  readonly #random: Random | null
  parser: Parser | null = null
  open: string | null = null
  readonly body: Buffer[] = []
  answered = 0
  bytes = 0
  calls = 0
  tunnelled = false
  stopped = false
  ended = false
  /** Number of callbacks until it releases the parser within one; 0 for never. */
  leaveAt = 0

  constructor(requests: ResponseInput['requests'], random: Random | null) {
    this.#waiting = requests
    this.#random = random
  }

  #called(mayStop: boolean): void {
    must(!this.ended, 'no callback may follow the end')
    // The end of a message follows its last bytes, paused or not.
    must(!this.stopped || this.open === null, 'no callback may run while stopped')
    this.calls++
    if (this.calls === this.leaveAt) {
      this.ended = true
      this.parser?.release()
    } else if (mayStop && this.#random?.once(8)) {
      this.stopped = true
      this.parser?.pause()
    }
  }

  onMessageBegin(): RequestKind {
    this.#called(false)
    must(!this.stopped, 'no message may begin while stopped')
    must(this.open === null, 'a message must not begin before the previous one is complete')
    const request = this.#waiting[this.answered]
    if (request === undefined) return REQUEST_KIND.none
    if (request.upgrade !== undefined)
      return request.method === 'HEAD' ? REQUEST_KIND.headUpgrade : REQUEST_KIND.upgrade
    if (request.method === 'CONNECT') return REQUEST_KIND.connect
    return request.method === 'HEAD' ? REQUEST_KIND.head : REQUEST_KIND.request
  }

  onInformational(head: ResponseHead): void {
    must(head.statusCode < 200 && head.statusCode !== 101, () => `status ${head.statusCode} was reported as interim`)
    this.messages.push(textOf(head))
    this.#called(true)
  }

  onHead(head: ResponseHead): void {
    must(head.statusCode >= 200, () => `status ${head.statusCode} was reported as final`)
    must(this.open === null, 'headers must be reported once')
    this.open = textOf(head)
    this.#called(true)
  }

  onBody(chunk: Buffer): void {
    must(this.open !== null, 'a body must follow headers')
    must(chunk.length > 0, 'chunks must not be empty')
    this.bytes += chunk.length
    this.body.push(chunk)
    this.#called(true)
  }

  onMessageEnd(trailers: string[], reusable: boolean): void {
    must(this.open !== null, 'an end must follow headers')
    for (const text of trailers) must(!SPLITTING.test(text), () => `a trailer contains ${JSON.stringify(text)}`)
    this.messages.push([this.open, this.partial(), reusable, ...trailers].join('\n'))
    this.open = null
    this.body.length = 0
    this.answered++
    this.#called(true)
  }

  onTunnel(head: ResponseHead): void {
    this.tunnelled = true
    this.answered++
    this.messages.push(`tunnel\n${textOf(head)}`)
    this.#called(false)
  }

  partial(): string {
    return Buffer.concat(this.body).toString('latin1')
  }
}

/** How an input is read: 0 for all at once, otherwise the seed of its splits and pauses. */
export type Plan = number

/** Header memory shared by all inputs with default limits, so later ones may hit it. */
const remembered = new RepeatedHeadCache()

export function observe(engine: Engine, input: ResponseInput, plan: Plan): Outcome {
  const random = plan === 0 ? null : new Random(plan)
  const observer = new Observer(input.requests, random)
  // Only parsers with the same limits share it.
  const heads = random !== null && input.limits === WIDE ? remembered : new RepeatedHeadCache()
  const parser = new Parser(engine, observer, { ...defaultLimits, ...input.limits, heads })
  observer.parser = parser
  if (random?.once(16)) observer.leaveAt = 1 + random.below(6)
  let code = ''
  try {
    feed(parser, observer, { raw: input.raw, random })
    if (input.eof && !observer.tunnelled && !observer.ended) {
      parser.resume()
      observer.stopped = false
      parser.finish()
    }
  } catch (error) {
    if (error instanceof Finding) throw error
    code = String((error as { code?: unknown }).code)
    must(/^(HPE|UND_ERR)_/.test(code), () => `failed with an unexpected error: ${(error as Error).stack}`)
  } finally {
    parser.release()
  }
  must(observer.bytes <= input.raw.length, 'no more bytes may be reported than were received')
  return { messages: observer.messages, open: observer.open, partial: observer.partial(), code, left: observer.ended }
}

/** Reads an input in parts, like a socket reader, and overwrites the input buffer after each. */
function feed(parser: Parser, observer: Observer, given: { raw: string; random: Random | null }): void {
  const { raw, random } = given
  const { input } = parser.engine
  let steps = 0
  for (let at = 0; at < raw.length && !observer.ended; ) {
    must(++steps <= 2 * raw.length + 8, 'reading must make progress')
    if (observer.stopped) {
      observer.stopped = false
      parser.resume()
    }
    if (observer.tunnelled) return
    const size = Math.min(raw.length - at, sizeOf(random), input.length)
    input.latin1Write(raw.slice(at, at + size), 0)
    const used = parser.feed(0, size)
    input.fill(0x58, 0, size)
    must(used >= 0 && used <= size, () => `stopped at ${used} of ${size}`)
    at += used
    if (used < size && !observer.stopped && !observer.tunnelled && !observer.ended) {
      throw Object.assign(new Error('surplus'), { code: 'HPE_SURPLUS' })
    }
  }
}

function sizeOf(random: Random | null): number {
  if (random === null) return INPUT_BYTES
  switch (random.below(4)) {
    case 0:
      return 1
    case 1:
      return 1 + random.below(8)
    case 2:
      return 1 + random.below(64)
    default:
      return 1 + random.below(4096)
  }
}

declare module '../../lib/wire/engine.js' {
  interface InputBuffer {
    latin1Write(text: string, offset: number): number
  }
}
