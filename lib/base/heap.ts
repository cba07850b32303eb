/** Element of a {@link Heap}. It stores its own index, so that it is moved or removed in logarithmic time. */
export interface HeapNode {
  /** Index in the heap, maintained by {@link Heap}; -1 if in none. */
  index: number
}

/** Binary heap whose order is given by a function. An element can be in one heap at a time. */
export class Heap<T extends HeapNode> {
  readonly #nodes: T[] = []
  readonly #isBefore: (a: T, b: T) => boolean

  constructor(before: (a: T, b: T) => boolean) {
    this.#isBefore = before
  }

  get size(): number {
    return this.#nodes.length
  }

  get first(): T | null {
    return this.#nodes[0] ?? null
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#nodes.values()
  }

  /** Inserts a node, or moves one whose order has changed. */
  insertOrMove(node: T): void {
    if (node.index < 0) node.index = this.#nodes.push(node) - 1
    this.#siftUp(node)
    this.#siftDown(node)
  }

  remove(node: T): void {
    const { index } = node
    if (index < 0) return
    const last = this.#nodes.pop() as T
    node.index = -1
    if (last === node) return
    last.index = index
    this.#nodes[index] = last
    this.insertOrMove(last)
  }

  #siftUp(node: T): void {
    const nodes = this.#nodes
    let { index } = node
    while (index > 0) {
      const above = nodes[(index - 1) >> 1] as T
      if (!this.#isBefore(node, above)) break
      nodes[index] = above
      above.index = index
      index = (index - 1) >> 1
    }
    nodes[index] = node
    node.index = index
  }

  #siftDown(node: T): void {
    const nodes = this.#nodes
    let { index } = node
    for (;;) {
      let child = 2 * index + 1
      if (child >= nodes.length) break
      if (child + 1 < nodes.length && this.#isBefore(nodes[child + 1] as T, nodes[child] as T)) child++
      const below = nodes[child] as T
      if (!this.#isBefore(below, node)) break
      nodes[index] = below
      below.index = index
      index = child
    }
    nodes[index] = node
    node.index = index
  }
}
