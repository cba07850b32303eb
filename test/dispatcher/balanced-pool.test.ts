import t from 'tap'
import { type WeightedEntry, WeightedRoundRobin } from '../../lib/balance/weighted-round-robin.js'
import { BalancedPool, Client, type Dispatcher, errors, HealthCheck, Pool } from '../../lib/index.js'
import fc from '../property.js'
import { event, httpOrigin, type Origin, onRequests, rawOrigin, response } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'

const get = { path: '/health', method: 'GET' }
const none = { connected: 0, free: 0, pending: 0, queued: 0, running: 0, size: 0 }

async function backends(count: number): Promise<{ origins: Origin[]; served: number[]; close(): Promise<void> }> {
  const served = new Array(count).fill(0)
  const origins = await Promise.all(
    served.map((_, index) =>
      httpOrigin((_request, reply) => {
        served[index]++
        reply.end(String(index))
      }),
    ),
  )
  return { origins, served, close: async () => void (await Promise.all(origins.map((origin) => origin.close()))) }
}

async function ask(pool: Dispatcher): Promise<string> {
  return (await pool.request(get)).body.text()
}

t.test('distributes nine concurrent requests evenly over three upstreams', async (t) => {
  const { origins, served, close } = await backends(3)
  const pool = new BalancedPool(origins.map(({ url }) => url))
  const responses = await Promise.all(Array.from({ length: 9 }, () => pool.request(get)))
  await Promise.all(responses.map(({ body }) => body.dump()))
  t.strictSame(served, [3, 3, 3])
  for (let i = 0; i < 9; i++) await ask(pool)
  t.strictSame(served, [6, 6, 6])
  t.match({ ...pool.stats }, { running: 0, pending: 0, size: 0, connected: 9 })
  await pool.close()
  t.strictSame({ ...pool.stats }, none)
  await close()
})

t.test('adds and removes upstreams', async (t) => {
  const { origins, served, close } = await backends(3)
  const [one, two, three] = origins.map(({ url }) => url) as [string, string, string]
  const pool = new BalancedPool(one)
  t.equal(pool.addUpstream(two).addUpstream(new URL(three)).addUpstream(two), pool)
  t.strictSame(pool.upstreams, [one, two, three])
  t.ok(pool.getUpstream(one) instanceof Pool)
  const before = Array.from({ length: 30 }, () => ask(pool))
  t.equal(pool.removeUpstream(one).removeUpstream(one), pool)
  t.equal(pool.getUpstream(one), undefined)
  t.equal((await Promise.all(before)).length, 30, 'requests in flight complete')
  t.strictSame(served, [10, 10, 10])
  await Promise.all(Array.from({ length: 10 }, () => ask(pool)))
  t.strictSame(served, [10, 15, 15])
  pool.removeUpstream(two).removeUpstream(three)
  await t.rejects(ask(pool), { code: 'UND_ERR_BPL_MISSING_UPSTREAM', name: 'MissingUpstreamError' })
  await pool.close()
  await close()
})

t.test('removes an upstream whose pool was closed or destroyed by the caller', async (t) => {
  const { origins, served, close } = await backends(3)
  const [one, two, three] = origins.map(({ url }) => url) as [string, string, string]
  const pool = new BalancedPool([one, two, three])
  await pool.getUpstream(one)?.destroy()
  t.equal(pool.getUpstream(one), undefined)
  await pool.getUpstream(two)?.close()
  t.strictSame(pool.upstreams, [three])
  await Promise.all(Array.from({ length: 4 }, () => ask(pool)))
  t.strictSame(served, [0, 0, 4])
  await pool.close()
  await close()
})

t.test('reduces the weight of a failing upstream and restores it', async (t) => {
  const { origins, served, close } = await backends(2)
  const dead = await rawOrigin(() => {})
  await dead.close()
  let port = dead.port
  const pool = new BalancedPool([origins[0]?.url as string, 'http://flaky.test'], {
    factory: (url, options) =>
      new Pool(url, {
        ...options,
        pipelining: 0,
        connect: (target, callback) => {
          const where = url.hostname === 'flaky.test' ? port : Number(target.port)
          import('node:net').then(({ default: net }) => {
            const socket = net.connect(where, '127.0.0.1')
            socket
              .once('connect', () => callback(null, socket))
              .once('error', (error) => callback(error, null as never))
          })
        },
      }),
  })
  const errors: Error[] = []
  pool.on('connectionError', (_origin, _targets, error) => errors.push(error))
  let failures = 0
  for (let i = 0; i < 200; i++) await ask(pool).catch(() => failures++)
  t.ok(failures > 1 && failures < 40, `${failures} of 200 requests were sent to the closed upstream`)
  t.equal(errors.length, failures)
  port = origins[1]?.port as number
  served.fill(0)
  for (let i = 0; i < 400; i++) await ask(pool)
  const share = served[1] as number
  t.ok(share > 80, `${share} of the next 400 requests were sent to the recovered upstream`)
  served.fill(0)
  for (let i = 0; i < 100; i++) await ask(pool)
  t.strictSame(served, [50, 50], 'then the recovered upstream gets half of the requests')
  await pool.close()
  await close()
})

