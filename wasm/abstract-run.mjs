// Abstract interpretation of a WebAssembly function: runs it with sets of possible values instead of values, along every
// path that they allow, to find which instructions are reachable.
import * as wasm from './binary-format.mjs'

/**
 * Possible values: numbers, or `STRUCTURE`, the address that the first parameter points to. null: any value.
 * @typedef {ReadonlySet<number | symbol> | null} Value
 */
/** @typedef {{ locals: Value[], stack: Value[] }} State */
/** @typedef {import('./binary-format.mjs').Instruction} Instruction */
/** @typedef {{ parameters: number, results: number }} Signature */

const STRUCTURE = Symbol('structure')
/** Maximum size of a set. A larger one is treated as any value. */
const MAX_SET_SIZE = 512
const [LOCAL_GET, LOCAL_SET, LOCAL_TEE, GLOBAL_GET, GLOBAL_SET] = [0x20, 0x21, 0x22, 0x23, 0x24]
const [SELECT, MEMORY_SIZE, CONSTANT, IS_ZERO] = [0x1b, 0x3f, 0x41, 0x45]

/** @type {Record<number, (a: number, b: number) => number>} */
const OPERATIONS = {
  70: (a, b) => Number(a === b),
  71: (a, b) => Number(a !== b),
  73: (a, b) => Number(a >>> 0 < b >>> 0),
  75: (a, b) => Number(a >>> 0 > b >>> 0),
  106: (a, b) => (a + b) | 0,
  107: (a, b) => (a - b) | 0,
  113: (a, b) => a & b,
}

/** @param {Value} a @param {Value} b @returns {Value} */
export function union(a, b) {
  if (a === null || b === null) return null
  const both = new Set([...a, ...b])
  return both.size > MAX_SET_SIZE ? null : both
}

/** @param {Value} value @param {(one: number) => boolean} is */
function canBe(value, is) {
  return value === null || [...value].some((one) => typeof one !== 'number' || is(one))
}

/** @param {Value} a @param {Value} b @param {((a: number, b: number) => number) | undefined} of @returns {Value} */
function calculate(a, b, of) {
  if (a === null || b === null || of === undefined || a.size * b.size > MAX_SET_SIZE) return null
  const found = new Set()
  for (const one of a) {
    for (const other of b) {
      if (typeof one !== 'number' || typeof other !== 'number') return null
      found.add(of(one, other))
    }
  }
  return found
}

/**
 * Adds possible values to a stack or to locals. Returns whether any were new.
 * @param {Value[]} there @param {readonly Value[]} coming
 */
function merge(there, coming) {
  if (there.length !== coming.length)
    throw new Error('invalid WebAssembly function: paths join with different stack heights')
  let grown = false
  for (const [i, value] of coming.entries()) {
    const old = there[i] ?? null
    if (old === null) continue
    there[i] = union(old, value)
    grown ||= there[i]?.size !== old.size
  }
  return grown
}

/**
 * @typedef {object} Blocks
 * @property {Map<number, number>} ends end of each block, by its start
 * @property {Map<number, number>} begins start of each block, by its end
 * @property {Map<number, number>} elses `else` of each block, by its start
 * @property {Map<number, number[]>} labels target blocks of each branch, by their starts; -1 for the function
 */

/** Returns the block structure of a function. @param {readonly Instruction[]} instructions @returns {Blocks} */
export function blocksOf(instructions) {
  const blocks = { ends: new Map(), begins: new Map(), elses: new Map(), labels: new Map() }
  const enclosing = [-1]
  for (const [at, { code, operands }] of instructions.entries()) {
    if (wasm.OPENING.includes(code)) enclosing.push(at)
    else if (code === wasm.ELSE) blocks.elses.set(enclosing.at(-1), at)
    else if (wasm.BRANCHING.includes(code)) {
      blocks.labels.set(
        at,
        operands.map((depth) => enclosing[enclosing.length - 1 - depth]),
      )
    } else if (code === wasm.END) {
      const begin = enclosing.pop()
      blocks.ends.set(begin, at)
      blocks.begins.set(at, begin)
    }
  }
  return blocks
}

