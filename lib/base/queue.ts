/** Element of a {@link Queue}. It stores its own links, so that queueing allocates nothing and removal is O(1). */
export interface QueueNode<T> {
  previous: T | null
  next: T | null
  /** The queue that contains the element; null if in none. */
  queue: unknown
}

/** Doubly linked FIFO queue. An element can be in one queue at a time. */
export class Queue<T extends QueueNode<T>> {
  #head: T | null = null
  #tail: T | null = null
  #size = 0

  get size(): number {
    return this.#size
  }

  get head(): T | null {
    return this.#head
  }

  get tail(): T | null {
    return this.#tail
  }

  push(node: T): void {
    this.#markQueued(node)
    node.previous = this.#tail
    if (this.#tail === null) this.#head = node
    else this.#tail.next = node
    this.#tail = node
  }

  /** Inserts an element at the head. */
  unshift(node: T): void {
    this.#markQueued(node)
    node.next = this.#head
    if (this.#head === null) this.#tail = node
    else this.#head.previous = node
    this.#head = node
  }

  shift(): T | null {
    const node = this.#head
    if (node !== null) this.remove(node)
    return node
  }

  /** Removes an element. Returns false if it is not in this queue. */
  remove(node: T): boolean {
    if (node.queue !== this) return false
    const { previous, next } = node
    if (previous === null) this.#head = next
    else previous.next = next
    if (next === null) this.#tail = previous
    else next.previous = previous
    node.previous = null
    node.next = null
    node.queue = null
    this.#size--
    return true
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let node = this.#head; node !== null; node = node.next) yield node
  }

  #markQueued(node: T): void {
    if (node.queue !== null) throw new Error('the element is already in a queue')
    node.queue = this
    this.#size++
  }
}
