// Reads and writes the WebAssembly binary format, as far as the other scripts need it.

export const [UNREACHABLE, BLOCK, LOOP, IF, ELSE, END] = [0x00, 0x02, 0x03, 0x04, 0x05, 0x0b]
export const [BR, BR_IF, BR_TABLE, RETURN, CALL, CALL_INDIRECT] = [0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11]
export const DROP = 0x1a
export const OPENING = [BLOCK, LOOP, IF]
export const BRANCHING = [BR, BR_IF, BR_TABLE]
/** Instructions after which control does not continue, in addition to br and br_table. */
export const ENDING = [UNREACHABLE, ELSE, RETURN]
/** Block type of a block without a result. */
export const NO_RESULT = 0x40

export class Reader {
  /** @param {Uint8Array} bytes @param {number} at */
  constructor(bytes, at = 0) {
    this.bytes = bytes
    this.at = at
  }

  get done() {
    return this.at >= this.bytes.length
  }

  byte() {
    if (this.done) throw new Error('the WebAssembly module is truncated')
    return this.bytes[this.at++]
  }

  /** Reads an unsigned LEB128 number. */
  number() {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte()
      if (shift < 32) value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
  }

  /** Reads a signed LEB128 number of 32 bits. Of a longer number, only the length is read correctly. */
  signed() {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte()
      if (shift < 32) value |= (byte & 0x7f) << shift
      if (byte >= 0x80) continue
      return shift < 25 && (byte & 0x40) !== 0 ? value | (-1 << (shift + 7)) : value
    }
  }

  /** Reads bytes. @param {number} length */
  take(length) {
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }
}

/** Returns a number as unsigned LEB128. @param {number} value */
export function encodeNumber(value) {
  const bytes = []
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Uint8Array.from([...bytes, rest])
    bytes.push((rest & 0x7f) | 0x80)
  }
}

/** Returns a vector: the number of items, and the items. @param {Uint8Array[]} items */
export function vector(items) {
  return Buffer.concat([encodeNumber(items.length), ...items])
}

/** Reads a vector. @param {Uint8Array} content @template T @param {(reader: Reader) => T} read @returns {T[]} */
export function readVector(content, read) {
  const reader = new Reader(content)
  return Array.from({ length: reader.number() }, () => read(reader))
}

/**
 * @typedef {object} Instruction
 * @property {number} code
 * @property {number[]} operands labels of br_table: the default comes last
 * @property {Uint8Array} bytes
 */

/**
 * Decodes the body of a function.
 * @param {Uint8Array} body
 * @returns {{ declared: Uint8Array, locals: number, instructions: Instruction[] }}
 */
export function decode(body) {
  const reader = new Reader(body)
  let locals = 0
  for (let groups = reader.number(); groups > 0; groups--) {
    locals += reader.number()
    reader.byte()
  }
  const declared = body.subarray(0, reader.at)
  const instructions = []
  while (!reader.done) {
    const from = reader.at
    const code = reader.byte()
    const operands = operandsOf(reader, code)
    instructions.push({ code, operands, bytes: body.subarray(from, reader.at) })
  }
  return { declared, locals, instructions }
}

/** @param {Reader} reader @param {number} code */
function operandsOf(reader, code) {
  const numbers = (/** @type {number} */ length) => Array.from({ length }, () => reader.number())
  if (code === BR_TABLE) return numbers(reader.number() + 1)
  if (code === CALL_INDIRECT || (code >= 0x28 && code <= 0x3e)) return numbers(2)
  if (code === 0x41 || code === 0x42) return [reader.signed()]
  if ([BR, BR_IF, CALL, 0x3f, 0x40].includes(code) || (code >= 0x20 && code <= 0x24)) return numbers(1)
  if ([BLOCK, LOOP, IF].includes(code)) return [reader.byte()]
  if (code === 0xfc) return twoByteOperands(reader)
  if ([0x00, 0x01, ELSE, END, RETURN, 0x1a, 0x1b].includes(code) || (code >= 0x45 && code <= 0xc4)) return []
  if (code === 0x43) reader.take(4)
  else if (code === 0x44) reader.take(8)
  else throw unknownInstruction(code)
  return []
}

/** Reads an instruction of two bytes: a conversion or a memory instruction. @param {Reader} reader */
function twoByteOperands(reader) {
  const code = reader.number()
  const operands = [0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2, 1][code]
  if (operands === undefined) throw unknownInstruction(code)
  return [code, ...Array.from({ length: operands }, () => reader.number())]
}

/** @param {number} code */
function unknownInstruction(code) {
  return new Error(`unknown WebAssembly instruction 0x${code.toString(16)}`)
}

/** Ranges of codes with one operand and one result: tests, conversions and unary functions. */
const UNARY = [[0x45], [0x50], [0x67, 0x69], [0x79, 0x7b], [0x8b, 0x91], [0x99, 0x9f], [0xa7, 0xc4]]

/**
 * Returns how many values an instruction pops and pushes. Not for calls, branches and blocks.
 * @param {number} code
 */
export function signatureOf(code) {
  if (code === 0x01) return { parameters: 0, results: 0 }
  if (code === 0x1a) return { parameters: 1, results: 0 }
  if (code === 0x1b) return { parameters: 3, results: 1 }
  if (code >= 0x41 && code <= 0x44) return { parameters: 0, results: 1 }
  if (code === 0x3f) return { parameters: 0, results: 1 }
  if (code === 0x40) return { parameters: 1, results: 1 }
  if (code < 0x45 || code > 0xc4) throw unknownInstruction(code)
  const unary = UNARY.some(([from = 0, to = from]) => code >= from && code <= to)
  return { parameters: unary ? 1 : 2, results: 1 }
}
