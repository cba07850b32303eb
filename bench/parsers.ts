import { Parser, type ParserListener, REQUEST_KIND } from '../lib/wire/parser.js'
import { ScriptEngine } from '../lib/wire/script-engine.js'
import { wasmEngine } from '../lib/wire/wasm-engine.js'

const LINE = 'HTTP/1.1 200 OK\r\n'
const fields = (count: number, bytes: number) =>
  Array.from({ length: count }, (_, i) => `x-field-${i}: ${'v'.repeat(bytes)}\r\n`).join('')
const body = (bytes: number) => `content-length: ${bytes}\r\n\r\n${'b'.repeat(bytes)}`

/** Creates header sections that differ by `variant`: an identical one would be taken from memory, not parsed. */
const responses: Record<string, (variant: number) => string> = {
  '5 fields, 2 bytes': (variant) =>
    `${LINE}date: 0${variant}\r\ncontent-type: text/plain\r\n${fields(2, 10)}${body(2)}`,
  '12 fields, 1 KB': (variant) => `${LINE}x-n: ${variant}\r\n${fields(10, 24)}${body(1024)}`,
  '40 fields, 4 KB': (variant) => `${LINE}x-n: ${variant}\r\n${fields(38, 70)}${body(4096)}`,
  '100 chunks of 32 bytes': (variant) =>
    `${LINE}x-n: ${variant}\r\ntransfer-encoding: chunked\r\n\r\n${`20\r\n${'c'.repeat(32)}\r\n`.repeat(100)}0\r\n\r\n`,
}

const sink: ParserListener = {
  onMessageBegin: () => REQUEST_KIND.request,
  onInformational() {},
  onHead() {},
  onBody() {},
  onMessageEnd() {},
  onTunnel() {},
}
const PAIRS = 10_000
const ROUNDS = 9
const engines = { wasm: wasmEngine(), js: new ScriptEngine() }

/** Returns ns per response. */
function time(name: keyof typeof engines, pair: [string, string]): number {
  const parser = new Parser(engines[name], sink)
  const { input } = engines[name]
  const [first, second] = pair.map((text) => text.length) as [number, number]
  input.write(pair.join(''), 'latin1')
  const start = process.hrtime.bigint()
  for (let i = 0; i < PAIRS; i++) {
    parser.feed(0, first)
    parser.feed(first, first + second)
  }
  const elapsed = Number(process.hrtime.bigint() - start)
  parser.release()
  return elapsed / PAIRS / 2
}

console.log('| response | wasm, ns | js, ns | js / wasm |\n|---|---|---|---|')
for (const [name, make] of Object.entries(responses)) {
  const samples: Record<keyof typeof engines, number[]> = { wasm: [], js: [] }
  for (let round = 0; round < ROUNDS; round++) {
    samples.wasm.push(time('wasm', [make(1), make(2)]))
    samples.js.push(time('js', [make(1), make(2)]))
  }
  const [wasm, js] = [Math.min(...samples.wasm), Math.min(...samples.js)]
  console.log(`| ${name} | ${wasm.toFixed(0)} | ${js.toFixed(0)} | ${(js / wasm).toFixed(2)} |`)
}