export class Run {
  #instructions
  #part
  /** Stack height at the start of each block. @type {Map<number, number>} */
  #heights = new Map()
  /** Merged state at each instruction where paths join. @type {Map<number, State>} */
  #joins = new Map()
  /** @type {Set<number>} */
  #waiting = new Set()
  /** Reachable instructions. @type {Set<number>} */
  reached = new Set()
  /** Reachable labels of each branch, as indices of its operands. @type {Map<number, Set<number>>} */
  taken = new Map()
  /** @type {Value} */
  returned = new Set()
  /** Values stored in the structure, by offset. @type {Map<number, Value>} */
  stored = new Map()

  /**
   * @param {readonly Instruction[]} instructions
   * @param {object} part
   * @param {Blocks} part.blocks
   * @param {Signature} part.signature of the function
   * @param {number} part.locals beyond its parameters
   * @param {(instruction: Instruction) => Signature} part.signatureOf of what an instruction calls
   * @param {(instruction: Instruction) => Value} part.field what it loads from the structure
   */
  constructor(instructions, part) {
    this.#instructions = instructions
    this.#part = part
    const { parameters } = part.signature
    const locals = Array.from({ length: parameters + part.locals }, (_, i) => {
      if (i === 0) return new Set([STRUCTURE])
      return i < parameters ? null : new Set([0])
    })
    this.#followPath(0, { locals, stack: [] })
    for (const at of this.#waiting) {
      this.#waiting.delete(at)
      const { locals, stack } = /** @type {State} */ (this.#joins.get(at))
      this.#followPath(at, { locals: [...locals], stack: [...stack] })
    }
  }

  /** Follows a path until it ends or joins another. @param {number} start @param {State} state */
  #followPath(start, state) {
    for (let at = start; ; at++) {
      const instruction = /** @type {Instruction} */ (this.#instructions[at])
      const { code } = instruction
      if (code === wasm.LOOP && at !== start) {
        this.#heights.set(at, state.stack.length)
        return this.#join(at, state)
      }
      if (code === wasm.END && at !== start) return this.#join(at, state)
      this.reached.add(at)
      if (at === this.#instructions.length - 1) return this.#return(state)
      if (!this.#step(at, instruction, state)) return
    }
  }

  /** @param {number} at @param {State} state */
  #join(at, { locals, stack }) {
    const there = this.#joins.get(at)
    if (there === undefined) this.#joins.set(at, { locals: [...locals], stack: [...stack] })
    else {
      const [some, more] = [merge(there.locals, locals), merge(there.stack, stack)]
      if (!some && !more) return
    }
    this.#waiting.add(at)
  }

  /** @param {State} state */
  #return({ stack }) {
    this.returned = union(this.returned, stack.at(-1) ?? null)
  }

  /** @param {number} at of the branch @param {number} which of its labels @param {State} state */
  #branch(at, which, { locals, stack }) {
    const taken = this.taken.get(at) ?? new Set()
    this.taken.set(at, taken.add(which))
    const { blocks } = this.#part
    const begin = /** @type {number} */ (blocks.labels.get(at)?.[which])
    if (begin === -1) return this.#return({ locals, stack })
    const { code, operands } = /** @type {Instruction} */ (this.#instructions[begin])
    const results = code === wasm.LOOP || operands[0] === wasm.NO_RESULT ? 0 : 1
    const below = stack.slice(0, this.#heights.get(begin))
    const target = code === wasm.LOOP ? begin : /** @type {number} */ (blocks.ends.get(begin))
    this.#join(target, { locals, stack: [...below, ...stack.slice(stack.length - results)] })
  }

  /**
   * Runs one instruction. Returns false if control does not continue with the next one.
   * @param {number} at @param {Instruction} instruction @param {State} state
   */
  #step(at, instruction, state) {
    const { code } = instruction
    const { stack } = state
    if (wasm.BRANCHING.includes(code) || wasm.ENDING.includes(code)) return this.#jump(at, instruction, state)
    if (code === wasm.IF) return this.#if(at, state)
    if (code === wasm.BLOCK || code === wasm.LOOP) this.#heights.set(at, stack.length)
    else if (code >= LOCAL_GET && code <= GLOBAL_SET) this.#variable(instruction, state)
    else if (code >= 0x28 && code < MEMORY_SIZE) this.#memory(instruction, stack)
    else if (code !== wasm.END) this.#compute(instruction, stack)
    return true
  }

  /** @param {number} at @param {Instruction} instruction @param {State} state */
  #jump(at, { code, operands }, state) {
    const { blocks } = this.#part
    if (code === wasm.RETURN) this.#return(state)
    else if (code === wasm.BR) this.#branch(at, 0, state)
    else if (code === wasm.ELSE) {
      const [begin] = /** @type {[number, number]} */ ([...blocks.elses].find(([, other]) => other === at))
      this.#join(/** @type {number} */ (blocks.ends.get(begin)), state)
    } else if (code === wasm.BR_IF) {
      const condition = /** @type {Value} */ (state.stack.pop())
      if (canBe(condition, (one) => one !== 0)) this.#branch(at, 0, state)
      return canBe(condition, (one) => one === 0)
    } else if (code === wasm.BR_TABLE) {
      const condition = /** @type {Value} */ (state.stack.pop())
      const last = operands.length - 1
      for (const which of operands.keys()) {
        const here = (/** @type {number} */ one) => (which === last ? one >>> 0 >= last : one === which)
        if (canBe(condition, here)) this.#branch(at, which, state)
      }
    }
    return false
  }

