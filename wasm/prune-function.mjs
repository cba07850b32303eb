// Removes unreachable code from a WebAssembly function.

import { blocksOf, Run, union } from './abstract-run.mjs'
import * as wasm from './binary-format.mjs'

/** @typedef {import('./binary-format.mjs').Instruction} Instruction */
/** @typedef {import('./abstract-run.mjs').Value} Value */
/** @typedef {import('./abstract-run.mjs').Signature} Signature */

/**
 * Known fields of the structure that the first parameter points to: `fixed` fields have one value; the `state` field has
 * its initial value, or one that the function stores there or returns.
 * @typedef {{ load: number, offset: number, value: number }} Field
 * @typedef {{ fixed: readonly Field[], state: Field }} Facts
 */

/**
 * Returns the body without unreachable code. Runs the function until no new value of the state field is found.
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
    if (found === null) throw new Error('can not prune the function: the state field may have any value')
    if (fixed.some(({ offset }) => run.stored.has(offset)))
      throw new Error('can not prune the function: it writes to a fixed field')
    if (found.size === states?.size) return Buffer.concat([declared, ...new Writer(instructions, blocks, run).written])
    states = found
  }
}

class Writer {
  #instructions
  #blocks
  #run
  /** Starts of blocks that are branch targets. @type {Set<number>} */
  #targets = new Set()
  /** Enclosing blocks, and whether they are written. @type {{ begin: number, kept: boolean }[]} */
  #enclosing = [{ begin: -1, kept: true }]
  /** Whether control can flow from the last written instruction to the next. */
  #continues = true
  /** @type {Uint8Array[]} */
  written = []

  /** @param {Instruction[]} instructions @param {import('./abstract-run.mjs').Blocks} blocks @param {Run} run */
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
    const reachable = this.#run.reached.has(at)
    if (wasm.OPENING.includes(code)) {
      const kept = reachable && (code !== wasm.BLOCK || this.#targets.has(at))
      this.#enclosing.push({ begin: at, kept })
      if (kept) this.written.push(bytes)
      else if (!reachable) this.#markUnreachable()
    } else if (code === wasm.END || code === wasm.ELSE) {
      const kept = code === wasm.END ? this.#enclosing.pop()?.kept : this.#enclosing.at(-1)?.kept
      if (!kept) return
      this.written.push(bytes)
      this.#continues = true
    } else if (!reachable) this.#markUnreachable()
    else {
      this.written.push(this.#rewriteBranch(at))
      this.#continues = ![wasm.BR, wasm.BR_TABLE, wasm.RETURN, wasm.UNREACHABLE].includes(code)
    }
  }

  /** Marks the following code as unreachable, so that the block needs no result on the stack. */
  #markUnreachable() {
    if (this.#continues) this.written.push(Uint8Array.of(wasm.UNREACHABLE))
    this.#continues = false
  }

  /** Returns an instruction with the branch depths of the remaining blocks. @param {number} at @returns {Uint8Array} */
  #rewriteBranch(at) {
    const { code, operands, bytes } = /** @type {Instruction} */ (this.#instructions[at])
    if (!wasm.BRANCHING.includes(code)) return bytes
    const taken = this.#run.taken.get(at)
    if (taken === undefined) return Uint8Array.of(wasm.DROP)
    const [some = 0] = taken
    const depths = operands.map((_, which) => this.#depth(this.#label(at, taken.has(which) ? which : some)))
    const labels = depths.map((depth) => wasm.encodeNumber(depth))
    if (code === wasm.BR_TABLE)
      return Buffer.concat([Uint8Array.of(code), wasm.encodeNumber(labels.length - 1), ...labels])
    return Buffer.concat([Uint8Array.of(code), ...labels])
  }

  /** Returns the branch depth of an enclosing block. @param {number} begin of the block */
  #depth(begin) {
    const kept = this.#enclosing.filter((block) => block.kept)
    return kept.length - 1 - kept.findIndex((block) => block.begin === begin)
  }
}
