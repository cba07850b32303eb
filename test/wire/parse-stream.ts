import type { Engine } from '../../lib/wire/engine.js'
import { Parser, type ParserListener, REQUEST_KIND, type RequestKind } from '../../lib/wire/parser.js'
import { defaultLimits } from '../../lib/wire/parser-limits.js'
import type { ResponseHead } from '../../lib/wire/response-head.js'
import { ScriptEngine } from '../../lib/wire/script-engine.js'
import { wasmEngine } from '../../lib/wire/wasm-engine.js'
import type { ExpectedMessage, ResponseCase } from './response-cases.js'

/** Engines that must behave the same. */
export const engines: [string, Engine][] = [
  ['wasm', wasmEngine()],
  ['js', new ScriptEngine()],
]

function pairs(raw: readonly string[]): [string, string][] {
  const result: [string, string][] = []
  for (let i = 0; i < raw.length; i += 2) result.push([(raw[i] as string).toLowerCase(), raw[i + 1] as string])
  return result
}

/** Records the events of a parser, in the form of the cases. */
export class Recorder implements ParserListener {
  readonly messages: ExpectedMessage[] = []
  readonly #waiting: ResponseCase['requests']
  current: ExpectedMessage | null = null
  error: Error | null = null
  tunnelled = false

  constructor(requests: ResponseCase['requests']) {
    this.#waiting = [...requests]
  }

  get outstanding(): number {
    return this.#waiting.length
  }

  onMessageBegin(): RequestKind {
    const request = this.#waiting[0]
    if (request === undefined) return REQUEST_KIND.none
    if (request.upgrade !== undefined) return REQUEST_KIND.upgrade
    if (request.method === 'CONNECT') return REQUEST_KIND.connect
    return request.method === 'HEAD' ? REQUEST_KIND.head : REQUEST_KIND.request
  }

  onInformational(head: ResponseHead): void {
    this.messages.push({ ...this.#message(head), informational: true })
  }

  onHead(head: ResponseHead): void {
    this.current = this.#message(head)
  }

  onBody(chunk: Buffer): void {
    if (this.current !== null) this.current.body += chunk.toString('latin1')
  }

  onMessageEnd(trailers: string[], reusable: boolean): void {
    if (this.current === null) throw new Error('end before head')
    this.messages.push({ ...this.current, trailers: pairs(trailers), keepAlive: reusable })
    this.current = null
    this.#waiting.shift()
  }

  onTunnel(head: ResponseHead): void {
    this.tunnelled = true
    this.messages.push({ ...this.#message(head), tunnel: true, keepAlive: false, rest: '' })
    this.#waiting.shift()
  }

  #message(head: ResponseHead): ExpectedMessage {
    const { statusCode, statusText, minor, rawHeaders } = head
    const version = `1.${minor}`
    return { version, status: statusCode, reason: statusText, headers: pairs(rawHeaders), body: '', trailers: [] }
  }
}

/** Properties of a case that determine how its bytes are parsed. */
export type StreamInput = Pick<ResponseCase, 'requests' | 'eof' | 'limits'>

/** Parses `pieces` one after the other and returns the recorded events. */
export function parseStream(engine: Engine, given: StreamInput, pieces: string[]): Recorder {
  const recorder = new Recorder(given.requests)
  const parser = new Parser(engine, recorder, { ...defaultLimits, ...given.limits })
  try {
    if (pieces.length > 2) for (const piece of pieces) feed(parser, recorder, piece)
    else feedInPlace(parser, recorder, pieces)
    if (given.eof && !recorder.tunnelled) {
      parser.finish()
      if (recorder.outstanding > 0) throw new Error('the connection ended before a response')
    }
  } catch (error) {
    recorder.error = error as Error
  } finally {
    parser.release()
  }
  return recorder
}

/** Parses two pieces that are in the input buffer as in one read, one after the other. */
function feedInPlace(parser: Parser, recorder: Recorder, pieces: string[]): void {
  const whole = pieces.join('')
  if (whole.length > parser.engine.input.length) {
    for (const piece of pieces) feed(parser, recorder, piece)
    return
  }
  const input = parser.engine.input
  if (input.latin1Slice(0, whole.length) !== whole) input.write(whole, 'latin1')
  let start = 0
  for (const piece of pieces) {
    const end = start + piece.length
    const used = recorder.tunnelled ? start : parser.feed(start, end)
    if (used < end && !recorder.tunnelled) throw new Error('surplus bytes')
    if (recorder.tunnelled) (recorder.messages.at(-1) as ExpectedMessage).rest += whole.slice(used, end)
    start = end
  }
}

function feed(parser: Parser, recorder: Recorder, piece: string): void {
  for (let at = 0; at < piece.length; at += parser.engine.input.length) {
    const part = piece.slice(at, at + parser.engine.input.length)
    parser.engine.input.write(part, 'latin1')
    const used = parser.feed(0, part.length)
    if (used === part.length) continue
    if (!recorder.tunnelled) throw new Error('surplus bytes')
    const tunnel = recorder.messages.at(-1) as ExpectedMessage
    tunnel.rest += part.slice(used)
  }
}
