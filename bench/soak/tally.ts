import type { Dispatcher } from '../../lib/index.js'

/** What came of all requests. */
export class Tally {
  sent = 0
  answered = 0
  /** Dispatchers that were seen to serve on all of their connections. */
  probes = 0
  readonly failed = new Map<string, number>()
  /** Failures that should not have come, each once, and dispatchers that did not come to rest. */
  readonly unexpected = new Map<string, number>()

  /** Errors that must be uncaught exceptions, once each. */
  readonly #awaited = new Set<unknown>()

  toBeUncaught(): Error {
    const error = new Error('thrown by a listener')
    this.#awaited.add(error)
    return error
  }

  /** An exception ended nobody's request. */
  uncaught(error: Error): void {
    if (!this.#awaited.delete(error)) this.complain(`uncaught: ${error.stack}`)
  }

  /** All exceptions that listeners threw so far have been reported. */
  checkUncaught(): void {
    if (this.#awaited.size > 0) this.complain(`${this.#awaited.size} exceptions of listeners are lost`)
    this.#awaited.clear()
  }

  /** Complains when `dispatcher`, which has ended, counts anything. */
  checkStats(dispatcher: Dispatcher, name: string): void {
    const left = JSON.stringify((dispatcher as { stats?: unknown }).stats ?? {})
    if (/:(?!0|false|\{)/.test(left.replace(/"[^"]*":/g, ':'))) this.complain(`${name} ended with ${left}`)
  }

  get failures(): number {
    return [...this.failed.values()].reduce((sum, count) => sum + count, 0)
  }

  fail(error: unknown, expected: (code: string) => boolean, where: string): void {
    const code = String((error as { code?: unknown })?.code ?? error)
    this.failed.set(code, (this.failed.get(code) ?? 0) + 1)
    if (!expected(code)) this.complain(`${where}: ${code} ${describe(error)}`)
  }

  complain(what: string): void {
    // One line tells enough of a fault that comes a million times, and so do some of what differs each time.
    if (this.unexpected.size < 100 || this.unexpected.has(what))
      this.unexpected.set(what, (this.unexpected.get(what) ?? 0) + 1)
  }
}

function describe(error: unknown): string {
  const { message, phase, reusedSocket } = error as { message?: string; phase?: string; reusedSocket?: boolean }
  return `${message ?? ''} (phase ${phase}, reused ${reusedSocket})`
}

/** The slope of the line closest to the points. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (of: 0 | 1) => points.reduce((sum, point) => sum + point[of], 0) / points.length
  const [x, y] = [mean(0), mean(1)]
  const over = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0)
  const under = points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0)
  return under === 0 ? 0 : over / under
}
