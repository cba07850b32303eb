import t from 'tap'
import { Parser, type ParserListener, REQUEST_KIND, type RequestKind } from '../../lib/wire/parser.js'
import { defaultLimits, type ParserOptions } from '../../lib/wire/parser-limits.js'
import { RepeatedHeadCache } from '../../lib/wire/repeated-head-cache.js'
import { engines } from './parse-stream.js'

const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
const EARLY = 'HTTP/1.1 103 Early Hints\r\n\r\n'
const EMPTY = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'

/** Records the events of a parser. `at` is called for each. */
class Log implements ParserListener {
  readonly events: string[] = []
  answers: RequestKind = REQUEST_KIND.request
  readonly #at: (log: Log) => void

  constructor(at: (log: Log) => void = () => {}) {
    this.#at = at
  }

  #record(what: string): void {
    this.events.push(what)
    this.#at(this)
  }

  onMessageBegin(): RequestKind {
    this.#record('begin')
    return this.answers
  }

  onInformational({ statusCode }: { statusCode: number }): void {
    this.#record(`interim ${statusCode}`)
  }

  onHead({ rawHeaders }: { rawHeaders: readonly string[] }): void {
    this.#record(`head ${rawHeaders.join(' ')}`)
  }

  onBody(chunk: Buffer): void {
    this.#record(`body ${chunk}`)
  }

  onMessageEnd(trailers: readonly string[]): void {
    this.#record(`end ${trailers.join(' ')}`.trim())
  }

  onTunnel({ statusCode }: { statusCode: number }): void {
    this.#record(`tunnel ${statusCode}`)
  }
}

function feed(parser: Parser, text: string): void {
  parser.engine.input.latin1Write(text, 0)
  parser.feed(0, text.length)
}

for (const [name, engine] of engines) {
  const make = (log: Log, options: Partial<ParserOptions> = {}) =>
    new Parser(engine, log, { ...defaultLimits, heads: new RepeatedHeadCache(), ...options })

  t.test(`${name}: release from within a callback stops all events and throws nothing`, async (t) => {
    const streams: [answers: RequestKind, text: string][] = [
      [REQUEST_KIND.none, 'garbage'],
      [REQUEST_KIND.request, `${EARLY}${EARLY}HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc${EMPTY}garbage`],
      [REQUEST_KIND.request, `${CHUNKED}3\r\nabc\r\n0\r\nx: y\r\n\r\n${EMPTY}garbage`],
      [REQUEST_KIND.request, 'HTTP/1.1 200 OK\r\n\r\nuntil the end'],
      [REQUEST_KIND.upgrade, 'HTTP/1.1 101 Switching Protocols\r\n\r\ntunnel'],
    ]
    for (const [answers, text] of streams) {
      const read = (leave: number) => {
        const log = new Log(({ events }) => {
          if (events.length === leave) parser.release()
        })
        log.answers = answers
        const parser = make(log)
        try {
          feed(parser, text)
          parser.finish()
        } catch (error) {
          log.events.push((error as Error).message)
        }
        parser.release()
        return log.events
      }
      const all = read(0)
      const calls = all.length - (text.includes('garbage') ? 1 : 0)
      for (let leave = 1; leave <= calls; leave++) t.strictSame(read(leave), all.slice(0, leave))
      t.ok(calls > 0)
    }
  })

  t.test(`${name}: the rest of a split head that equals the cached head is not parsed as a head`, async (t) => {
    const log = new Log()
    const parser = make(log)
    for (let i = 0; i < 3; i++) feed(parser, EMPTY)
    log.events.length = 0
    feed(parser, 'HTTP/1.1 200 OK\r\nx: ')
    feed(parser, EMPTY)
    t.strictSame(log.events, ['begin', 'head x HTTP/1.1 200 OK Content-Length 0', 'end'])
    parser.release()
  })

  t.test(`${name}: the limit of interim responses applies per request`, async (t) => {
    const log = new Log()
    const parser = make(log, { maxInformational: 2 })
    for (let i = 0; i < 4; i++) feed(parser, `${EARLY}${EARLY}${EMPTY}`)
    t.equal(log.events.filter((one) => one === 'end').length, 4)
    t.throws(() => feed(parser, `${EARLY}${EARLY}${EARLY}`), { code: 'HPE_TOO_MANY_INFORMATIONAL' })
    parser.release()
  })

  t.test(`${name}: the limit of chunk overhead applies per response and has its own error`, async (t) => {
    const parser = make(new Log(), { maxChunkOverhead: 100 })
    const ending = `0\r\nx: ${'y'.repeat(80)}\r\n\r\n`
    for (let i = 0; i < 3; i++) feed(parser, `${CHUNKED}3;${'e'.repeat(80)}\r\nabc\r\n${ending}`)
    feed(parser, CHUNKED)
    const failure = (text: string) => {
      try {
        feed(parser, text)
        return ''
      } catch (error) {
        return (error as Error).message
      }
    }
    t.equal(failure(`3;${'e'.repeat(50)}`), '')
    t.match(failure('e'.repeat(150)), /chunk extensions exceed 100 bytes/)
    parser.release()
    const another = make(new Log(), { maxHeaderBytes: 100 })
    another.engine.input.latin1Write(`${CHUNKED}0\r\nx: `, 0)
    another.feed(0, CHUNKED.length + 6)
    t.throws(() => feed(another, 'y'.repeat(200)), {
      code: 'UND_ERR_HEADERS_OVERFLOW',
      message: /trailers exceed 100 bytes: raise maxHeaderSize/,
    })
    another.release()
  })

  t.test(`${name}: too many headers or trailers and too large ones have different errors`, async (t) => {
    const fields = 'a:b\r\n'.repeat(10)
    for (const [text, message] of [
      [`HTTP/1.1 200 OK\r\n${fields}\r\n`, /more than 9 headers: this limit is fixed/],
      [`${CHUNKED}0\r\n${fields}\r\n`, /more than 9 trailers: this limit is fixed/],
      [`HTTP/1.1 200 OK\r\na: ${'b'.repeat(200)}\r\n\r\n`, /headers exceed 100 bytes: raise maxHeaderSize/],
      [`${CHUNKED}0\r\na: ${'b'.repeat(200)}\r\n\r\n`, /trailers exceed 100 bytes: raise maxHeaderSize/],
    ] as const) {
      const parser = make(new Log(), { maxHeaderBytes: 100, maxHeaderCount: 9 })
      t.throws(() => feed(parser, text), { code: 'UND_ERR_HEADERS_OVERFLOW', message })
      parser.release()
    }
    const large = make(new Log(), { maxHeaderBytes: 30_000 })
    feed(large, `${CHUNKED}0\r\na: ${'b'.repeat(20_000)}\r\n\r\n`)
    large.release()
  })
}
