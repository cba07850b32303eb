import t from 'tap'
import { combineCounters, RequestCounters } from '../../lib/base/request-counters.js'

t.test('attach adds the current values and later changes to all ancestors', async (t) => {
  const top = new RequestCounters()
  const middle = new RequestCounters()
  const one = new RequestCounters()
  const two = new RequestCounters()
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

t.test('counts once in an ancestor that several paths lead to', async (t) => {
  const top = new RequestCounters()
  const middles = [new RequestCounters(), new RequestCounters()]
  for (const middle of middles) middle.attach(top)
  const one = new RequestCounters()
  one.add('pending', 1)
  for (const middle of middles) one.attach(middle)
  for (const tally of [...middles, top]) t.equal(tally.pending, 1)
  one.add('pending', 2)
  for (const tally of [...middles, top]) t.equal(tally.pending, 3)
})

const COUNTED = { connected: 1, free: 0, pending: 2, queued: 0, running: 3 }

t.test('counts shared children once when both parents are attached to a third level later', async (t) => {
  const middles = [new RequestCounters(), new RequestCounters()] as const
  const [one, other] = middles
  one.add('pending', 5)
  let shared = combineCounters(null, one, COUNTED)
  shared = combineCounters(shared, other, COUNTED)
  other.add('running', 4)
  const top = new RequestCounters()
  const highest = new RequestCounters()
  top.attach(highest)
  for (const middle of middles) middle.attach(top)
  for (const tally of [top, highest]) t.match(tally, { connected: 1, free: 0, pending: 7, queued: 0, running: 7 })
  shared.add('running', -3)
  shared.add('connected', -1)
  for (const tally of [top, highest]) t.match(tally, { connected: 0, pending: 7, running: 4 })
})

t.test('counts children shared at several levels once', async (t) => {
  const pools = [new RequestCounters(), new RequestCounters(), new RequestCounters()] as const
  let client: RequestCounters | null = null
  for (const pool of pools) client = combineCounters(client, pool, COUNTED)
  const balancers = [new RequestCounters(), new RequestCounters()] as const
  pools[0].attach(balancers[0])
  pools[1].attach(balancers[0])
  pools[1].attach(balancers[1])
  pools[2].attach(balancers[1])
  const top = new RequestCounters()
  for (const balancer of balancers) balancer.attach(top)
  for (const tally of [...pools, ...balancers, top]) t.match(tally, COUNTED)
  client?.add('pending', -2)
  for (const tally of [...pools, ...balancers, top]) t.match(tally, { ...COUNTED, pending: 0 })
})

t.test('totals stay correct while children are attached and collected', async (t) => {
  const top = new RequestCounters()
  const children: RequestCounters[] = []
  for (let i = 0; i < 100; i++) {
    const child = new RequestCounters()
    child.add('free', 1)
    child.attach(top)
    children.push(child)
  }
  const highest = new RequestCounters()
  top.attach(highest)
  t.equal(highest.free, 100)
  for (const child of children) child.attach(highest)
  t.equal(highest.free, 100)
  for (const child of children) child.add('free', -1)
  t.equal(highest.free, 0)
})

t.test('detach subtracts from the parent and from ancestors without another path', async (t) => {
  const top = new RequestCounters()
  const middles = [new RequestCounters(), new RequestCounters()] as const
  for (const middle of middles) middle.attach(top)
  const one = new RequestCounters()
  const below = new RequestCounters()
  below.attach(one)
  below.attach(middles[1])
  for (const middle of middles) one.attach(middle)
  one.add('running', 2)
  below.add('running', 1)
  middles[1].add('pending', 4)
  one.detach(middles[0])
  t.match(middles[0], { running: 0 })
  for (const tally of [middles[1], top]) t.match(tally, { running: 3, pending: 4 })
  one.add('running', 1)
  one.detach(middles[1])
  for (const tally of [middles[1], top]) t.match(tally, { running: 1, pending: 4 })
  one.add('running', 1)
  for (const tally of [middles[1], top]) t.match(tally, { running: 1, pending: 4 })
  one.attach(middles[0])
  for (const tally of [middles[0], one]) t.match(tally, { running: 5 })
  t.match(top, { running: 5, pending: 4 })
})

t.test('after detach of a child, only the remaining values are added to new parents', async (t) => {
  const middle = new RequestCounters()
  const one = new RequestCounters()
  one.attach(middle)
  one.add('queued', 2)
  middle.add('queued', 3)
  one.detach(middle)
  t.match(middle, { queued: 3 })
  const top = new RequestCounters()
  one.attach(top)
  middle.attach(top)
  t.match(top, { queued: 5 })
  one.add('queued', -2)
  t.match([middle, top], [{ queued: 3 }, { queued: 3 }])
})

t.test('counts each child once in a level that the child joins before its parent does', async (t) => {
  const middle = new RequestCounters()
  const top = new RequestCounters()
  const children = Array.from({ length: 100 }, () => new RequestCounters())
  for (const child of children) {
    child.add('running', 1)
    child.attach(middle)
    child.attach(top)
  }
  middle.attach(top)
  t.match([middle, top], [{ running: 100 }, { running: 100 }])
  for (const child of children) child.detach(top)
  t.match([middle, top], [{ running: 100 }, { running: 100 }])
  for (const child of children) child.detach(middle)
  t.match([middle, top], [{ running: 0 }, { running: 0 }])
})
