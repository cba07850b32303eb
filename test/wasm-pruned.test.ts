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

/** Where things stand in `llhttp_t`; its callbacks stand among the constants. */
const [ERROR, REASON, TYPE, SETTINGS, CALLBACKS, BYTES] = [12, 16, 40, 56, 10496, 64]
const RESPONSE = 2
const PAUSED = 21
/** What each callback may answer: all is well, pause, and of the end of a head besides what its body is. */
const ANSWERS = [0, 0, 0, 0, 0, PAUSED, 1, 2]

const PAGE_BYTES = 65536

/** What is longer than the window, in pieces. */
function fitting(piece: Uint8Array): Uint8Array[] {
  const times = Math.ceil(piece.length / PAGE_BYTES)
  return Array.from({ length: times }, (_, i) => piece.subarray(i * PAGE_BYTES, (i + 1) * PAGE_BYTES))
}

class Binary {
  /** What the callbacks were told. */
  readonly told: unknown[] = []
  #answers: () => number = () => 0
  readonly #exports: Llhttp
  readonly #parser: number
  readonly #window: number

  constructor(bytes: Uint8Array) {
    const answering =
      (name: string) =>
      (_parser: number, ...told: number[]): number => {
        this.told.push(name, ...told.map((one) => (one >= this.#window ? one - this.#window : one)))
        return this.#answers()
      }
    const env = new Proxy({}, { get: (_target, name) => answering(String(name)) })
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env })
    this.#exports = instance.exports as unknown as Llhttp
    this.#window = this.#exports.memory.grow(2) * PAGE_BYTES
    this.#parser = this.#window + PAGE_BYTES
  }

  /** Feeds pieces to a parser that was reset, and tells all that came of it, with the parser's bytes after each. */
  read(pieces: readonly Uint8Array[], answers: () => number): unknown[] {
    const { memory, llhttp_reset, llhttp_resume, llhttp_execute } = this.#exports
    const view = new DataView(memory.buffer, this.#parser, BYTES)
    view.setUint8(TYPE, RESPONSE)
    view.setUint32(SETTINGS, CALLBACKS, true)
    llhttp_reset(this.#parser)
    this.#answers = answers
    this.told.length = 0
    for (const piece of pieces.flatMap(fitting)) {
      new Uint8Array(memory.buffer, this.#window).set(piece)
      let at = 0
      for (let turns = 0; turns < 50; turns++) {
        const code = llhttp_execute(this.#parser, this.#window + at, piece.length - at)
        this.told.push(code, Buffer.from(memory.buffer, this.#parser, BYTES).toString('hex'))
        if (code !== 0) this.told.push(this.#text(view.getUint32(REASON, true)))
        if (code !== 0) this.told.push(this.#text(this.#exports.llhttp_errno_name(code)))
        if (code !== PAUSED) break
        llhttp_resume(this.#parser)
        at = view.getUint32(20, true) - this.#window
      }
      if (view.getUint32(ERROR, true) !== 0) break
    }
    return this.told
  }

  #text(pointer: number): string {
    const bytes = Buffer.from(this.#exports.memory.buffer)
    return bytes.toString('latin1', pointer, bytes.indexOf(0, pointer))
  }
}

/** The same answers again. */
function answersOf(list: readonly number[]): () => number {
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
  const same = (pieces: readonly Uint8Array[], answers: readonly number[]) => {
    const expected = JSON.stringify(whole.read(pieces, answersOf(answers)))
    const found = JSON.stringify(pruned.read(pieces, answersOf(answers)))
    if (found !== expected) throw new Error(`${expected.slice(0, 2_000)}\n${found.slice(0, 2_000)}`)
    const ending = whole.told.at(-1)
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
      fc.array(fc.constantFrom(...ANSWERS), { minLength: 1, maxLength: 9 }),
      (stream, answers) => {
        same(
          stream.pieces.map((piece) => Buffer.from(piece, 'latin1')),
          answers,
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
