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
    while (tally !== null) {
      tally.#change(count, difference)
      if (tally.#others !== null) for (const other of tally.#others) other.add(count, difference)
      tally = tally.#parent
    }
  }

  /** Spelled out: `this[count]` looks the name up each time, which was 3 % of a request. */
  #change(count: Count, difference: number): void {
    if (count === 'pending') this.pending += difference
    else if (count === 'running') this.running += difference
    else if (count === 'queued') this.queued += difference
    else if (count === 'free') this.free += difference
    else this.connected += difference
  }

  /** Whether what is counted here is counted in `tally` too. */
  addsTo(tally: Tally): boolean {
    if (tally === this || this.#parent?.addsTo(tally)) return true
    return this.#others?.some((other) => other.addsTo(tally)) === true
  }

  /** Adds all that is counted here to the level above, and every change from now on. Once for each level. */
  attach(parent: Tally): void {
    if (this.addsTo(parent)) return
    if (this.#parent === null) this.#parent = parent
    else this.#others = [...(this.#others ?? []), parent]
    for (const count of COUNTS) parent.add(count, this[count])
  }
}

/** Adds to both, where there are two. */
export function joined(one: Tally | null, other: Tally): Tally {
  if (one === null) return other
  const both = new Tally()
  both.attach(one)
  both.attach(other)
  return both
}
