/** Tracks expected `drain` events, by origin for an Agent. */
export class Drains {
  readonly #byOrigin: boolean
  readonly #due = new Set<string>()
  /** Number of times that `dispatch` returned false. */
  readonly #refusals = new Map<string, number>()
  /** The same at the last drain of a pool. An Agent replaces closed pools, and each emits its own drain. */
  readonly #drained = new Map<unknown, number>()

  constructor(byOrigin: boolean) {
    this.#byOrigin = byOrigin
  }

  /** Whether expected drains are missing. */
  get pending(): boolean {
    return this.#due.size > 0
  }

  /** Records that `dispatch` returned false. */
  refused(origin: string): void {
    const key = this.#byOrigin ? origin : ''
    this.#due.add(key)
    this.#refusals.set(key, (this.#refusals.get(key) ?? 0) + 1)
  }

  /** Records a drain with its `targets`, the dispatcher first. Returns whether it was expected. */
  drained(origin: string, targets: readonly unknown[]): boolean {
    const key = this.#byOrigin ? origin : ''
    const source = (this.#byOrigin ? targets[1] : null) ?? key
    const refusals = this.#refusals.get(key) ?? 0
    const due = refusals > (this.#drained.get(source) ?? 0)
    this.#drained.set(source, refusals)
    this.#due.delete(key)
    return due
  }
}
