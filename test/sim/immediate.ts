import type { Loop } from './loop.js'

const real = globalThis.setImmediate
let current: Loop | null = null

// The library takes it as it is when it is loaded: this is to be imported before.
globalThis.setImmediate = ((callback: () => void, ...values: []) => {
  return current === null ? real(callback, ...values) : current.check(callback)
}) as typeof setImmediate

export const realImmediate = real

/** From now on what is put off to the check phase is put off in `loop`; null: in the real one. */
export function checkIn(loop: Loop | null): void {
  current = loop
}
