/**
 * What a chunk that was read into the input buffer is handed out as: a copy in memory of its own; a view of the input buffer; or what
 * costs least for a sink that shows it to no caller, which is a view, or for few bytes a copy in Node's pool.
 */
export const CHUNK_MEMORY = { copy: 0, view: 1, cheapest: 2 } as const
export type ChunkMemory = (typeof CHUNK_MEMORY)[keyof typeof CHUNK_MEMORY]

/** Joins parts of the input buffer, given as pairs of start and end, in memory of their own. */
export function joinChunks(input: Buffer, pieces: readonly number[]): Buffer {
  let total = 0
  for (let i = 0; i < pieces.length; i += 2) total += (pieces[i + 1] as number) - (pieces[i] as number)
  const whole = Buffer.allocUnsafeSlow(total)
  let at = 0
  for (let i = 0; i < pieces.length; i += 2) at += input.copy(whole, at, pieces[i], pieces[i + 1])
  return whole
}
