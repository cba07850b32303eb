import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import t from 'tap'
import { decompressBase64 } from '../lib/base/builtin-modules.js'
import { packed } from '../lib/wire/binary.generated.js'
import fc from './property.js'
import { responseCases } from './wire/response-cases.js'
import { responseStreams } from './wire/response-streams.js'

interface Llhttp {
  memory: { readonly buffer: ArrayBuffer; grow(pages: number): number }
  llhttp_reset(parser: number): void
  llhttp_resume(parser: number): void
  llhttp_execute(parser: number, at: number, length: number): number
  llhttp_errno_name(code: number): number
}

/** Offsets in `llhttp_t`, and the address of its callbacks among the constants. */
const [ERROR, REASON, TYPE, SETTINGS, CALLBACKS, BYTES] = [12, 16, 40, 56, 10496, 64]
const RESPONSE = 2
const PAUSED = 21
/** Results that each callback may return: OK, PAUSED, and, at the end of the headers, the kind of body. */
const CALLBACK_RESULTS = [0, 0, 0, 0, 0, PAUSED, 1, 2]

const PAGE_BYTES = 65536

/** Splits streams that are longer than the input buffer. */
function splitPages(piece: Uint8Array): Uint8Array[] {
  const times = Math.ceil(piece.length / PAGE_BYTES)
  return Array.from({ length: times }, (_, i) => piece.subarray(i * PAGE_BYTES, (i + 1) * PAGE_BYTES))
}

class Binary {
  /** Arguments of all callbacks. */
  readonly calls: unknown[] = []
  #nextResult: () => number = () => 0
  readonly #exports: Llhttp
  readonly #parser: number
  readonly #input: number

  constructor(bytes: Uint8Array) {
    const callbackNamed =
      (name: string) =>
      (_parser: number, ...args: number[]): number => {
        this.calls.push(name, ...args.map((one) => (one >= this.#input ? one - this.#input : one)))
        return this.#nextResult()
      }
    const env = new Proxy({}, { get: (_target, name) => callbackNamed(String(name)) })
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env })
    this.#exports = instance.exports as unknown as Llhttp
    this.#input = this.#exports.memory.grow(2) * PAGE_BYTES
    this.#parser = this.#input + PAGE_BYTES
  }

  /** Parses pieces with a reset parser. Returns all callbacks and results, and the parser's memory after each piece. */
  read(pieces: readonly Uint8Array[], nextResult: () => number): unknown[] {
    const { memory, llhttp_reset, llhttp_resume, llhttp_execute } = this.#exports
    const view = new DataView(memory.buffer, this.#parser, BYTES)
    view.setUint8(TYPE, RESPONSE)
    view.setUint32(SETTINGS, CALLBACKS, true)
    llhttp_reset(this.#parser)
    this.#nextResult = nextResult
    this.calls.length = 0
    for (const piece of pieces.flatMap(splitPages)) {
      new Uint8Array(memory.buffer, this.#input).set(piece)
      let at = 0
      for (let turns = 0; turns < 50; turns++) {
        const code = llhttp_execute(this.#parser, this.#input + at, piece.length - at)
        this.calls.push(code, Buffer.from(memory.buffer, this.#parser, BYTES).toString('hex'))
        if (code !== 0) this.calls.push(this.#text(view.getUint32(REASON, true)))
        if (code !== 0) this.calls.push(this.#text(this.#exports.llhttp_errno_name(code)))
        if (code !== PAUSED) break
        llhttp_resume(this.#parser)
        at = view.getUint32(20, true) - this.#input
      }
      if (view.getUint32(ERROR, true) !== 0) break
    }
    return this.calls
  }

  #text(pointer: number): string {
    const bytes = Buffer.from(this.#exports.memory.buffer)
    return bytes.toString('latin1', pointer, bytes.indexOf(0, pointer))
  }
}

/** Returns a function that cycles through a list of callback results. */
function cycleThrough(list: readonly number[]): () => number {
  let next = 0
  return () => list[next++ % list.length] ?? 0
}

async function binaries(): Promise<[Binary, Binary]> {
  const { extract } = (await import(new URL('../../wasm/extract.mjs', import.meta.url).href)) as Extract
  const source = readFileSync(createRequire(import.meta.url).resolve('llhttp-wasm'), 'utf8')
  return [new Binary(Buffer.from(extract(source), 'base64')), new Binary(decompressBase64(packed))]
}

t.test('the pruned binary behaves byte for byte like the original', async (t) => {
  const [whole, pruned] = await binaries()
  const endings = new Map<unknown, number>()
  const same = (pieces: readonly Uint8Array[], nextResult: readonly number[]) => {
    const expected = JSON.stringify(whole.read(pieces, cycleThrough(nextResult)))
    const found = JSON.stringify(pruned.read(pieces, cycleThrough(nextResult)))
    if (found !== expected) throw new Error(`${expected.slice(0, 2_000)}\n${found.slice(0, 2_000)}`)
    const ending = whole.calls.at(-1)
    endings.set(ending, (endings.get(ending) ?? 0) + 1)
  }
  for (const { raw } of responseCases() ?? []) {
    const bytes = Buffer.from(raw, 'latin1')
    same([bytes], [0])
    same(
      Array.from(bytes, (one) => Uint8Array.of(one)),
      [0],
    )
  }
  fc.assert(
    fc.property(
      responseStreams,
      fc.array(fc.constantFrom(...CALLBACK_RESULTS), { minLength: 1, maxLength: 9 }),
      (stream, nextResult) => {
        same(
          stream.pieces.map((piece) => Buffer.from(piece, 'latin1')),
          nextResult,
        )
      },
    ),
    { numRuns: Number(process.env.SLUICE_PROPERTY_RUNS ?? 4_000) },
  )
  const errors = [...endings.keys()].filter((ending) => /^HPE_/.test(String(ending)))
  t.ok(errors.length >= 10, errors.join(' '))
})

type Extract = { extract(source: string): string }

declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object, imports: object) => { exports: object }
}
