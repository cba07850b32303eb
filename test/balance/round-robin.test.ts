import t from 'tap'
import { RoundRobin } from '../../lib/balance/round-robin.js'
import { Heap } from '../../lib/base/heap.js'
import fc from '../property.js'

class Member {
  previous: Member | null = null
  next: Member | null = null
  queue: unknown = null
  index = -1
  hadRequests = false
  served = 0
  order = 0
  busySince = 0
  overdue = false
  given = 0
  running = 0
  capacity: number
  constructor(capacity = 1) {
    this.capacity = capacity
  }
  get busy(): boolean {
    return this.running >= this.capacity
  }
  get idle(): boolean {
    return this.running === 0
  }
}

/** A picker with members, at a time that the test sets. */
function scene(count: number, capacity = 1) {
  const time = { now: 0 }
  const turns = new RoundRobin<Member>(true, () => time.now)
  const members = Array.from({ length: count }, () => new Member(capacity))
  for (const member of members) turns.add(member)
  const give = (queued = 0) => {
    const member = turns.pick(true, queued)
    if (member === null) return null
    member.running++
    member.given++
    turns.onAssigned(member)
    return member
  }
  const end = (member: Member) => {
    const wasBusy = member.busy
    member.running--
    if (wasBusy) turns.onFree(member)
    else if (member.idle) turns.onIdle(member)
  }
  return { time, turns, members, give, end, given: () => members.map(({ given }) => given) }
}

t.test('sequential requests use each member in turn', async (t) => {
  const { give, end, members, given } = scene(10)
  const order: number[] = []
  for (let i = 0; i < 100; i++) {
    const member = give() as Member
    order.push(members.indexOf(member))
    end(member)
  }
  t.strictSame(given(), new Array(10).fill(10))
  t.strictSame(
    order.slice(0, 20),
    [...new Array(20).keys()].map((index) => index % 10),
  )
})

t.test('distributes queued requests evenly in any order of free members', async () => {
  await fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 6 }),
      fc.infiniteStream(fc.nat()),
      (count, rounds, stream) => {
        const { give, end, members, given } = scene(count)
        let queued = count * rounds
        const serve = () => {
          while (queued > 0 && give(queued) !== null) queued--
        }
        // As a pool does: the first ones find members idle.
        for (let i = 0; i < count; i++, queued--) give(0)
        while (queued > 0) {
          const running = members.filter(({ running }) => running > 0)
          if (running.length === 0) return false
          end(running[(stream.next().value as number) % running.length] as Member)
          serve()
        }
        return given().every((number) => number === rounds)
      },
    ),
  )
})

t.test('a queued request does not wait if a member has capacity', async () => {
  await fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.infiniteStream(fc.nat()), (count, stream) => {
      const { give, end, members } = scene(count, 2)
      let queued = 60
      for (let i = 0; i < 2 * count; i++) give(0)
      while (queued > 0) {
        const running = members.filter(({ running }) => running > 0)
        if (running.length === 0) return false
        const member = running[(stream.next().value as number) % running.length] as Member
        const freed = member.busy
        end(member)
        // As a pool does, which serves its queue when a busy member is free again.
        while (freed && queued > 0 && give(queued) !== null) queued--
      }
      return true
    }),
  )
})

t.test('a request that is not queued uses an idle member, not the next in turn', async (t) => {
  const { give, end, given } = scene(2)
  give()
  for (let i = 0; i < 20; i++) end(give() as Member)
  t.strictSame(given(), [1, 20])
})

t.test('queued requests wait for the next member in turn, unless it is busy for long', async (t) => {
  const { give, end, time, turns, given } = scene(2)
  give()
  const second = give() as Member
  end(second)
  end(give(0) as Member)
  t.equal(turns.pick(true, 1), null, 'waits for the other member')
  t.equal(turns.fairnessWait, 100)
  time.now = 99
  turns.endFairnessWait()
  t.equal(turns.pick(true, 1), null)
  time.now = 100
  t.equal(turns.fairnessWait, 0)
  turns.endFairnessWait()
  t.equal(turns.fairnessWait, Number.POSITIVE_INFINITY)
  for (let i = 0; i < 5; i++) end(give(1) as Member)
  t.strictSame(given(), [1, 7], 'no request waits for the busy member')
})

t.test('the busy time of a member starts when it is connected', async (t) => {
  const { give, end, time, turns, members } = scene(2)
  give()
  end(give() as Member)
  end(give() as Member)
  time.now = 90
  turns.onConnected(members[0] as Member)
  turns.onConnected(members[1] as Member)
  time.now = 150
  turns.endFairnessWait()
  t.equal(turns.pick(true, 1), null)
  t.equal(turns.fairnessWait, 40)
})

t.test('a member that was busy for long catches up within limits', async (t) => {
  for (const [missed, inRow] of [
    [5, 5],
    [1000, 32],
  ] as const) {
    const { give, end, members } = scene(2)
    const long = give() as Member
    for (let i = 0; i < missed + 1; i++) end(give() as Member)
    end(long)
    let row = 0
    for (let member = give() as Member; member === long; member = give() as Member) {
      row++
      end(member)
    }
    t.ok(Math.abs(row - inRow) <= 1, `${row} after ${missed}`)
    t.equal(members[0], long)
  }
})

t.test('picks an idle member before one with capacity', async (t) => {
  const { give, end, members } = scene(3, 4)
  const first = give() as Member
  for (let i = 0; i < 20; i++) {
    const member = give() as Member
    t.not(member, first)
    end(member)
  }
  for (let i = 0; i < 11; i++) give()
  t.strictSame(
    members.map(({ running }) => running),
    [4, 4, 4],
  )
  t.equal(give(), null)
})

