/** What a tally counts; each figure is changed where the thing itself happens. */
export type Count = 'connected' | 'free' | 'pending' | 'queued' | 'running'

const COUNTS = ['connected', 'free', 'pending', 'queued', 'running'] as const

/** Counters of one level that also add to those of the levels above: reading any level costs nothing. */
export class Tally {
  connected = 0
  free = 0
  pending = 0
  queued = 0
  running = 0
  #parent: Tally | null = null
  /** Parents but the first: most have one. */
  #others: Tally[] | null = null

  add(count: Count, difference: number): void {
    let tally: Tally | null = this
    while (tally !== null && tally.#others === null) {
      tally.#change(count, difference)
      tally = tally.#parent
    }
    if (tally !== null) for (const level of tally.#levels()) level.#change(count, difference)
  }

  /** Spelled out: `this[count]` looks the name up each time, which was 3 % of a request. */
  #change(count: Count, difference: number): void {
    if (count === 'pending') this.pending += difference
    else if (count === 'running') this.running += difference
    else if (count === 'queued') this.queued += difference
    else if (count === 'free') this.free += difference
    else this.connected += difference
  }

  /** This one and all above, each once: the ways to one of them may be several. */
  #levels(levels = new Set<Tally>()): Set<Tally> {
    levels.add(this)
    if (this.#parent !== null) this.#parent.#levels(levels)
    for (const other of this.#others ?? []) other.#levels(levels)
    return levels
  }

  /** Whether what is counted here is counted in `tally` too. */
  addsTo(tally: Tally): boolean {
    return this.#levels().has(tally)
  }

  /** Adds all that is counted here to the level above, and every change from now on. Once for each level. */
  attach(parent: Tally): void {
    const known = this.#levels()
    if (known.has(parent)) return
    if (this.#parent === null) this.#parent = parent
    else this.#others = [...(this.#others ?? []), parent]
    for (const level of parent.#levels()) {
      if (!known.has(level)) for (const count of COUNTS) level.#change(count, this[count])
    }
  }
}

/** Adds `counts`, which `one` has already, to `other`. Returns the tally that adds to both, where there are two. */
export function joined(one: Tally | null, other: Tally, counts: Partial<Record<Count, number>>): Tally {
  const both = new Tally()
  if (one !== null) both.attach(one)
  Object.assign(both, counts)
  both.attach(other)
  return one === null ? other : both
}
