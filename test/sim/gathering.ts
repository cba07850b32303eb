/** Requests that servers answer when all of them have come, and the connections on which they came. */
export class Gathering {
  readonly #all = new Set<number>()
  readonly #missing = new Set<number>()
  readonly #used = new Set<string>()
  #answers: (() => void)[] = []

  add(id: number): void {
    this.#all.add(id)
    this.#missing.add(id)
  }

  /** Request `id` came to the server of `connection`. */
  came(id: number, connection: string): void {
    if (!this.#all.has(id)) return
    this.#used.add(connection)
    this.drop(id)
  }

  /** The others do not wait for request `id`. */
  drop(id: number): void {
    this.#missing.delete(id)
    if (this.#missing.size > 0) return
    const answers = this.#answers
    this.#answers = []
    for (const answer of answers) answer()
  }

  /** Answers request `id`: at once, or when all have come. */
  hold(id: number, answer: () => void): void {
    if (this.#all.has(id) && this.#missing.size > 0) this.#answers.push(answer)
    else answer()
  }

  /** Requests that have not come. */
  get missing(): string {
    return [...this.#missing].join(', ')
  }

  used(connection: string): boolean {
    return this.#used.has(connection)
  }
}
