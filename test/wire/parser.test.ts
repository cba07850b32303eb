import t from 'tap'
import type { Engine } from '../../lib/wire/engine.js'
import { drive, engines } from './drive.js'
import { BEFORE, behindAnother, COMMON, complaints, splits, withTrailing } from './judge.js'
import { refusedByRule } from './refused-cases.js'
import { type ResponseCase, responseCases } from './response-cases.js'
import { examples } from './rfc9112-cases.js'

/** One that could begin another line, and a whole response. */
const SURPLUS = ['\n', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n']

t.setTimeout(0)

const shared = responseCases()
const skip = shared === null ? 'the shared cases are not present' : false
const groups: [string, ResponseCase[], string | false][] = [
  ['the examples of RFC 9112', examples, false],
  ...Object.entries(refusedByRule).map(([rule, cases]): [string, ResponseCase[], false] => [rule, cases, false]),
  ['the shared cases', shared ?? [], skip],
]

/** Alone, behind another response, and with more behind it than was asked for. */
function inAllWays(engine: Engine, given: ResponseCase): string[] {
  const behind = behindAnother(given)
  return [
    ...complaints(engine, given, splits(given.raw)),
    ...complaints(engine, behind.given, behind.ways).map((problem) => `behind another: ${problem}`),
    ...SURPLUS.flatMap((surplus) => {
      const more = withTrailing(given, surplus)
      return more === null ? [] : complaints(engine, more.given, more.ways)
    }).map((problem) => `with bytes too many: ${problem}`),
  ]
}

for (const [name, engine] of engines) {
  t.test(`what an error shows came on its own connection, ${name}`, async (t) => {
    drive(engine, { requests: [COMMON], eof: true }, [`${BEFORE.slice(0, -3)}a secret of others`])
    for (const refused of ['nonsense', 'HTTP/1.1 2x']) {
      const { error } = drive(engine, { requests: [COMMON], eof: false }, [refused])
      t.equal((error as Error & { data?: string }).data, refused)
    }
  })

  t.test(`an end that comes too early is told for what it is, ${name}`, async (t) => {
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
      const { error } = drive(engine, { requests: [COMMON], eof: true }, [raw])
      t.match(error?.message, message, raw)
    }
  })

  for (const [group, cases, skip] of groups) {
    t.test(`${group}, ${name}`, { skip }, async (t) => {
      for (const given of cases) t.strictSame(inAllWays(engine, given), [], `${given.id}: ${given.note}`)
    })
  }
}
