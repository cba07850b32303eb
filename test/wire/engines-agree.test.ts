import t from 'tap'
import type { Engine } from '../../lib/wire/engine.js'
import { defaultLimits } from '../../lib/wire/parser-limits.js'
import { tryPositions } from '../fuzz/positions.js'
import fc from '../property.js'
import { engines, parseStream } from './parse-stream.js'
import { type ResponseStream, responseStreams } from './response-streams.js'

/** Number of random streams. */
const RUNS = Number(process.env.SLUICE_PROPERTY_RUNS ?? 4_000)

t.setTimeout(0)

interface Outcome {
  readonly code: string
  readonly complete: number
  readonly text: string
}

/** The outcome of a stream that must be equal for both engines: the error, and all events before it. */
function outcome(engine: Engine, { given, pieces }: ResponseStream): Outcome {
  const { messages, current, error, tunnelled } = parseStream(engine, given, pieces)
  const code = error === null ? 'accepted' : ((error as { code?: string }).code ?? error.message)
  return { code, complete: messages.length, text: JSON.stringify([code, messages, current, tunnelled]) }
}

t.test('both engines report the same events and errors for random streams', async (t) => {
  const seen = new Map<string, number>()
  let complete = 0
  fc.assert(
    fc.property(responseStreams, (stream) => {
      const [wasm, js] = engines.map(([, engine]) => outcome(engine, stream)) as [Outcome, Outcome]
      seen.set(js.code, (seen.get(js.code) ?? 0) + 1)
      complete += js.complete
      if (wasm.text !== js.text) fail(wasm.text, js.text)
    }),
    { numRuns: RUNS },
  )
  const counts = [...seen].sort((a, b) => b[1] - a[1]).map(([code, times]) => `${code} ${times}`)
  t.comment(`${RUNS} streams, ${complete} complete messages; ${counts.join(', ')}`)
  t.ok((seen.get('accepted') ?? 0) > RUNS / 10, 'many are accepted')
  t.ok(complete > RUNS / 2, 'many have complete messages')
  t.ok(seen.size >= 12, 'refused for many reasons')
})

/** Streams that together reach every parser state. */
const TEMPLATES = [
  'HTTP/1.1 200 OK\r\nContent-Length: 3 \r\nx:\r\nY: a\tb \r\n\r\nabcHTTP/1.0 204\r\n\r\n',
  'HTTP/1.1 200 \r\nx: y\r\nTransfer-Encoding: gzip, chunked \r\n\r\n1a;a=b;c="d\\"e";f\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nt: u\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0;a="";b=\r\nContent-Type:\r\n\r\n',
  'HTTP/1.1 103 Early\r\nUpgrade: x\r\n\r\nHTTP/1.0 200 OK\r\nProxy-Connection: close\r\n\r\nuntil the end',
]

t.test('both engines agree for every byte value at every position, replaced and inserted', async (t) => {
  const given = { requests: [{ method: 'GET' }, { method: 'GET' }], eof: true, limits: defaultLimits }
  let streamCount = 0
  const differ: string[] = []
  for (const template of TEMPLATES) {
    for (let at = 0; at < template.length; at++) {
      for (let code = 0; code < 256; code++) {
        for (const skipped of [0, 1]) {
          const before = template.slice(0, at) + String.fromCharCode(code)
          const pieces = [before, template.slice(at + skipped)]
          const [wasm, js] = engines.map(([, engine]) => outcome(engine, { given, pieces }).text)
          if (wasm !== js) differ.push(`${JSON.stringify(pieces)}: ${wasm} ${js}`)
          streamCount++
        }
      }
    }
  }
  t.strictSame(differ.slice(0, 10), [], `${streamCount} streams`)
})

t.test('both engines stop at the same byte of a field above the limit', async (t) => {
  const [wasm, js] = engines.map(([, engine]) => engine) as [Engine, Engine]
  const known = ['content-length', 'transfer-encoding', 'connection', 'proxy-connection', 'upgrade']
  for (const name of ['a', 'connectio', 'upgrades', ...known]) {
    for (const behind of ['', ':', ': ', ' ', ' :', '\t:', '\r\n', '\n', '(', '\0', '\xe9']) {
      const raw = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx: y\r\n${name}${behind}`
      t.doesNotThrow(() => tryPositions(raw, [wasm, js], 1), JSON.stringify(name + behind))
    }
  }
})

function fail(wasm: string, js: string): never {
  throw new Error(`wasm: ${wasm.slice(0, 2_000)}\njs:   ${js.slice(0, 2_000)}`)
}