t.test('dispatch returns true when the request closes the pool or removes the upstream', async (t) => {
  const { origins, close } = await backends(2)
  const [one, two] = origins.map(({ url }) => url) as [string, string]
  const pool = new BalancedPool([one, two], { connections: 1 })
  const leaving = Object.assign(new Recorder(), { onRequestQueued: () => void pool.removeUpstream(one) })
  t.equal(pool.dispatch(get, leaving), true, 'the other upstream has capacity')
  const [busy, closing] = [new Recorder(), new Recorder()]
  t.equal(pool.dispatch(get, busy), false, 'the only upstream is busy')
  let drains = 0
  pool.on('drain', () => drains++)
  Object.assign(closing, { onRequestQueued: () => void pool.close() })
  t.equal(pool.dispatch(get, closing), true)
  t.equal(drains, 1, 'one drain for the earlier dispatch')
  await Promise.all([leaving, busy, closing].map(({ ended }) => ended))
  await pool.close()
  await close()
})

t.test('emits drain and other events, checks options, closes and destroys', async (t) => {
  const { origins, close } = await backends(2)
  const urls = origins.map(({ url }) => url)
  const pool = new BalancedPool(urls, { connections: 1 })
  const connected = event<[URL, object[]]>(pool, 'connect')
  let drains = 0
  pool.on('drain', () => drains++)
  const recorders = [1, 2, 3].map(() => new Recorder())
  t.strictSame(
    recorders.map((recorder) => pool.dispatch(get, recorder)),
    [true, false, false],
  )
  t.equal((await connected)[1][0], pool)
  await Promise.all(recorders.map(({ ended }) => ended))
  await new Promise(setImmediate)
  t.equal(drains, 1)
  for (const options of [null, { factory: 1 }, { maxWeightPerServer: 0 }, { errorPenalty: 'x' }, { connections: -1 }]) {
    t.throws(() => new BalancedPool([], options as never), { code: 'UND_ERR_INVALID_ARG' }, JSON.stringify(options))
  }
  t.throws(() => new BalancedPool('http://x/path'), { code: 'UND_ERR_INVALID_ARG' })
  t.throws(() => new BalancedPool('http://x', { factory: () => null as never }), { code: 'UND_ERR_INVALID_ARG' })
  const running = ask(pool)
  await pool.close()
  t.match(await running, /^\d$/)
  await t.rejects(ask(pool), { code: 'UND_ERR_DESTROYED' })
  const hanging = await rawOrigin((socket) => onRequests(socket, () => {}))
  const dying = new BalancedPool(hanging.url)
  const victim = ask(dying)
  await event(dying, 'connect')
  await Promise.all([t.rejects(victim, { code: 'UND_ERR_DESTROYED' }), dying.destroy()])
  await hanging.close()
  const composed = await rawOrigin((socket) =>
    onRequests(socket, () => socket.end(response('x', { connection: 'close' }))),
  )
  const wrapped = new BalancedPool(composed.url, {
    factory: (url, options) => new Pool(url, options).compose((d) => d),
  })
  const disconnected = event(wrapped, 'disconnect')
  await ask(wrapped)
  await disconnected
  await wrapped.close()
  await composed.close()
  await close()
})

