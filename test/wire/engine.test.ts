import t from 'tap'
import { INPUT_BYTES } from '../../lib/wire/engine.js'
import { Parser, type ParserListener } from '../../lib/wire/parser.js'
import { type WasmEngine, wasmEngine } from '../../lib/wire/wasm-engine.js'

const sink: ParserListener = {
  onMessageBegin: () => 1,
  onInformational() {},
  onHead() {},
  onBody() {},
  onMessageEnd() {},
  onTunnel() {},
}

t.test('uses a second engine when all parser states are in use, and never grows the memory', async (t) => {
  const parsers = Array.from({ length: 2100 }, () => new Parser(wasmEngine(), sink))
  const engines = new Set(parsers.map(({ engine }) => engine as WasmEngine))
  t.equal(engines.size, 2)
  const [first, second] = [...engines]
  t.equal(first?.full, true)
  t.equal(second?.used, 52)
  for (const parser of parsers) {
    parser.engine.input.write('HTTP/1.1 200 OK\r\nX-Some: field', 'latin1')
    parser.feed(0, 30)
  }
  for (const engine of engines) t.equal(engine.input.length, INPUT_BYTES, 'the input buffer is still attached')
  for (const parser of parsers) parser.release()
  t.equal(first?.used, 0)
  t.equal(second?.used, 0)
  for (let i = 0; i < 10_000; i++) new Parser(wasmEngine(), sink).release()
  t.equal(first?.input.length, INPUT_BYTES)
})

t.test('reports a body that ends early, and can be released twice', async (t) => {
  const parser = new Parser(wasmEngine(), sink)
  const text = 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc'
  parser.engine.input.write(text, 'latin1')
  parser.feed(0, text.length)
  t.throws(() => parser.finish(), { code: 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' })
  parser.release()
  parser.release()
})
