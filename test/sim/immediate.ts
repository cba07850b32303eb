import type { Loop } from './loop.js'

const real = globalThis.setImmediate
let current: Loop | null = null

// The library keeps the `setImmediate` of its load time, so this module must be imported first.
globalThis.setImmediate = ((callback: () => void, ...values: []) => {
  return current === null ? real(callback, ...values) : current.check(callback)
}) as typeof setImmediate

export const realImmediate = real

/** Makes `setImmediate` use `loop`, or the real event loop for null. */
export function checkIn(loop: Loop | null): void {
  current = loop
}
