import type { Engine } from '../../lib/wire/engine.js'
import { parseStream, type Recorder } from './parse-stream.js'
import type { ExpectedMessage, ResponseCase } from './response-cases.js'

export const GET_REQUEST: ResponseCase['requests'][number] = { method: 'GET' }
export const PRECEDING_RESPONSE = 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc'
const FIRST: ExpectedMessage = {
  version: '1.1',
  status: 200,
  reason: 'OK',
  headers: [['content-length', '3']],
  body: 'abc',
  trailers: [],
  keepAlive: true,
}

function expected(message: ExpectedMessage): ExpectedMessage {
  const lower = (fields: [string, string][]) => fields.map(([name, value]) => [name.toLowerCase(), value])
  return { ...message, headers: lower(message.headers), trailers: lower(message.trailers) } as ExpectedMessage
}

function same(actual: ExpectedMessage, wanted: ExpectedMessage, given: ResponseCase): boolean {
  const want: ExpectedMessage = expected(wanted)
  const actualFields = { ...actual }
  if (want.keepAlive === 'any' || want.informational) {
    delete want.keepAlive
    delete actualFields.keepAlive
  }
  if (given.expect.trailersOptional && actualFields.trailers.length === 0) want.trailers = []
  return (
    JSON.stringify(actualFields, Object.keys(actualFields).sort()) ===
    JSON.stringify(want, Object.keys(actualFields).sort())
  )
}

/** Returns how an outcome differs from the expected one; null if it does not. */
function outcomeDifference(given: ResponseCase, outcome: Recorder): string | null {
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
    const received = outcome.messages[index] as ExpectedMessage
    if (!same(received, want, given))
      return `message ${index}: ${JSON.stringify(received)} is not ${JSON.stringify(want)}`
  }
  const partial = outcome.current?.body ?? ''
  if (error?.stage === 'head' && outcome.current !== null) return 'head shown though it must be refused'
  if (partialBody !== undefined && !partialBody.startsWith(partial)) return `partial body ${partial}`
  if (pending === 'body' && outcome.current === null) return 'no body pending'
  return null
}

/** Ways to split a stream: none, after each byte, and in two at each byte. In a long run of one byte, only at every 64th. */
export function splits(raw: string): string[][] {
  const all = [[raw], [...raw]]
  for (let at = 1; at < raw.length; at++) {
    const flooded = raw.slice(at - 3, at + 3) === (raw[at] as string).repeat(6)
    if (!flooded || at % 64 === 0) all.push([raw.slice(0, at), raw.slice(at)])
  }
  return all
}

/** Returns the differences between actual and expected outcomes of a case, for each way to split its bytes. */
export function outcomeDifferences(engine: Engine, given: ResponseCase, ways: string[][]): string[] {
  const found: string[] = []
  let judged = ''
  for (const pieces of ways) {
    const outcome = parseStream(engine, given, pieces)
    const { messages, current, error } = outcome
    // Nearly all splits have the same outcome.
    const written = JSON.stringify([messages, current, error?.message])
    if (written === judged) continue
    judged = written
    const problem = outcomeDifference(given, outcome)
    if (problem !== null && !found.includes(problem)) found.push(problem)
  }
  return found
}

/** Returns the case with another response before it, and ways to split it. */
export function afterAnotherResponse(given: ResponseCase): { given: ResponseCase; ways: string[][] } {
  const raw = PRECEDING_RESPONSE + given.raw
  const expect = { ...given.expect, messages: [FIRST, ...given.expect.messages] }
  const ways = [[raw], [PRECEDING_RESPONSE, given.raw], [PRECEDING_RESPONSE.slice(0, 20), raw.slice(20)]]
  return { given: { ...given, raw, requests: [GET_REQUEST, ...given.requests], expect }, ways }
}

/**
 * Returns the case with unsolicited bytes after it. Returns null if those bytes would be part of the response: it may be
 * rejected, is incomplete, or lasts until the connection ends.
 */
export function withUnsolicitedBytes(
  given: ResponseCase,
  surplus: string,
): { given: ResponseCase; ways: string[][] } | null {
  const { verdict, messages, pending } = given.expect
  if (given.eof || pending !== undefined || verdict === 'either') return null
  const raw = given.raw + surplus
  const ways = [[raw], [given.raw, surplus], [...raw]]
  if (verdict !== 'accept') return { given: { ...given, raw }, ways }
  const tunnel = messages.at(-1)?.tunnel === true
  const last = { ...(messages.at(-1) as ExpectedMessage), rest: `${messages.at(-1)?.rest ?? ''}${surplus}` }
  const expect: ResponseCase['expect'] = tunnel
    ? { ...given.expect, messages: [...messages.slice(0, -1), last] }
    : { ...given.expect, verdict: 'reject', error: { stage: 'extra' } }
  return { given: { ...given, raw, expect }, ways }
}
