import type { Dispatcher } from '../../lib/index.js'

/** Counts outcomes of operations and collects problems. */
export class SoakResults {
  sent = 0
  answered = 0
  /** Number of dispatchers that served a request on each of their connections. */
  probes = 0
  readonly failed = new Map<string, number>()
  /** Problems and how often each occurred: unexpected failures, and dispatchers that did not become idle. */
  readonly unexpected = new Map<string, number>()

  /** Errors that must still be reported as uncaught exceptions, once each. */
  readonly #expectedUncaught = new Set<unknown>()

  /** Returns an error for a listener to throw. */
  toBeUncaught(): Error {
    const error = new Error('thrown by a listener')
    this.#expectedUncaught.add(error)
    return error
  }

  /** Records an uncaught exception. */
  uncaught(error: Error): void {
    if (!this.#expectedUncaught.delete(error)) this.addProblem(`uncaught: ${error.stack}`)
  }

  /** Reports a problem unless all errors of {@link toBeUncaught} were uncaught exceptions. */
  checkUncaught(): void {
    if (this.#expectedUncaught.size > 0)
      this.addProblem(`${this.#expectedUncaught.size} exceptions of listeners were not reported`)
    this.#expectedUncaught.clear()
  }

  /** Reports a problem if a closed dispatcher counts requests or connections. */
  checkStats(dispatcher: Dispatcher, name: string): void {
    const stats = JSON.stringify((dispatcher as { stats?: unknown }).stats ?? {})
    if (/:(?!0|false|\{)/.test(stats.replace(/"[^"]*":/g, ':')))
      this.addProblem(`${name} has these stats after close: ${stats}`)
  }

  get failures(): number {
    return [...this.failed.values()].reduce((sum, count) => sum + count, 0)
  }

  fail(error: unknown, expected: (code: string) => boolean, where: string): void {
    const code = String((error as { code?: unknown })?.code ?? error)
    this.failed.set(code, (this.failed.get(code) ?? 0) + 1)
    if (!expected(code)) this.addProblem(`${where}: ${code} ${describe(error)}`)
  }

  addProblem(problem: string): void {
    // A problem that occurs a million times is counted in one line, and at most 100 different problems are kept.
    if (this.unexpected.size < 100 || this.unexpected.has(problem))
      this.unexpected.set(problem, (this.unexpected.get(problem) ?? 0) + 1)
  }
}

function describe(error: unknown): string {
  const { message, phase, reusedSocket } = error as { message?: string; phase?: string; reusedSocket?: boolean }
  return `${message ?? ''} (phase ${phase}, reused ${reusedSocket})`
}

/** Returns the slope of the least-squares line through the points. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (of: 0 | 1) => points.reduce((sum, point) => sum + point[of], 0) / points.length
  const [x, y] = [mean(0), mean(1)]
  const over = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0)
  const under = points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0)
  return under === 0 ? 0 : over / under
}
