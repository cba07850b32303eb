/** Counters of blocks of lib/wire, one byte each; absent when nothing was instrumented (instrument.ts). */
declare global {
  var sluiceBlocks: Uint8Array | undefined
}

/** Blocks there is room for. */
export const MAX_BLOCKS = 2048

/** How often a block ran, as a bit: 1, 2, 3, 4 to 7, … 128 or more. */
const BUCKETS = Uint8Array.from({ length: 256 }, (_, times) => {
  if (times < 4) return times === 0 ? 0 : 1 << (times - 1)
  return 1 << Math.min(7, Math.floor(Math.log2(times)) + 1)
})

/** Tells whether an input did what none did before it. */
export class Guidance {
  readonly #seen = new Uint8Array(MAX_BLOCKS)
  readonly #outcomes = new Set<string>()

  /** Blocks that ran at all. */
  get blocks(): number {
    return this.#seen.reduce((sum, bits) => sum + (bits === 0 ? 0 : 1), 0)
  }

  get outcomes(): number {
    return this.#outcomes.size
  }

  /** Looks at what ran since the last call, and at the kind of outcome. */
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
