import t from 'tap'
import { Tally } from '../../lib/base/tally.js'

t.test('adds to all levels, what was counted before included', async (t) => {
  const top = new Tally()
  const middle = new Tally()
  const one = new Tally()
  const two = new Tally()
  one.add('running', 2)
  one.attach(middle)
  t.equal(middle.running, 2)
  middle.attach(top)
  two.attach(middle)
  two.add('running', 1)
  two.add('pending', 5)
  t.equal(top.running, 3)
  t.equal(middle.pending, 5)
  one.add('running', -2)
  t.equal(top.running, 1)
  t.equal(one.running, 0)
})

t.test('counts once in a level that several ways lead to', async (t) => {
  const top = new Tally()
  const middles = [new Tally(), new Tally()]
  for (const middle of middles) middle.attach(top)
  const one = new Tally()
  one.add('pending', 1)
  for (const middle of middles) one.attach(middle)
  for (const tally of [...middles, top]) t.equal(tally.pending, 1)
  one.add('pending', 2)
  for (const tally of [...middles, top]) t.equal(tally.pending, 3)
})
