import t from 'tap'
import type { Engine } from '../../lib/wire/engine.js'
import { drive, engines, type Recorder } from './drive.js'
import { type ExpectedMessage, type ResponseCase, responseCases } from './response-cases.js'

const COMMON: ResponseCase['requests'][number] = { method: 'GET' }
const BEFORE = 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc'
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
function splits(raw: string): string[][] {
  const all = [[raw], [...raw]]
  for (let at = 1; at < raw.length; at++) {
    const flooded = raw.slice(at - 3, at + 3) === (raw[at] as string).repeat(6)
    if (!flooded || at % 64 === 0) all.push([raw.slice(0, at), raw.slice(at)])
  }
  return all
}

function complaints(engine: Engine, given: ResponseCase, ways: string[][]): string[] {
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

const cases = responseCases()
const skip = cases === null ? 'the shared cases are not present' : false

for (const [name, engine] of engines) {
  t.test(`what an error shows came on its own connection, ${name}`, async (t) => {
    drive(engine, { requests: [COMMON], eof: true }, [`${BEFORE.slice(0, -3)}a secret of others`])
    for (const refused of ['nonsense', 'HTTP/1.1 2x']) {
      const { error } = drive(engine, { requests: [COMMON], eof: false }, [refused])
      t.equal((error as Error & { data?: string }).data, refused)
    }
  })

  t.test(`the response cases, ${name}`, { skip }, async (t) => {
    for (const given of cases ?? []) {
      t.strictSame(complaints(engine, given, splits(given.raw)), [], `${given.id}: ${given.note}`)
    }
  })

  t.test(`the response cases behind another response, ${name}`, { skip }, async (t) => {
    for (const given of cases ?? []) {
      const behind = {
        ...given,
        raw: BEFORE + given.raw,
        requests: [COMMON, ...given.requests],
        expect: { ...given.expect, messages: [FIRST, ...given.expect.messages] },
      }
      const ways = [[behind.raw], [BEFORE, given.raw], [BEFORE.slice(0, 20), behind.raw.slice(20)]]
      t.strictSame(complaints(engine, behind, ways), [], given.id)
    }
  })
}
