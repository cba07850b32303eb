// Replaces constants that no function refers to any more by zeros.
import * as wasm from './binary-format.mjs'

/** @typedef {{ base: number, bytes: Uint8Array }} Segment */

/**
 * Returns the addresses in the segment that a function refers to.
 * @param {Uint8Array} body @param {Segment} segment @returns {number[]}
 */
function addressesIn(body, { base, bytes }) {
  return wasm
    .decode(body)
    .instructions.map(({ code, operands }) => (code >= 0x28 && code <= 0x3e ? operands[1] : operands[0]))
    .filter((address) => address !== undefined && address >= base && address < base + bytes.length)
}

/**
 * Returns the pointers in tables of strings: at least four in a row, each to an address after the end of a string.
 * @param {Segment} segment
 */
function stringPointers({ base, bytes }) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  /** @type {{ from: number, to: number }[]} */
  const found = []
  const first = (4 - (base % 4)) % 4
  /** @type {typeof found} */
  let row = []
  for (let at = first; at + 4 <= bytes.length; at += 4) {
    const to = view.getUint32(at, true)
    if (to > base && to < base + bytes.length && bytes[to - base - 1] === 0) row.push({ from: base + at, to })
    else row = []
    if (row.length === 4) found.push(...row)
    else if (row.length > 4) found.push(/** @type {(typeof row)[0]} */ (row.at(-1)))
  }
  return found
}

/**
 * Returns the segment with zeros in place of unused constants. A constant extends from its address to the next address that
 * is referred to. A constant that starts within another one is kept or removed with it.
 * @param {Segment} segment
 * @param {{ before: Uint8Array[], after: Uint8Array[], named: readonly number[] }} part function bodies before and after
 *   pruning, and addresses used elsewhere
 * @returns {Buffer}
 */
export function clearUnusedConstants(segment, { before, after, named }) {
  const { base, bytes } = segment
  const pointers = stringPointers(segment)
  const addresses = (/** @type {Uint8Array[]} */ bodies) => bodies.flatMap((body) => addressesIn(body, segment))
  const starts = [...new Set([...addresses(before), ...named, ...pointers.map(({ to }) => to)])].sort((a, b) => a - b)
  const live = new Set([...addresses(after), ...named])
  const ends = new Map(starts.map((start, i) => [start, starts[i + 1] ?? base + bytes.length]))
  for (const start of live) {
    const end = /** @type {number} */ (ends.get(start))
    for (const { from, to } of pointers) if (from >= start && from < end) live.add(to)
  }
  const made = Buffer.from(bytes)
  let gone = false
  for (const [start, end] of ends) {
    gone = !live.has(start) && (gone || bytes[start - base - 1] === 0)
    if (gone) made.fill(0, start - base, end - base)
  }
  return made
}
