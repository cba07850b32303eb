/** Which drains are due: those of an Agent by origin. */
export class Drains {
  readonly #byOrigin: boolean
  readonly #due = new Set<string>()
  /** How often an Agent was busy with an origin, less the drains: its pools come and go, and each has its own. */
  readonly #refusals = new Map<string, number>()

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

  /** One came. Returns whether it was due. */
  came(origin: string): boolean {
    const whose = this.#byOrigin ? origin : ''
    const refusals = this.#refusals.get(whose) ?? 0
    this.#refusals.set(whose, Math.max(0, refusals - 1))
    return this.#due.delete(whose) || (this.#byOrigin && refusals > 0)
  }
}
