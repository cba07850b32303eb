/** Which drains are due: those of an Agent by origin. */
export class Drains {
  readonly #byOrigin: boolean
  readonly #due = new Set<string>()
  /** How often `dispatch` said that it is busy. */
  readonly #refusals = new Map<string, number>()
  /** The same when a pool drained last. An Agent replaces those that are closed, and each has a drain of its own. */
  readonly #drained = new Map<unknown, number>()

  constructor(byOrigin: boolean) {
    this.#byOrigin = byOrigin
  }

  /** Some have not come. */
  get pending(): boolean {
    return this.#due.size > 0
  }

  /** `dispatch` said that it is busy. */
  refused(origin: string): void {
    const whose = this.#byOrigin ? origin : ''
    this.#due.add(whose)
    this.#refusals.set(whose, (this.#refusals.get(whose) ?? 0) + 1)
  }

  /** One came, of `targets`, the dispatcher first. Returns whether it was due. */
  came(origin: string, targets: readonly unknown[]): boolean {
    const whose = this.#byOrigin ? origin : ''
    const source = (this.#byOrigin ? targets[1] : null) ?? whose
    const refusals = this.#refusals.get(whose) ?? 0
    const due = refusals > (this.#drained.get(source) ?? 0)
    this.#drained.set(source, refusals)
    this.#due.delete(whose)
    return due
  }
}
