import t from 'tap'
import { Queue, type QueueNode } from '../../lib/base/queue.js'
import fc from '../property.js'

class Node implements QueueNode<Node> {
  previous: Node | null = null
  next: Node | null = null
  queue: unknown = null
}

t.test('behaves like an array, for random operations', async (t) => {
  const step = fc.oneof(
    fc.constant('push' as const),
    fc.constant('unshift' as const),
    fc.constant('shift' as const),
    fc.nat({ max: 20 }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const queue = new Queue<Node>()
      const model: Node[] = []
      for (const what of steps) {
        if (what === 'push') {
          const node = new Node()
          queue.push(node)
          model.push(node)
        } else if (what === 'unshift') {
          const node = new Node()
          queue.unshift(node)
          model.unshift(node)
        } else if (what === 'shift') {
          if (queue.shift() !== (model.shift() ?? null)) return false
        } else {
          const node = model[what % Math.max(1, model.length)]
          if (node !== undefined) {
            model.splice(model.indexOf(node), 1)
            if (!queue.remove(node) || queue.remove(node)) return false
          }
        }
        const ends = queue.head === (model[0] ?? null) && queue.tail === (model.at(-1) ?? null)
        if (!ends || queue.size !== model.length) return false
      }
      return [...queue].every((node, index) => node === model[index])
    }),
  )
  const queue = new Queue<Node>()
  const node = new Node()
  queue.push(node)
  t.throws(() => new Queue<Node>().push(node), /already in a queue/)
  t.equal(new Queue<Node>().remove(node), false)
})
