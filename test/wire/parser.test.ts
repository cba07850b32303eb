import t from 'tap'
import type { Engine } from '../../lib/wire/engine.js'
import {
  afterAnotherResponse,
  GET_REQUEST,
  outcomeDifferences,
  PRECEDING_RESPONSE,
  splits,
  withUnsolicitedBytes,
} from './outcome-differences.js'
import { engines, parseStream } from './parse-stream.js'
import { rejectedByRule } from './rejected-cases.js'
import { type ResponseCase, responseCases } from './response-cases.js'
import { examples } from './rfc9112-cases.js'

/** Bytes after a response: a line end, and a complete response. */
const SURPLUS = ['\n', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n']

t.setTimeout(0)

const shared = responseCases()
const skip = shared === null ? 'the shared cases are not present' : false
const groups: [string, ResponseCase[], string | false][] = [
  ['the examples of RFC 9112', examples, false],
  ...Object.entries(rejectedByRule).map(([rule, cases]): [string, ResponseCase[], false] => [rule, cases, false]),
  ['the shared cases', shared ?? [], skip],
]

/** Parses a case alone, after another response, and with unsolicited bytes after it. */
function inAllWays(engine: Engine, given: ResponseCase): string[] {
  const behind = afterAnotherResponse(given)
  return [
    ...outcomeDifferences(engine, given, splits(given.raw)),
    ...outcomeDifferences(engine, behind.given, behind.ways).map((problem) => `behind another: ${problem}`),
    ...SURPLUS.flatMap((surplus) => {
      const more = withUnsolicitedBytes(given, surplus)
      return more === null ? [] : outcomeDifferences(engine, more.given, more.ways)
    }).map((problem) => `with bytes too many: ${problem}`),
  ]
}

for (const [name, engine] of engines) {
  t.test(`the data of an error contains only bytes of its own connection, ${name}`, async (t) => {
    parseStream(engine, { requests: [GET_REQUEST], eof: true }, [
      `${PRECEDING_RESPONSE.slice(0, -3)}a secret of others`,
    ])
    for (const refused of ['nonsense', 'HTTP/1.1 2x']) {
      const { error } = parseStream(engine, { requests: [GET_REQUEST], eof: false }, [refused])
      t.equal((error as Error & { data?: string }).data, refused)
    }
  })

  t.test(`reports where in a response the connection ended, ${name}`, async (t) => {
    const OK = 'HTTP/1.1 200 OK\r\n'
    const ends: [string, RegExp][] = [
      ['H', /within the response headers/],
      [OK, /within the response headers/],
      [`HTTP/1.1 103 Early Hints\r\n\r\nHTTP`, /within the response headers/],
      [`${OK}content-length: 5\r\n\r\nab`, /3 bytes before the end/],
      [`${OK}transfer-encoding: chunked\r\n\r\n5\r\nab`, /within a chunked body/],
      [`${OK}transfer-encoding: chunked\r\n\r\n0\r\n`, /within a chunked body/],
    ]
    for (const [raw, message] of ends) {
      const { error } = parseStream(engine, { requests: [GET_REQUEST], eof: true }, [raw])
      t.match(error?.message, message, raw)
    }
  })

  for (const [group, cases, skip] of groups) {
    t.test(`${group}, ${name}`, { skip }, async (t) => {
      for (const given of cases) t.strictSame(inAllWays(engine, given), [], `${given.id}: ${given.note}`)
    })
  }
}
