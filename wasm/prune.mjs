// Writes a function anew without what can not happen.
import * as wasm from './code.mjs'
import { blocksOf, Run, union } from './run.mjs'

/** @typedef {import('./code.mjs').Instruction} Instruction */
/** @typedef {import('./run.mjs').Value} Value */
/** @typedef {import('./run.mjs').Signature} Signature */

/**
 * What is known of the structure that the first parameter points to: fields that hold one number, and the field of the
 * state, which holds the first number or what the function stores there or returns.
 * @typedef {{ load: number, offset: number, value: number }} Field
 * @typedef {{ fixed: readonly Field[], state: Field }} Facts
 */

/**
 * @param {Uint8Array} body
 * @param {{ signature: Signature, signatureOf: (instruction: Instruction) => Signature, facts: Facts }} part
 * @returns {Buffer}
 */
export function prune(body, { signature, signatureOf, facts }) {
  const { declared, locals, instructions } = wasm.decode(body)
  const blocks = blocksOf(instructions)
  const { fixed, state } = facts
  /** @type {Value} */
  let states = new Set([state.value])
  for (;;) {
    const field = (/** @type {Instruction} */ { code, operands }) => {
      const is = (/** @type {Field} */ { load, offset }) => load === code && offset === operands[1]
      if (is(state)) return states
      const known = fixed.find(is)
      return known === undefined ? null : new Set([known.value])
    }
    const run = new Run(instructions, { blocks, signature, locals, signatureOf, field })
    const found = union(states, union(run.returned, run.stored.get(state.offset) ?? new Set()))
    if (found === null) throw new Error('the state may be any number')
    if (fixed.some(({ offset }) => run.stored.has(offset))) throw new Error('a field that is fixed is written')
    if (found.size === states?.size) return Buffer.concat([declared, ...new Writer(instructions, blocks, run).written])
    states = found
  }
}

class Writer {
  #instructions
  #blocks
  #run
  /** Beginnings of blocks that something branches to. @type {Set<number>} */
  #targets = new Set()
  /** Blocks around, and whether they are written. @type {{ begin: number, kept: boolean }[]} */
  #around = [{ begin: -1, kept: true }]
  /** What is written last can go on to what comes. */
  #flows = true
  /** @type {Uint8Array[]} */
  written = []

  /** @param {Instruction[]} instructions @param {import('./run.mjs').Blocks} blocks @param {Run} run */
  constructor(instructions, blocks, run) {
    this.#instructions = instructions
    this.#blocks = blocks
    this.#run = run
    for (const [at, taken] of run.taken) for (const which of taken) this.#targets.add(this.#label(at, which))
    for (const [at, instruction] of instructions.entries()) this.#write(at, instruction)
  }

  /** @param {number} at @param {number} which */
  #label(at, which) {
    return /** @type {number} */ (this.#blocks.labels.get(at)?.[which])
  }

  /** @param {number} at @param {Instruction} instruction */
  #write(at, { code, bytes }) {
    const lives = this.#run.reached.has(at)
    if (wasm.OPENING.includes(code)) {
      const kept = lives && (code !== wasm.BLOCK || this.#targets.has(at))
      this.#around.push({ begin: at, kept })
      if (kept) this.written.push(bytes)
      else if (!lives) this.#stop()
    } else if (code === wasm.END || code === wasm.ELSE) {
      const kept = code === wasm.END ? this.#around.pop()?.kept : this.#around.at(-1)?.kept
      if (!kept) return
      this.written.push(bytes)
      this.#flows = true
    } else if (!lives) this.#stop()
    else {
      this.written.push(this.#rewritten(at))
      this.#flows = ![wasm.BR, wasm.BR_TABLE, wasm.RETURN, wasm.UNREACHABLE].includes(code)
    }
  }

  /** What follows never happens: with that said, a block need not leave what it promised. */
  #stop() {
    if (this.#flows) this.written.push(Uint8Array.of(wasm.UNREACHABLE))
    this.#flows = false
  }

  /** @param {number} at @returns {Uint8Array} */
  #rewritten(at) {
    const { code, operands, bytes } = /** @type {Instruction} */ (this.#instructions[at])
    if (!wasm.BRANCHING.includes(code)) return bytes
    const taken = this.#run.taken.get(at)
    if (taken === undefined) return Uint8Array.of(wasm.DROP)
    const [some = 0] = taken
    const depths = operands.map((_, which) => this.#depth(this.#label(at, taken.has(which) ? which : some)))
    const labels = depths.map((depth) => wasm.encoded(depth))
    if (code === wasm.BR_TABLE) return Buffer.concat([Uint8Array.of(code), wasm.encoded(labels.length - 1), ...labels])
    return Buffer.concat([Uint8Array.of(code), ...labels])
  }

  /** @param {number} begin of a block around */
  #depth(begin) {
    const kept = this.#around.filter((block) => block.kept)
    return kept.length - 1 - kept.findIndex((block) => block.begin === begin)
  }
}
