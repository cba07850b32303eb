// Takes out of a WebAssembly module what a program does not use: exports that it never names, and the bodies of
// functions that none of the others reach. Numbers of functions, tables and memory stay, and so does what is left.

const [IMPORTS, EXPORTS, START, ELEMENTS, CODE] = [2, 7, 8, 9, 10]
/** No locals; unreachable; end. */
const NEVER = Uint8Array.of(3, 0, 0x00, 0x0b)

class Reader {
  /** @param {Uint8Array} bytes @param {number} at */
  constructor(bytes, at = 0) {
    this.bytes = bytes
    this.at = at
  }

  get done() {
    return this.at >= this.bytes.length
  }

  byte() {
    if (this.done) throw new Error('the module ends too soon')
    return this.bytes[this.at++]
  }

  /** LEB128; of signed numbers only the length is right. */
  number() {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte()
      if (shift < 32) value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
  }

  /** @param {number} length */
  take(length) {
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }
}

/** @param {number} value */
function encoded(value) {
  const bytes = []
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Uint8Array.from([...bytes, rest])
    bytes.push((rest & 0x7f) | 0x80)
  }
}

/** @param {Uint8Array[]} items */
function vector(items) {
  return Buffer.concat([encoded(items.length), ...items])
}

/** @param {Uint8Array} content @template T @param {(reader: Reader) => T} read @returns {T[]} */
function itemsOf(content, read) {
  const reader = new Reader(content)
  return Array.from({ length: reader.number() }, () => read(reader))
}

/** The numbers of the functions that a body calls. @param {Uint8Array} body */
function callsOf(body) {
  const reader = new Reader(body)
  for (let groups = reader.number(); groups > 0; groups--) {
    reader.number()
    reader.byte()
  }
  const calls = []
  while (!reader.done) {
    const code = reader.byte()
    if (code === 0x10) calls.push(reader.number())
    else skipOperands(reader, code)
  }
  return calls
}

/** @param {Reader} reader @param {number} code of the instruction whose operands come */
function skipOperands(reader, code) {
  const skip = (/** @type {number} */ numbers) => {
    for (; numbers > 0; numbers--) reader.number()
  }
  if (code === 0x0e) skip(reader.number() + 1)
  else if (code === 0x11 || (code >= 0x28 && code <= 0x3e)) skip(2)
  else if (code === 0x43) reader.take(4)
  else if (code === 0x44) reader.take(8)
  else if ([0x02, 0x03, 0x04, 0x0c, 0x0d, 0x3f, 0x40, 0x41, 0x42].includes(code) || (code >= 0x20 && code <= 0x24))
    skip(1)
  else if (code === 0xfc) skip([0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2, 1][reader.number()] ?? unknown(code))
  else if (!(code <= 0x01 || [0x05, 0x0b, 0x0f, 0x1a, 0x1b].includes(code) || (code >= 0x45 && code <= 0xc4)))
    unknown(code)
}

/** @param {number} code @returns {never} */
function unknown(code) {
  throw new Error(`instruction 0x${code.toString(16)} is not known here`)
}

/** @param {Reader} reader */
function readExport(reader) {
  const from = reader.at
  const name = Buffer.from(reader.take(reader.number())).toString()
  const [kind, index] = [reader.byte(), reader.number()]
  return { name, kind, index, bytes: reader.bytes.subarray(from, reader.at) }
}

/** Functions among the imports, which take the first numbers. @param {Uint8Array} content */
function importedFunctions(content) {
  const kinds = itemsOf(content, (reader) => {
    reader.take(reader.number())
    reader.take(reader.number())
    const kind = reader.byte()
    if (kind !== 0) throw new Error('only functions are expected among the imports')
    reader.number()
    return kind
  })
  return kinds.length
}

/** Functions that stand in the table. @param {Uint8Array} content */
function tabled(content) {
  const segments = itemsOf(content, (reader) => {
    if (reader.number() !== 0) throw new Error('only plain segments are expected in the table')
    while (reader.byte() !== 0x0b);
    return Array.from({ length: reader.number() }, () => reader.number())
  })
  return segments.flat()
}

/**
 * @param {Uint8Array} bytes a module
 * @param {readonly string[]} wanted its exports that are used
 * @returns {Buffer}
 */
export function slim(bytes, wanted) {
  const reader = new Reader(bytes, 8)
  const sections = []
  while (!reader.done) sections.push({ id: reader.byte(), content: reader.take(reader.number()) })
  const content = (/** @type {number} */ id) => sections.find((one) => one.id === id)?.content ?? Uint8Array.of(0)
  const exported = itemsOf(content(EXPORTS), readExport).filter(({ name }) => wanted.includes(name))
  if (exported.length !== wanted.length) throw new Error('not all that is wanted is exported')
  if (sections.some(({ id }) => id === START)) throw new Error('a module that starts by itself is not expected')
  const bodies = itemsOf(content(CODE), (reader) => reader.take(reader.number()))

  const imported = importedFunctions(content(IMPORTS))
  const reached = new Set()
  const waiting = [...exported.filter(({ kind }) => kind === 0).map(({ index }) => index), ...tabled(content(ELEMENTS))]
  for (let index = waiting.pop(); index !== undefined; index = waiting.pop()) {
    if (index < imported || reached.has(index)) continue
    reached.add(index)
    waiting.push(...callsOf(bodies[index - imported]))
  }
  const kept = bodies.map((body, i) =>
    reached.has(i + imported) ? Buffer.concat([encoded(body.length), body]) : NEVER,
  )
  const made = sections
    .filter(({ id }) => id !== 0)
    .map(({ id, content }) => {
      if (id === EXPORTS) return [id, vector(exported.map((one) => one.bytes))]
      return [id, id === CODE ? vector(kept) : content]
    })
  return Buffer.concat([
    bytes.subarray(0, 8),
    ...made.flatMap(([id, content]) => [Uint8Array.of(id), encoded(content.length), content]),
  ])
}
