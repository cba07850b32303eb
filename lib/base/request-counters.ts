/** Names of the counters reported by `ClientStats` and `PoolStats`. */
export type CounterName = 'connected' | 'free' | 'pending' | 'queued' | 'running'

type CounterValues = Record<CounterName, number>

const COUNTER_NAMES = ['connected', 'free', 'pending', 'queued', 'running'] as const

/** Number of children from which references to collected ones are removed. */
const MIN_CHILDREN_BEFORE_CLEANUP = 16

/**
 * Counters of one dispatcher, which also add to the counters of its parents (client, pool, balancer). Reading the total
 * of any level is a property access.
 */
export class RequestCounters {
  connected = 0
  free = 0
  pending = 0
  queued = 0
  running = 0
  #parent: RequestCounters | null = null
  /** Parents after the first. Most dispatchers have only one. */
  #otherParents: RequestCounters[] | null = null
  /** Counters that add to these. Weak references, because a balancer may outlive any number of pools. */
  #children: WeakRef<RequestCounters>[] = []
  #cleanupThreshold = MIN_CHILDREN_BEFORE_CLEANUP

  /** Adds `difference` to one counter, here and in all ancestors. */
  add(count: CounterName, difference: number): void {
    let counters: RequestCounters | null = this
    while (counters !== null && counters.#otherParents === null) {
      counters.#change(count, difference)
      counters = counters.#parent
    }
    if (counters !== null) for (const level of counters.#withAncestors()) level.#change(count, difference)
  }

  /** Written out per counter: the lookup of `this[count]` took 3 % of a request. */
  #change(count: CounterName, difference: number): void {
    if (count === 'pending') this.pending += difference
    else if (count === 'running') this.running += difference
    else if (count === 'queued') this.queued += difference
    else if (count === 'free') this.free += difference
    else this.connected += difference
  }

  /** Returns these counters and all their ancestors. Each occurs once, even if several paths lead to it. */
  #withAncestors(levels = new Set<RequestCounters>()): Set<RequestCounters> {
    levels.add(this)
    if (this.#parent !== null) this.#parent.#withAncestors(levels)
    for (const other of this.#otherParents ?? []) other.#withAncestors(levels)
    return levels
  }

  /** Whether changes of these counters are added to `counters` too. */
  addsTo(counters: RequestCounters): boolean {
    return this.#withAncestors().has(counters)
  }

  /** Adds the current values to a new parent and its ancestors, and every later change. Each level counts them once. */
  attach(parent: RequestCounters): void {
    const known = this.#withAncestors()
    if (known.has(parent)) return
    const own = new Map<RequestCounters, CounterValues>()
    this.#collectOwnCounts(own)
    for (const level of parent.#withAncestors()) {
      if (known.has(level)) continue
      // A descendant may add to that level already by another path.
      for (const [counters, counts] of own) if (!counters.addsTo(level)) level.#addValues(counts)
    }
    if (this.#parent === null) this.#parent = parent
    else this.#otherParents = [...(this.#otherParents ?? []), parent]
    parent.#addChild(this)
  }

  /** Reverts {@link attach}. */
  detach(parent: RequestCounters): void {
    const known = this.#withAncestors()
    const own = new Map<RequestCounters, CounterValues>()
    this.#collectOwnCounts(own)
    const parents = [this.#parent, ...(this.#otherParents ?? [])].filter((one) => one !== parent)
    const [first = null, ...others] = parents as RequestCounters[]
    this.#parent = first
    this.#otherParents = others.length === 0 ? null : others
    parent.#children = parent.#children.filter((one) => one.deref() !== this)
    for (const level of known) {
      for (const [counters, counts] of own) if (!counters.addsTo(level)) level.#addValues(counts, -1)
    }
  }

  #addChild(child: RequestCounters): void {
    if (this.#children.length >= this.#cleanupThreshold) {
      this.#children = this.#children.filter((one) => one.deref() !== undefined)
      this.#cleanupThreshold = Math.max(MIN_CHILDREN_BEFORE_CLEANUP, 2 * this.#children.length)
    }
    this.#children.push(new WeakRef(child))
  }

  /** Stores in `own` what these counters and each descendant count by themselves. Returns the set of all of them. */
  #collectOwnCounts(own: Map<RequestCounters, CounterValues>): Set<RequestCounters> {
    const below = new Set<RequestCounters>()
    for (const reference of this.#children) {
      const child = reference.deref()
      if (child !== undefined) for (const one of child.#collectOwnCounts(own)) below.add(one)
    }
    const { connected, free, pending, queued, running } = this
    const counts = { connected, free, pending, queued, running }
    for (const one of below) for (const count of COUNTER_NAMES) counts[count] -= (own.get(one) as CounterValues)[count]
    own.set(this, counts)
    return below.add(this)
  }

  #addValues(counts: Partial<CounterValues>, times = 1): void {
    for (const count of COUNTER_NAMES) this.#change(count, times * (counts[count] ?? 0))
  }

  /** Returns new counters that add to these and to `other`. `counts`: what these already contain and `other` does not. */
  combinedWith(other: RequestCounters, counts: Partial<CounterValues>): RequestCounters {
    const both = new RequestCounters()
    both.attach(this)
    both.#addValues(counts)
    both.attach(other)
    return both
  }
}

/** Adds `counts`, which `one` already contains, to `other`. Returns counters that add to both, or `other` if `one` is null. */
export function combineCounters(
  one: RequestCounters | null,
  other: RequestCounters,
  counts: Partial<CounterValues>,
): RequestCounters {
  if (one !== null) return one.combinedWith(other, counts)
  for (const count of COUNTER_NAMES) other.add(count, counts[count] ?? 0)
  return other
}
