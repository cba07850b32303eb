// Removes from a WebAssembly module what a program does not use: unused exports, unreachable code of the longest function,
// the bodies of unreachable functions, and their constants. Function indices, tables and addresses do not change.
import * as wasm from './binary-format.mjs'
import { prune } from './prune-function.mjs'
import { clearUnusedConstants } from './unused-constants.mjs'

const [TYPES, IMPORTS, FUNCTIONS, EXPORTS, START, ELEMENTS, CODE, DATA] = [1, 2, 3, 7, 8, 9, 10, 11]
/**
 * Known fields of the structure that the longest function reads, and addresses of constants that the program uses.
 * @typedef {import('./prune-function.mjs').Facts & { named: readonly number[] }} Facts
 */

/** Body of a removed function: no locals, `unreachable`, `end`. */
const REMOVED_BODY = Uint8Array.of(0, wasm.UNREACHABLE, wasm.END)

/** @param {wasm.Reader} reader */
function readExport(reader) {
  const from = reader.at
  const name = Buffer.from(reader.take(reader.number())).toString()
  const [kind, index] = [reader.byte(), reader.number()]
  return { name, kind, index, bytes: reader.bytes.subarray(from, reader.at) }
}

/** @param {wasm.Reader} reader */
function readSignature(reader) {
  if (reader.byte() !== 0x60)
    throw new Error('unexpected type in the WebAssembly module: only function types are supported')
  const parameters = reader.take(reader.number()).length
  return { parameters, results: reader.take(reader.number()).length }
}

/** Returns the type index of an imported function. Imports have the first function indices. @param {wasm.Reader} reader */
function readImport(reader) {
  reader.take(reader.number())
  reader.take(reader.number())
  if (reader.byte() !== 0) throw new Error('unexpected import in the WebAssembly module: only functions are supported')
  return reader.number()
}

/** Returns the indices of the functions in the table. @param {Uint8Array} content */
function tableFunctions(content) {
  const segments = wasm.readVector(content, (reader) => {
    if (reader.number() !== 0)
      throw new Error('unexpected table segment in the WebAssembly module: only plain ones are supported')
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
    if (this.sections.some(({ id }) => id === START))
      throw new Error('unexpected start function in the WebAssembly module')
    this.types = this.#items(TYPES, readSignature)
    const imports = this.#items(IMPORTS, readImport)
    this.imported = imports.length
    this.functions = [...imports, ...this.#items(FUNCTIONS, (reader) => reader.number())]
    this.exports = this.#items(EXPORTS, readExport)
    this.bodies = this.#items(CODE, (reader) => reader.take(reader.number()))
    this.tableFunctions = tableFunctions(this.content(ELEMENTS))
  }

  /** @param {number} id */
  content(id) {
    return this.sections.find((one) => one.id === id)?.content ?? Uint8Array.of(0)
  }

  /** @param {number} id @template T @param {(reader: wasm.Reader) => T} read */
  #items(id, read) {
    return wasm.readVector(this.content(id), read)
  }

  /** Returns the signature of the function that an instruction calls. @param {wasm.Instruction} instruction */
  signatureOf({ code, operands: [index = 0] }) {
    return this.types[code === wasm.CALL ? this.functions[index] : index]
  }

  /** Replaces the bodies of functions that neither exports nor the table can reach. */
  removeUnreachableFunctions() {
    const reached = new Set()
    const waiting = [...this.exports.filter(({ kind }) => kind === 0).map(({ index }) => index), ...this.tableFunctions]
    for (let index = waiting.pop(); index !== undefined; index = waiting.pop()) {
      if (index < this.imported || reached.has(index)) continue
      reached.add(index)
      for (const { code, operands } of wasm.decode(this.bodies[index - this.imported]).instructions) {
        if (code === wasm.CALL) waiting.push(/** @type {number} */ (operands[0]))
      }
    }
    this.bodies = this.bodies.map((body, i) => (reached.has(i + this.imported) ? body : REMOVED_BODY))
  }

  /** Removes unreachable code from the longest function. @param {import('./prune-function.mjs').Facts} facts */
  prune(facts) {
    const longest = this.bodies.reduce((most, { length }, i, all) => (length > all[most].length ? i : most), 0)
    const signature = this.types[this.functions[longest + this.imported]]
    const signatureOf = (/** @type {wasm.Instruction} */ instruction) => this.signatureOf(instruction)
    this.bodies[longest] = prune(this.bodies[longest], { signature, signatureOf, facts })
  }

  /** The data segment with the constants. */
  get segment() {
    const reader = new wasm.Reader(this.content(DATA))
    if (reader.number() !== 1 || reader.number() !== 0 || reader.byte() !== 0x41)
      throw new Error('unexpected data section in the WebAssembly module: only one segment is supported')
    const base = reader.signed()
    reader.byte()
    return { base, bytes: reader.take(reader.number()) }
  }

  /** Returns the bytes of the module. @param {Uint8Array} constants that replace the data segment */
  toBytes(constants) {
    const sized = (/** @type {Uint8Array} */ bytes) => Buffer.concat([wasm.encodeNumber(bytes.length), bytes])
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
 * Returns the module without code and data that the exports in `wanted` do not use.
 * @param {Uint8Array} bytes of the module
 * @param {readonly string[]} wanted names of the exports to keep
 * @param {Facts | null} facts
 * @returns {Buffer}
 */
export function slim(bytes, wanted, facts = null) {
  const module = new Module(bytes)
  module.exports = module.exports.filter(({ name }) => wanted.includes(name))
  if (module.exports.length !== wanted.length)
    throw new Error('the WebAssembly module does not have all requested exports')
  const before = module.bodies
  module.bodies = [...before]
  if (facts !== null) module.prune(facts)
  module.removeUnreachableFunctions()
  if (module.content(DATA).length === 1) return module.toBytes(new Uint8Array())
  return module.toBytes(
    clearUnusedConstants(module.segment, { before, after: module.bodies, named: facts?.named ?? [] }),
  )
}
