import type { Engine } from '../../lib/wire/engine.js'
import { drive, type Recorder } from './drive.js'
import type { ExpectedMessage, ResponseCase } from './response-cases.js'

export const COMMON: ResponseCase['requests'][number] = { method: 'GET' }
export const BEFORE = 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc'
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

/** Whole, byte by byte, and at every byte; amid a flood of one byte, where all splits are alike, at every 64th. */
export function splits(raw: string): string[][] {
  const all = [[raw], [...raw]]
  for (let at = 1; at < raw.length; at++) {
    const flooded = raw.slice(at - 3, at + 3) === (raw[at] as string).repeat(6)
    if (!flooded || at % 64 === 0) all.push([raw.slice(0, at), raw.slice(at)])
  }
  return all
}

/** What is wrong with the outcome of a case, read by an engine in each of these ways. */
export function complaints(engine: Engine, given: ResponseCase, ways: string[][]): string[] {
  const found: string[] = []
  let judged = ''
  for (const pieces of ways) {
    const outcome = drive(engine, given, pieces)
    const { messages, current, error } = outcome
    // Nearly all ways to cut come to the same.
    const written = JSON.stringify([messages, current, error?.message])
    if (written === judged) continue
    judged = written
    const problem = complaint(given, outcome)
    if (problem !== null && !found.includes(problem)) found.push(problem)
  }
  return found
}

/** The same behind another response, and how to cut it. */
export function behindAnother(given: ResponseCase): { given: ResponseCase; ways: string[][] } {
  const raw = BEFORE + given.raw
  const expect = { ...given.expect, messages: [FIRST, ...given.expect.messages] }
  const ways = [[raw], [BEFORE, given.raw], [BEFORE.slice(0, 20), raw.slice(20)]]
  return { given: { ...given, raw, requests: [COMMON, ...given.requests], expect }, ways }
}

/**
 * The same with bytes behind it that no request asked for. null where they would mean something: what may be refused, what waits for
 * more, and what only the end of the connection ends.
 */
export function withTrailing(given: ResponseCase, surplus: string): { given: ResponseCase; ways: string[][] } | null {
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
