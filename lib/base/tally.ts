/** What a tally counts; each figure is changed where the thing itself happens. */
export type Count = 'connected' | 'free' | 'pending' | 'queued' | 'running'

type Counts = Record<Count, number>

const COUNTS = ['connected', 'free', 'pending', 'queued', 'running'] as const

/** As many tallies below are kept before those of dispatchers that are gone are dropped. */
const FEW = 16

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
  /** Those that add to this one. Weak: a balancer may outlive any number of pools. */
  #children: WeakRef<Tally>[] = []
  #mostChildren = FEW

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
    const own = new Map<Tally, Counts>()
    this.#countOwn(own)
    for (const level of parent.#levels()) {
      if (known.has(level)) continue
      // What is below both may add to that level already.
      for (const [tally, counts] of own) if (!tally.addsTo(level)) level.#addAll(counts)
    }
    if (this.#parent === null) this.#parent = parent
    else this.#others = [...(this.#others ?? []), parent]
    parent.#keep(this)
  }

  /** Takes {@link attach} back. */
  detach(parent: Tally): void {
    const known = this.#levels()
    const own = new Map<Tally, Counts>()
    this.#countOwn(own)
    const parents = [this.#parent, ...(this.#others ?? [])].filter((one) => one !== parent)
    const [first = null, ...others] = parents as Tally[]
    this.#parent = first
    this.#others = others.length === 0 ? null : others
    parent.#children = parent.#children.filter((one) => one.deref() !== this)
    for (const level of known) {
      for (const [tally, counts] of own) if (!tally.addsTo(level)) level.#addAll(counts, -1)
    }
  }

  #keep(child: Tally): void {
    if (this.#children.length >= this.#mostChildren) {
      this.#children = this.#children.filter((one) => one.deref() !== undefined)
      this.#mostChildren = Math.max(FEW, 2 * this.#children.length)
    }
    this.#children.push(new WeakRef(child))
  }

  /** Adds to `own` what this one and each below counts by itself. Returns all of them. */
  #countOwn(own: Map<Tally, Counts>): Set<Tally> {
    const below = new Set<Tally>()
    for (const reference of this.#children) {
      const child = reference.deref()
      if (child !== undefined) for (const one of child.#countOwn(own)) below.add(one)
    }
    const { connected, free, pending, queued, running } = this
    const counts = { connected, free, pending, queued, running }
    for (const one of below) for (const count of COUNTS) counts[count] -= (own.get(one) as Counts)[count]
    own.set(this, counts)
    return below.add(this)
  }

  #addAll(counts: Partial<Counts>, times = 1): void {
    for (const count of COUNTS) this.#change(count, times * (counts[count] ?? 0))
  }

  /** A tally that adds to this one and to `other`, for `counts`, which this one has already. */
  with(other: Tally, counts: Partial<Counts>): Tally {
    const both = new Tally()
    both.attach(this)
    both.#addAll(counts)
    both.attach(other)
    return both
  }
}

/** Adds `counts`, which `one` has already, to `other`. Returns the tally that adds to both, where there are two. */
export function joined(one: Tally | null, other: Tally, counts: Partial<Counts>): Tally {
  if (one !== null) return one.with(other, counts)
  for (const count of COUNTS) other.add(count, counts[count] ?? 0)
  return other
}
