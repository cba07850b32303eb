/** Execution counters of code blocks in lib/wire, one byte each; absent without instrumentation (instrument.ts). */
declare global {
  var sluiceBlocks: Uint8Array | undefined
}

/** Maximum number of blocks. */
export const MAX_BLOCKS = 2048

/** Bit for the number of executions of a block: 1, 2, 3, 4 to 7, … 128 or more. */
const BUCKETS = Uint8Array.from({ length: 256 }, (_, times) => {
  if (times < 4) return times === 0 ? 0 : 1 << (times - 1)
  return 1 << Math.min(7, Math.floor(Math.log2(times)) + 1)
})

/** Detects inputs with new coverage. */
export class Guidance {
  readonly #seen = new Uint8Array(MAX_BLOCKS)
  readonly #outcomes = new Set<string>()

  /** Number of blocks that were executed. */
  get blocks(): number {
    return this.#seen.reduce((sum, bits) => sum + (bits === 0 ? 0 : 1), 0)
  }

  get outcomes(): number {
    return this.#outcomes.size
  }

  /** Returns whether the blocks executed since the last call, or the kind of outcome, are new. */
  fresh(outcome: string): boolean {
    let fresh = false
    if (!this.#outcomes.has(outcome) && this.#outcomes.size < 50_000) {
      this.#outcomes.add(outcome)
      fresh = true
    }
    const counters = globalThis.sluiceBlocks
    if (counters === undefined) return fresh
    const words = new Uint32Array(counters.buffer)
    for (let word = 0; word < words.length; word++) {
      if (words[word] === 0) continue
      for (let i = 4 * word; i < 4 * word + 4; i++) {
        const bit = BUCKETS[counters[i] as number] as number
        if (((this.#seen[i] as number) & bit) === bit) continue
        this.#seen[i] = (this.#seen[i] as number) | bit
        fresh = true
      }
      words[word] = 0
    }
    return fresh
  }
}