t.test('supports adding and removing members', async () => {
  const step = fc.record({
    what: fc.constantFrom('give', 'give', 'end', 'join', 'leave', 'wait', 'queue'),
    index: fc.nat(5),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 3 }), (steps, capacity) => {
      const { give, end, time, turns } = scene(0)
      const all = Array.from({ length: 6 }, () => new Member(capacity))
      const there = new Set<Member>()
      for (const { what, index } of steps) {
        const one = all[index] as Member
        if (what === 'join' && !there.has(one)) {
          turns.add(one)
          there.add(one)
        } else if (what === 'leave' && there.delete(one)) {
          turns.remove(one)
          all[index] = new Member(capacity)
        } else if (what === 'end' && there.has(one) && one.running > 0) end(one)
        else if (what === 'wait') {
          time.now += 60
          turns.endFairnessWait()
        } else if (what === 'give' || what === 'queue') {
          const room = [...there].filter((member) => !member.busy)
          const idle = room.filter((member) => member.idle)
          const member = give(what === 'queue' ? 1 + index : 0)
          if (member === null) {
            if (what === 'give' && room.length > 0) return false
            continue
          }
          if (!there.has(member) || !room.includes(member)) return false
          if (idle.length > 0 && !idle.includes(member)) return false
        }
      }
      // All queued requests are served.
      time.now += 1000
      turns.endFairnessWait()
      const room = [...there].some((member) => !member.busy)
      return (turns.pick(true, 1) !== null) === room
    }),
  )
})

/** Which member is next by the documented rule, of those that are there. `late`: those that are not waited for. */
function expectedOf(there: ReadonlySet<Member>, late: ReadonlySet<Member>, queued: number): Member | null {
  const before = (a: Member, b: Member) => Number(b.idle) - Number(a.idle) || a.served - b.served || a.order - b.order
  const [first = null] = [...there].filter((member) => !member.busy).sort(before)
  const awaited = [...there].filter((member) => !late.has(member))
  if (first === null || queued === 0 || !awaited.some((member) => member.busy)) return first
  const share = (awaited.reduce((sum, { served }) => sum + served, 0) + queued) / awaited.length
  return first.served < share ? first : null
}

t.test('distributes queued requests evenly while members are added and removed', async () => {
  const step = fc.record({
    what: fc.constantFrom('give', 'queue', 'queue', 'end', 'end', 'join', 'leave', 'wait', 'row'),
    index: fc.nat(5),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 3 }), (steps, capacity) => {
      const { give, end, time, turns } = scene(0)
      const all = Array.from({ length: 6 }, () => new Member(capacity))
      const there = new Set<Member>()
      const late = new Set<Member>()
      const busySince = new Map<Member, number>()
      let turn = 0
      const leave = (one: Member) => {
        for (const kept of [there, late, busySince]) kept.delete(one)
        turns.remove(one)
      }
      for (const { what, index } of steps) {
        const one = all[index] as Member
        if (what === 'join' && !there.has(one)) {
          turns.add(one)
          there.add(one)
          if (one.served !== turn) return false
        } else if (what === 'leave' && there.has(one)) {
          leave(one)
          all[index] = new Member(capacity)
        } else if (what === 'end' && there.has(one) && one.running > 0) {
          const { served } = one
          if (one.busy) for (const kept of [late, busySince]) kept.delete(one)
          const wasBusy = one.busy
          end(one)
          if (one.served !== (wasBusy ? Math.max(served, turn - 32) : served)) return false
        } else if (what === 'wait') {
          time.now += 60
          turns.endFairnessWait()
          for (const [member, since] of busySince) if (since <= time.now - 100) late.add(member)
        } else if (what === 'row') {
          for (let i = 0; i < 40; i++) {
            const member = give()
            if (member === null) break
            turn = Math.max(turn, member.served - 1)
            end(member)
          }
        } else if (what === 'give' || what === 'queue') {
          const queued = what === 'queue' ? 1 + index : 0
          const expected = expectedOf(there, late, queued)
          const before = expected?.served ?? 0
          if (give(queued) !== expected) return false
          if (expected === null) continue
          turn = Math.max(turn, before)
          if (expected.busy) busySince.set(expected, time.now)
        }
      }
      return true
    }),
  )
})

t.test('a heap returns its elements in order after any changes', async () => {
  const step = fc.record({ what: fc.constantFrom('place', 'remove', 'move'), index: fc.nat(20), key: fc.nat(50) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const heap = new Heap<{ index: number; key: number }>((a, b) => a.key < b.key)
      const nodes = Array.from({ length: 21 }, (_, key) => ({ index: -1, key }))
      const inside = new Set<(typeof nodes)[number]>()
      for (const { what, index, key } of steps) {
        const node = nodes[index] as (typeof nodes)[number]
        if (what === 'remove') {
          heap.remove(node)
          inside.delete(node)
        } else if (what === 'place' || inside.has(node)) {
          node.key = key
          heap.insertOrMove(node)
          inside.add(node)
        }
        if (heap.size !== inside.size || [...heap].length !== inside.size) return false
      }
      const order: number[] = []
      for (let { first } = heap; first !== null; first = heap.first) {
        order.push(first.key)
        heap.remove(first)
      }
      return order.every((key, index) => index === 0 || (order[index - 1] as number) <= key)
    }),
  )
})
