import t from 'tap'
import type { Engine } from '../../lib/wire/engine.js'
import { Parser, type ParserListener, REQUEST_KIND, type RequestKind } from '../../lib/wire/parser.js'
import { defaultLimits } from '../../lib/wire/parser-limits.js'
import { RepeatedHeadCache } from '../../lib/wire/repeated-head-cache.js'
import type { ResponseHead } from '../../lib/wire/response-head.js'
import fc from '../property.js'
import { engines } from './parse-stream.js'

/** Records the events of a parser. */
class Log implements ParserListener {
  readonly events: unknown[] = []
  readonly #answers: RequestKind[]

  constructor(answers: RequestKind[]) {
    this.#answers = [...answers]
  }

  onMessageBegin(): RequestKind {
    return this.#answers[0] ?? REQUEST_KIND.none
  }

  onInformational(head: ResponseHead): void {
    this.events.push(['informational', head.statusCode])
  }

  onHead(head: ResponseHead): void {
    const { statusCode, statusText, minor, persistent, keepAliveHint, contentLength, rawHeaders } = head
    const headers = head.headers()
    this.events.push([
      statusCode,
      statusText,
      minor,
      persistent,
      keepAliveHint,
      contentLength,
      rawHeaders,
      { ...headers },
    ])
    // The receiver may modify the headers.
    headers['x-mine'] = 'mine'
    delete headers['content-length']
    for (const value of Object.values(headers)) if (Array.isArray(value)) value.push('mine')
  }

  onBody(chunk: Buffer): void {
    const last = this.events.at(-1)
    if (typeof last === 'string') this.events[this.events.length - 1] = last + chunk.toString('latin1')
    else this.events.push(chunk.toString('latin1'))
  }

  onMessageEnd(trailers: string[], reusable: boolean): void {
    this.#answers.shift()
    this.events.push(['end', trailers, reusable])
  }

  onTunnel(head: ResponseHead): void {
    this.events.push(['tunnel', head.statusCode])
  }
}

const REPLIES = [
  'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nX-A: b \r\n\r\nab',
  'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nX-A: b \r\n\r\ncd',
  'HTTP/1.1 200 OK\r\ncontent-length: 3\r\nX-A: b \r\n\r\nabc',
  'HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 0\r\n\r\n',
  'HTTP/1.1 200 OK\r\n__proto__: x\r\nconstructor: y\r\ncontent-length: 1\r\n\r\nz',
  'HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nx: y\r\n\r\n',
  'HTTP/1.1 200 OK\r\nkeep-alive: timeout=7\r\ncontent-length: 1\r\n\r\nk',
]

function feed(parser: Parser, log: Log, text: string, cuts: number[]): void {
  try {
    let from = 0
    for (const to of [...cuts, text.length]) {
      parser.engine.input.write(text.slice(from, to), 'latin1')
      parser.feed(0, to - from)
      from = to
    }
  } catch (error) {
    log.events.push((error as { code: string }).code)
  }
}

/** Parses each response with a new parser and an empty cache. */
function fresh(engine: Engine, replies: string[], answers: RequestKind[]): unknown[] {
  return replies.flatMap((text, i) => {
    const log = new Log([answers[i] as RequestKind])
    const parser = new Parser(engine, log)
    feed(parser, log, text, [])
    parser.release()
    return log.events
  })
}

for (const [name, engine] of engines) {
  t.test(`earlier responses do not change how a response is parsed, ${name}`, async (t) => {
    let seen = 0
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(...REPLIES), fc.integer({ min: 1, max: 4 })), { minLength: 1, maxLength: 6 }),
        fc.array(fc.nat(400), { maxLength: 6 }),
        (runs, cuts) => {
          const replies = runs.flatMap(([reply, times]) => new Array<string>(times).fill(reply))
          const answers = replies.map(() => REQUEST_KIND.request)
          const log = new Log(answers)
          const parser = new Parser(engine, log)
          const text = replies.join('')
          feed(
            parser,
            log,
            text,
            [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b),
          )
          parser.release()
          t.strictSame(log.events, fresh(engine, replies, answers))
          seen += replies.length
        },
      ),
      { numRuns: 300 },
    )
    t.comment(`${seen} responses`)
  })

  t.test(`responses of other parsers with the same cache do not change how a response is parsed, ${name}`, async () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(...REPLIES), fc.nat(2)), { maxLength: 20 }), (turns) => {
        const options = { ...defaultLimits, heads: new RepeatedHeadCache() }
        const logs = [0, 1, 2].map(() => new Log(turns.map(() => REQUEST_KIND.request)))
        const parsers = logs.map((log) => new Parser(engine, log, options))
        for (const [reply, turn] of turns) feed(parsers[turn] as Parser, logs[turn] as Log, reply, [])
        const alone = logs.map(() => new Log(turns.map(() => REQUEST_KIND.request)))
        const parsersAlone = alone.map((log) => new Parser(engine, log))
        for (const [reply, turn] of turns) feed(parsersAlone[turn] as Parser, alone[turn] as Log, reply, [])
        for (const parser of [...parsers, ...parsersAlone]) parser.release()
        t.strictSame(
          logs.map(({ events }) => events),
          alone.map(({ events }) => events),
        )
      }),
      { numRuns: 200 },
    )
  })

  t.test(`a cached head has no body for HEAD and a body for GET, ${name}`, async (t) => {
    const head = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n'
    const answers = [
      REQUEST_KIND.request,
      REQUEST_KIND.request,
      REQUEST_KIND.head,
      REQUEST_KIND.request,
      REQUEST_KIND.head,
    ]
    const log = new Log(answers)
    const parser = new Parser(engine, log)
    feed(parser, log, `${head}ab${head}ab${head}${head}ab${head}`, [])
    t.equal(log.events.filter((entry) => entry === 'ab').length, 3)
    t.equal(log.events.filter((entry) => Array.isArray(entry) && entry[0] === 'end').length, 5)
    parser.release()
  })

  t.test(`a head that begins like the cached one is parsed correctly, ${name}`, async (t) => {
    const known = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n'
    for (const [text, code] of [
      ['HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc', /HPE_/],
      ['HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\rab', /HPE_/],
      ['HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', /HPE_/],
    ] as const) {
      const log = new Log(new Array(4).fill(REQUEST_KIND.request))
      const parser = new Parser(engine, log)
      feed(parser, log, `${known}ab${known}ab${known}ab${text}`, [])
      t.equal(log.events.filter((entry) => entry === 'ab').length, 3)
      t.match(log.events.at(-1), code)
      parser.release()
    }
  })

  t.test(`rejects an unsolicited response that equals the cached head, ${name}`, async (t) => {
    const known = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab'
    const log = new Log([REQUEST_KIND.request, REQUEST_KIND.request])
    const parser = new Parser(engine, log)
    feed(parser, log, known.repeat(3), [])
    t.match(log.events.at(-1), /UNSOLICITED/)
    parser.release()
  })
}
