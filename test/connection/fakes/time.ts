/** A clock that advances only on request. */
export interface Time {
  pass(ms: number): void
}

/**
 * Replaces the global timers and clocks. Unless `alone`, also `setImmediate` and `queueMicrotask`, whose callbacks
 * never run then.
 */
export function fakeTime(alone: boolean): Time {
  let now = 1e6
  let last = 0
  const timers = new Map<number, { at: number; callback: () => void }>()
  const set = (callback: (...values: unknown[]) => void, delay = 0, ...values: unknown[]): number => {
    timers.set(++last, { at: now + delay, callback: () => callback(...values) })
    return last
  }
  const clear = (timer: number) => void timers.delete(timer)
  Object.assign(globalThis, {
    setTimeout: set,
    clearTimeout: clear,
    setInterval: set,
    clearInterval: clear,
  })
  if (!alone) Object.assign(globalThis, { setImmediate: () => 0, queueMicrotask: () => {} })
  Date.now = () => now
  performance.now = () => now
  return {
    pass(ms) {
      const until = now + ms
      for (;;) {
        const due = [...timers].filter(([, { at }]) => at <= until).sort((a, b) => a[1].at - b[1].at)[0]
        if (due === undefined) break
        timers.delete(due[0])
        now = Math.max(now, due[1].at)
        due[1].callback()
      }
      now = until
    },
  }
}
