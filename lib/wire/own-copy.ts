/** Bytes up to which a loop is faster than a call out of JavaScript. */
const FEW = 64

/** Bytes of the window in memory of their own: the window belongs to the next socket soon. */
export function ownCopy(window: Buffer, start: number, end: number): Buffer {
  const length = end - start
  const copy = Buffer.allocUnsafe(length)
  if (length > FEW) window.copy(copy, 0, start, end)
  else for (let i = 0; i < length; i++) copy[i] = window[start + i] as number
  return copy
}
