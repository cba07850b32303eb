/** Returns the next random number, from 0 to 1. */
export type Random = () => number

/** Returns a xorshift generator. The same seed gives the same numbers. */
export function seeded(seed: number): Random {
  let state = seed | 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}