  /** @param {number} at @param {State} state */
  #if(at, state) {
    const { ends, elses } = this.#part.blocks
    const condition = /** @type {Value} */ (state.stack.pop())
    this.#heights.set(at, state.stack.length)
    const other = elses.get(at)
    if (canBe(condition, (one) => one === 0)) {
      this.#join(other === undefined ? /** @type {number} */ (ends.get(at)) : other + 1, state)
    }
    return canBe(condition, (one) => one !== 0)
  }

  /** @param {Instruction} instruction @param {State} state */
  #variable({ code, operands: [index = 0] }, { locals, stack }) {
    if (code === LOCAL_GET) stack.push(locals[index] ?? null)
    else if (code === LOCAL_TEE) locals[index] = stack.at(-1) ?? null
    else if (code === GLOBAL_GET) stack.push(null)
    else {
      const value = stack.pop() ?? null
      if (code === LOCAL_SET) locals[index] = value
    }
  }

  /** @param {Instruction} instruction @param {Value[]} stack */
  #memory(instruction, stack) {
    const { code, operands } = instruction
    const value = code >= 0x36 ? (stack.pop() ?? null) : null
    const inStructure = stack.pop()?.has(STRUCTURE) === true
    if (code < 0x36) stack.push(inStructure ? this.#part.field(instruction) : null)
    else if (inStructure) {
      const offset = /** @type {number} */ (operands[1])
      this.stored.set(offset, union(this.stored.get(offset) ?? new Set(), value))
    }
  }

  /** @param {Instruction} instruction @param {Value[]} stack */
  #compute(instruction, stack) {
    const { code, operands } = instruction
    if (code === CONSTANT) return stack.push(new Set(operands))
    const { parameters, results } =
      code === wasm.CALL || code === wasm.CALL_INDIRECT ? this.#part.signatureOf(instruction) : wasm.signatureOf(code)
    const given = stack.splice(stack.length - parameters)
    if (results === 0) return
    const [a = null, b = null] = given
    if (code === SELECT) stack.push(union(a, b))
    else if (code === IS_ZERO) stack.push(calculate(a, new Set([0]), (one) => Number(one === 0)))
    else stack.push(calculate(a, b, OPERATIONS[code]))
  }
}
