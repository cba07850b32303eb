/** What a tally counts; each figure is changed where the thing itself happens. */
export type Count = 'connected' | 'free' | 'pending' | 'queued' | 'running'

/** Counters of one level that also add to those of the level above: reading any level costs nothing. */
export class Tally {
  connected = 0
  free = 0
  pending = 0
  queued = 0
  running = 0
  #parent: Tally | null

  constructor(parent: Tally | null = null) {
    this.#parent = parent
  }

  add(count: Count, difference: number): void {
    let tally: Tally | null = this
    while (tally !== null) {
      tally[count] += difference
      tally = tally.#parent
    }
  }

  /** Takes all that is counted here off the levels above, which hear of no later change. */
  detach(): void {
    const parent = this.#parent
    this.#parent = null
    if (parent === null) return
    for (const count of ['connected', 'free', 'pending', 'queued', 'running'] as const) parent.add(count, -this[count])
  }
}
