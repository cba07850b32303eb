// Takes out of a WebAssembly module what a program does not use: exports that it never names, what can not happen in
// the longest of its functions, the bodies of functions that none of the others reach, and their constants. Numbers of
// functions, tables and addresses stay, and so does what is left.
import * as wasm from './code.mjs'
import { blank } from './data.mjs'
import { prune } from './prune.mjs'

const [TYPES, IMPORTS, FUNCTIONS, EXPORTS, START, ELEMENTS, CODE, DATA] = [1, 2, 3, 7, 8, 9, 10, 11]
/**
 * What its longest function need not ask, and addresses of constants that the program names.
 * @typedef {import('./prune.mjs').Facts & { named: readonly number[] }} Facts
 */

/** No locals; unreachable; end. */
const NEVER = Uint8Array.of(0, wasm.UNREACHABLE, wasm.END)

/** @param {wasm.Reader} reader */
function readExport(reader) {
  const from = reader.at
  const name = Buffer.from(reader.take(reader.number())).toString()
  const [kind, index] = [reader.byte(), reader.number()]
  return { name, kind, index, bytes: reader.bytes.subarray(from, reader.at) }
}

/** @param {wasm.Reader} reader */
function readSignature(reader) {
  if (reader.byte() !== 0x60) throw new Error('only types of functions are expected')
  const parameters = reader.take(reader.number()).length
  return { parameters, results: reader.take(reader.number()).length }
}

/** The type of a function among the imports, which take the first numbers. @param {wasm.Reader} reader */
function readImport(reader) {
  reader.take(reader.number())
  reader.take(reader.number())
  if (reader.byte() !== 0) throw new Error('only functions are expected among the imports')
  return reader.number()
}

/** Functions that stand in the table. @param {Uint8Array} content */
function tabled(content) {
  const segments = wasm.itemsOf(content, (reader) => {
    if (reader.number() !== 0) throw new Error('only plain segments are expected in the table')
    while (reader.byte() !== wasm.END);
    return Array.from({ length: reader.number() }, () => reader.number())
  })
  return segments.flat()
}

class Module {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    const reader = new wasm.Reader(bytes)
    this.head = reader.take(8)
    this.sections = []
    while (!reader.done) this.sections.push({ id: reader.byte(), content: reader.take(reader.number()) })
    if (this.sections.some(({ id }) => id === START)) throw new Error('a module that starts by itself is not expected')
    this.types = this.#items(TYPES, readSignature)
    const imports = this.#items(IMPORTS, readImport)
    this.imported = imports.length
    this.functions = [...imports, ...this.#items(FUNCTIONS, (reader) => reader.number())]
    this.exports = this.#items(EXPORTS, readExport)
    this.bodies = this.#items(CODE, (reader) => reader.take(reader.number()))
    this.tabled = tabled(this.content(ELEMENTS))
  }

  /** @param {number} id */
  content(id) {
    return this.sections.find((one) => one.id === id)?.content ?? Uint8Array.of(0)
  }

  /** @param {number} id @template T @param {(reader: wasm.Reader) => T} read */
  #items(id, read) {
    return wasm.itemsOf(this.content(id), read)
  }

  /** Of what an instruction calls. @param {wasm.Instruction} instruction */
  signatureOf({ code, operands: [index = 0] }) {
    return this.types[code === wasm.CALL ? this.functions[index] : index]
  }

  /** Puts {@link NEVER} in the place of what neither the exports nor the table lead to. */
  drop() {
    const reached = new Set()
    const waiting = [...this.exports.filter(({ kind }) => kind === 0).map(({ index }) => index), ...this.tabled]
    for (let index = waiting.pop(); index !== undefined; index = waiting.pop()) {
      if (index < this.imported || reached.has(index)) continue
      reached.add(index)
      for (const { code, operands } of wasm.decode(this.bodies[index - this.imported]).instructions) {
        if (code === wasm.CALL) waiting.push(/** @type {number} */ (operands[0]))
      }
    }
    this.bodies = this.bodies.map((body, i) => (reached.has(i + this.imported) ? body : NEVER))
  }

  /** @param {import('./prune.mjs').Facts} facts */
  prune(facts) {
    const longest = this.bodies.reduce((most, { length }, i, all) => (length > all[most].length ? i : most), 0)
    const signature = this.types[this.functions[longest + this.imported]]
    const signatureOf = (/** @type {wasm.Instruction} */ instruction) => this.signatureOf(instruction)
    this.bodies[longest] = prune(this.bodies[longest], { signature, signatureOf, facts })
  }

  /** Its constants, all in one piece. */
  get segment() {
    const reader = new wasm.Reader(this.content(DATA))
    if (reader.number() !== 1 || reader.number() !== 0 || reader.byte() !== 0x41)
      throw new Error('one segment is expected')
    const base = reader.signed()
    reader.byte()
    return { base, bytes: reader.take(reader.number()) }
  }

  /** @param {Uint8Array} constants in the place of its own */
  encoded(constants) {
    const sized = (/** @type {Uint8Array} */ bytes) => Buffer.concat([wasm.encoded(bytes.length), bytes])
    const { length } = constants
    const made = this.sections
      .filter(({ id }) => id !== 0)
      .map(({ id, content }) => {
        if (id === EXPORTS) return [id, wasm.vector(this.exports.map(({ bytes }) => bytes))]
        if (id === CODE) return [id, wasm.vector(this.bodies.map(sized))]
        return [id, id === DATA ? Buffer.concat([content.subarray(0, content.length - length), constants]) : content]
      })
    return Buffer.concat([this.head, ...made.flatMap(([id, content]) => [Uint8Array.of(id), sized(content)])])
  }
}

/**
 * @param {Uint8Array} bytes a module
 * @param {readonly string[]} wanted its exports that are used
 * @param {Facts | null} facts
 * @returns {Buffer}
 */
export function slim(bytes, wanted, facts = null) {
  const module = new Module(bytes)
  module.exports = module.exports.filter(({ name }) => wanted.includes(name))
  if (module.exports.length !== wanted.length) throw new Error('not all that is wanted is exported')
  const before = module.bodies
  module.bodies = [...before]
  if (facts !== null) module.prune(facts)
  module.drop()
  if (module.content(DATA).length === 1) return module.encoded(new Uint8Array())
  return module.encoded(blank(module.segment, { before, after: module.bodies, named: facts?.named ?? [] }))
}
