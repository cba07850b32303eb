/**
 * Memory in which the parser passes on a chunk of the input buffer:
 * - `copy`: a copy in an ArrayBuffer of its own;
 * - `view`: a view of the input buffer, valid until the callback returns;
 * - `cheapest`: for listeners that show the chunk to no caller: a view, or for few bytes a copy in Node's pool.
 */
export const CHUNK_MEMORY = { copy: 0, view: 1, cheapest: 2 } as const
/** Value of {@link CHUNK_MEMORY}. */
export type ChunkMemory = (typeof CHUNK_MEMORY)[keyof typeof CHUNK_MEMORY]

/** Copies parts of the input buffer, given as pairs of start and end, into one ArrayBuffer of their own. */
export function joinChunks(input: Buffer, pieces: readonly number[]): Buffer {
  let total = 0
  for (let i = 0; i < pieces.length; i += 2) total += (pieces[i + 1] as number) - (pieces[i] as number)
  const whole = Buffer.allocUnsafeSlow(total)
  let at = 0
  for (let i = 0; i < pieces.length; i += 2) at += input.copy(whole, at, pieces[i], pieces[i + 1])
  return whole
}
