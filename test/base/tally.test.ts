import t from 'tap'
import { Tally } from '../../lib/base/tally.js'

t.test('adds to all levels, and takes itself off them', async (t) => {
  const top = new Tally()
  const middle = new Tally(top)
  const one = new Tally(middle)
  const two = new Tally(middle)
  one.add('running', 2)
  two.add('running', 1)
  two.add('pending', 5)
  t.equal(top.running, 3)
  t.equal(middle.pending, 5)
  two.detach()
  t.equal(top.running, 2)
  t.equal(top.pending, 0)
  two.add('running', 1)
  t.equal(top.running, 2)
  t.equal(two.running, 2)
  top.detach()
})
