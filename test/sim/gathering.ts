/** Requests whose responses are delayed until all have arrived, and their connections. */
export class Gathering {
  readonly #all = new Set<number>()
  readonly #missing = new Set<number>()
  readonly #used = new Set<string>()
  #answers: (() => void)[] = []

  add(id: number): void {
    this.#all.add(id)
    this.#missing.add(id)
  }

  /** Records that request `id` arrived on `connection`. */
  arrived(id: number, connection: string): void {
    if (!this.#all.has(id)) return
    this.#used.add(connection)
    this.drop(id)
  }

  /** Removes request `id`: the others do not wait for it. */
  drop(id: number): void {
    this.#missing.delete(id)
    if (this.#missing.size > 0) return
    const answers = this.#answers
    this.#answers = []
    for (const answer of answers) answer()
  }

  /** Calls `answer` for request `id` at once, or when all have arrived. */
  hold(id: number, answer: () => void): void {
    if (this.#all.has(id) && this.#missing.size > 0) this.#answers.push(answer)
    else answer()
  }

  /** Returns the requests that have not arrived. */
  get missing(): string {
    return [...this.#missing].join(', ')
  }

  used(connection: string): boolean {
    return this.#used.has(connection)
  }
}