t.test('statistics equal a count of all upstreams after any change', async (_t) => {
  const held: (() => void)[] = []
  const origins = await Promise.all(
    [1, 2].map(() => rawOrigin((socket) => onRequests(socket, () => held.push(() => socket.write(response('ok')))))),
  )
  const dead = await rawOrigin(() => {})
  await dead.close()
  const urls = [...origins.map(({ url }) => url), dead.url]
  const step = fc.oneof(
    fc.constantFrom('dispatch', 'dispatch', 'dispatch', 'answer', 'abort', 'drop', 'turn', 'turn', 'close'),
    fc.record({ change: fc.constantFrom('add', 'remove'), upstream: fc.nat(2) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.boolean(), async (steps, expiring) => {
      held.length = 0
      const clients: Client[] = []
      const pool = new BalancedPool(urls, {
        connections: 2,
        pipelining: 2,
        clientTtl: expiring ? 1 : null,
        factory: (url, options) =>
          new Pool(url, {
            ...options,
            factory: (origin, own) => {
              const client = new Client(origin, own)
              clients.push(client)
              return client
            },
          }),
      })
      const open: Recorder[] = []
      const consistent = () => {
        const { connected, free, pending, queued, running, size } = pool.stats
        const walk = { connected: 0, free: 0, pending: 0, running: 0 }
        for (const { stats } of clients) {
          walk.connected += stats.connected ? 1 : 0
          walk.free += stats.connected && stats.running === 0 ? 1 : 0
          walk.pending += stats.pending
          walk.running += stats.running
        }
        const same = walk.connected === connected && walk.free === free && walk.pending === pending
        return same && walk.running === running && size === running + pending + queued && queued >= 0
      }
      for (const what of steps) {
        if (typeof what === 'object') {
          if (pool.closed) continue
          if (what.change === 'add') pool.addUpstream(urls[what.upstream] as string)
          else pool.removeUpstream(urls[what.upstream] as string)
        } else if (what === 'dispatch') {
          const recorder = new Recorder()
          open.push(recorder)
          if (pool.upstreams.length > 0 || pool.closed) pool.dispatch(get, recorder)
        } else if (what === 'answer') held.shift()?.()
        else if (what === 'abort') open.shift()?.controller?.abort()
        else if (what === 'drop') [...(origins[0] as Origin).sockets][0]?.destroy()
        else if (what === 'close') pool.close().catch(() => {})
        else await new Promise(setImmediate)
        if (!consistent()) return false
      }
      await pool.destroy()
      return consistent() && pool.stats.size === 0 && pool.stats.connected === 0
    }),
    { numRuns: 100 },
  )
  await Promise.all(origins.map((origin) => origin.close()))
})

t.test('selects upstreams in turn by weight', async (t) => {
  class Member implements WeightedEntry {
    index = -1
    due = 0
    order = 0
    readonly weight: number
    constructor(weight: number) {
      this.weight = weight
    }
  }
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 1, maxLength: 30 }),
      fc.nat(29),
      (weights, out) => {
        const turns = new WeightedRoundRobin<Member>()
        const members = weights.map((weight) => new Member(weight))
        for (const member of members) turns.add(member)
        const removed = members[out % members.length] as Member
        if (members.length > 1) {
          turns.remove(removed)
          turns.remove(removed)
        }
        const left = members.length > 1 ? members.filter((member) => member !== removed) : members
        const total = left.reduce((sum, { weight }) => sum + weight, 0)
        const counts = new Map<Member, number>()
        for (let i = 0; i < total * 10; i++) {
          const next = turns.next() as Member
          counts.set(next, (counts.get(next) ?? 0) + 1)
        }
        return left.every((member) => Math.abs((counts.get(member) ?? 0) - member.weight * 10) <= 1)
      },
    ),
  )
  const equal = new WeightedRoundRobin<Member>()
  t.equal(equal.next(), null)
  const three = [1, 2, 3].map(() => new Member(7))
  for (const member of three) equal.add(member)
  const order = Array.from({ length: 9 }, () => three.indexOf(equal.next() as Member))
  t.strictSame(order, [0, 1, 2, 0, 1, 2, 0, 1, 2])
  t.equal(equal.size, 3)
})

t.test('adds no upstream once it is closed or destroyed', async (t) => {
  for (const end of ['close', 'destroy'] as const) {
    for (const late of [false, true]) {
      const made: string[] = []
      const opened: string[] = []
      const pool = new BalancedPool('http://a.test', {
        healthCheck: new HealthCheck({ interval: 1 }),
        connect: ({ hostname }) => void opened.push(hostname as string),
        factory: (url, options) => {
          made.push(url.hostname)
          return new Pool(url, options)
        },
      })
      const ended = pool[end]()
      if (late) await ended
      t.equal(pool.addUpstream('http://b.test'), pool)
      t.throws(() => pool.addUpstream('b'), errors.InvalidArgumentError)
      await ended
      // A check would begin now.
      await new Promise((resolve) => setTimeout(resolve, 2))
      t.strictSame(pool.upstreams, [])
      t.notOk([...made, ...opened].includes('b.test'))
    }
  }
})
