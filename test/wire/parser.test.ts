import t from 'tap'
import { ANSWERS, type Answers, defaultLimits, Parser, type ResponseSink } from '../../lib/wire/parser.js'
import type { ResponseHead } from '../../lib/wire/response-head.js'
import { type ExpectedMessage, type ResponseCase, responseCases } from './response-cases.js'

const COMMON: ResponseCase['requests'][number] = { method: 'GET' }
const BEFORE = 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc'

function pairs(raw: readonly string[]): [string, string][] {
  const result: [string, string][] = []
  for (let i = 0; i < raw.length; i += 2) result.push([(raw[i] as string).toLowerCase(), raw[i + 1] as string])
  return result
}

/** Records what the parser tells, in the shape of the cases. */
class Recorder implements ResponseSink {
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

  onMessageBegin(): Answers {
    const request = this.#waiting[0]
    if (request === undefined) return ANSWERS.nothing
    if (request.upgrade !== undefined) return ANSWERS.upgrade
    if (request.method === 'CONNECT') return ANSWERS.connect
    return request.method === 'HEAD' ? ANSWERS.head : ANSWERS.request
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

function drive(given: ResponseCase, pieces: string[]): Recorder {
  const recorder = new Recorder(given.requests)
  const parser = new Parser(recorder, { ...defaultLimits, ...given.limits })
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

/** Both parts of a stream stand in the window as they would in one read, and are read one after the other. */
function feedInPlace(parser: Parser, recorder: Recorder, pieces: string[]): void {
  const whole = pieces.join('')
  if (whole.length > parser.engine.window.length) {
    for (const piece of pieces) feed(parser, recorder, piece)
    return
  }
  const window = parser.engine.window
  if (window.latin1Slice(0, whole.length) !== whole) window.write(whole, 'latin1')
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
  for (let at = 0; at < piece.length; at += parser.engine.window.length) {
    const part = piece.slice(at, at + parser.engine.window.length)
    parser.engine.window.write(part, 'latin1')
    const used = parser.feed(0, part.length)
    if (used === part.length) continue
    if (!recorder.tunnelled) throw new Error('surplus bytes')
    const tunnel = recorder.messages.at(-1) as ExpectedMessage
    tunnel.rest += part.slice(used)
  }
}

function expected(message: ExpectedMessage): ExpectedMessage {
  const lower = (fields: [string, string][]) => fields.map(([name, value]) => [name.toLowerCase(), value])
  return { ...message, headers: lower(message.headers), trailers: lower(message.trailers) } as ExpectedMessage
}

function same(actual: ExpectedMessage, wanted: ExpectedMessage, given: ResponseCase): boolean {
  const want: ExpectedMessage = expected(wanted)
  const got = { ...actual }
  if (want.keepAlive === 'any' || want.informational) {
    delete want.keepAlive
    delete got.keepAlive
  }
  if (given.expect.trailersOptional && got.trailers.length === 0) want.trailers = []
  return JSON.stringify(got, Object.keys(got).sort()) === JSON.stringify(want, Object.keys(got).sort())
}

/** Says what is wrong with an outcome, or null. */
function complaint(given: ResponseCase, outcome: Recorder): string | null {
  const { verdict, messages, error, partialBody, pending, messagesOptional } = given.expect
  const refused = outcome.error !== null
  if (verdict === 'accept' && refused) return `refused: ${outcome.error?.message}`
  if (verdict === 'reject' && !refused && error?.stage !== 'extra') return 'not refused'
  if (verdict === 'reject' && error?.stage === 'extra' && !refused) return 'surplus not refused'
  let wanted = messages
  if (verdict === 'either' && refused && error?.stage !== 'extra') wanted = messages.slice(0, -1)
  if (messagesOptional && outcome.messages.length < wanted.length) wanted = wanted.slice(0, outcome.messages.length)
  if (outcome.messages.length !== wanted.length) return `${outcome.messages.length} messages, not ${wanted.length}`
  for (const [index, want] of wanted.entries()) {
    const got = outcome.messages[index] as ExpectedMessage
    if (!same(got, want, given)) return `message ${index}: ${JSON.stringify(got)} is not ${JSON.stringify(want)}`
  }
  const partial = outcome.current?.body ?? ''
  if (error?.stage === 'head' && outcome.current !== null) return 'head shown though it must be refused'
  if (partialBody !== undefined && !partialBody.startsWith(partial)) return `partial body ${partial}`
  if (pending === 'body' && outcome.current === null) return 'no body pending'
  return null
}

function splits(raw: string): string[][] {
  const all = [[raw], [...raw]]
  for (let at = 1; at < raw.length; at++) all.push([raw.slice(0, at), raw.slice(at)])
  return all
}

// Every split of the longest heads takes half a minute on a slow core.
t.setTimeout(240_000)

const cases = responseCases()

t.test('the response cases', { skip: cases === null ? 'the shared cases are not present' : false }, async (t) => {
  for (const given of cases ?? []) {
    const complaints = new Set<string>()
    for (const pieces of splits(given.raw)) {
      const problem = complaint(given, drive(given, pieces))
      if (problem !== null) complaints.add(problem)
    }
    t.strictSame([...complaints], [], `${given.id}: ${given.note}`)
  }
})

t.test('the response cases behind another response', { skip: cases === null }, async (t) => {
  const first: ExpectedMessage = {
    version: '1.1',
    status: 200,
    reason: 'OK',
    headers: [['content-length', '3']],
    body: 'abc',
    trailers: [],
    keepAlive: true,
  }
  for (const given of cases ?? []) {
    const behind = {
      ...given,
      raw: BEFORE + given.raw,
      requests: [COMMON, ...given.requests],
      expect: { ...given.expect, messages: [first, ...given.expect.messages] },
    }
    const complaints = new Set<string>()
    for (const pieces of [[behind.raw], [BEFORE, given.raw], [BEFORE.slice(0, 20), behind.raw.slice(20)]]) {
      const problem = complaint(behind, drive(behind, pieces))
      if (problem !== null) complaints.add(problem)
    }
    t.strictSame([...complaints], [], given.id)
  }
})
