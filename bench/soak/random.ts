/** Returns numbers from 0 to 1, the same ones for the same seed. */
export type Random = () => number

/** xorshift: a run can be repeated, as far as servers and timers allow. */
export function seeded(seed: number): Random {
  let state = seed | 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}
