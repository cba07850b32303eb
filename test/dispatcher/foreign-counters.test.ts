import { EventEmitter } from 'node:events'
import t from 'tap'
import { BalancedPool, type Dispatcher, Pool, RoundRobinPool } from '../../lib/index.js'

const ORIGIN = 'http://a.test'

/** An emitter of another library, which answers by hand. */
class Foreign extends EventEmitter {
  readonly handlers: Dispatcher.DispatchHandler[] = []

  dispatch(_options: unknown, handler: Dispatcher.DispatchHandler): boolean {
    this.handlers.push(handler)
    return true
  }

  start(): void {
    for (const handler of this.handlers) handler.onRequestStart?.(controller, {})
  }

  answer(): void {
    for (const handler of this.handlers.splice(0)) {
      handler.onResponseStart?.(controller, 200, {}, '')
      handler.onResponseEnd?.(controller, {})
    }
  }

  connect(): void {
    this.emit('connect', new URL(ORIGIN), [this])
  }

  disconnect(): void {
    this.emit('disconnect', new URL(ORIGIN), [this], new Error('gone'))
  }

  async close(): Promise<void> {}
}

const controller = { abort() {}, pause() {}, resume() {} } as never

const ask = (dispatcher: Dispatcher) => dispatcher.request({ path: '/', method: 'GET' }).then(({ body }) => body.dump())

const NONE = { connected: 0, free: 0, pending: 0, queued: 0, running: 0, size: 0 }

for (const Kind of [Pool, RoundRobinPool]) {
  t.test(`counts a foreign dispatcher of two ${Kind.name}s of a balancer once`, async (t) => {
    const one = new Foreign()
    const pools: Pool[] = []
    const factory = (url: URL | string) => {
      const pool = new Kind(url, { factory: () => one as never })
      pools.push(pool)
      return pool
    }
    const balancer = new BalancedPool([ORIGIN, 'http://b.test'], { factory })
    const seen: number[] = []
    for (const name of ['connect', 'disconnect'] as const)
      for (const dispatcher of [balancer, ...pools])
        dispatcher.on(name as 'connect', () =>
          seen.push(balancer.stats.connected, ...pools.map((p) => p.stats.connected)),
        )
    const all = (stats: object) => {
      for (const dispatcher of [balancer, ...pools]) t.match(dispatcher.stats, stats)
    }
    const sent = [ask(balancer), ask(balancer)]
    all({ ...NONE, pending: 2, size: 2 })
    one.connect()
    all({ ...NONE, connected: 1, free: 1, pending: 2, size: 2 })
    one.start()
    all({ ...NONE, connected: 1, running: 2, size: 2 })
    one.answer()
    await Promise.all(sent)
    all({ ...NONE, connected: 1, free: 1 })
    one.disconnect()
    all(NONE)
    while (seen.length < 24) await new Promise(setImmediate)
    t.strictSame(seen, [...Array(12).fill(1), ...Array(12).fill(0)])
    one.connect()
    balancer.removeUpstream('http://b.test')
    await pools[1]?.close()
    t.match(balancer.stats, { connected: 1, free: 1 })
    t.match(pools[0]?.stats, { connected: 1, free: 1 })
    t.match(pools[1]?.stats, NONE)
    await balancer.close()
    all(NONE)
  })
}

t.test('a pool counts the connections that a foreign dispatcher has when it joins', async (t) => {
  const one = new Foreign()
  const pools = [1, 2].map(() => new Pool(ORIGIN, { factory: () => one as never }))
  const [first, second] = pools as [Pool, Pool]
  const sent = [ask(first)]
  one.connect()
  one.start()
  t.match(second.stats, NONE)
  sent.push(ask(second))
  t.match(second.stats, { connected: 1, running: 1, pending: 1, free: 0 })
  one.start()
  one.answer()
  await Promise.all(sent)
  await first.close()
  t.match(first.stats, NONE)
  t.match(second.stats, { connected: 1, free: 1, size: 0 })
  one.connect()
  t.match(second.stats, { connected: 2, free: 2 })
  one.disconnect()
  one.disconnect()
  t.match(second.stats, NONE)
  one.disconnect()
  t.match(second.stats, NONE)
  one.connect()
  await second.close()
  t.match(second.stats, NONE)
  // It stays open, and another pool has it: what the first ones saw is of no account.
  const third = new Pool(ORIGIN, { factory: () => one as never })
  const last = ask(third)
  t.match(third.stats, { connected: 0, pending: 1 })
  one.start()
  one.answer()
  await last
  await third.destroy()
  t.match(third.stats, NONE)
})

t.test('counts a foreign dispatcher once that is both an upstream and a member of one', async (t) => {
  const one = new Foreign()
  const pool = new Pool('http://b.test', { factory: () => one as never })
  const made = [one as unknown as Dispatcher, pool]
  const balancer = new BalancedPool([ORIGIN, 'http://b.test'], { factory: () => made.shift() as never })
  const sent = [ask(balancer), ask(balancer)]
  one.connect()
  for (const { stats } of [balancer, pool]) t.match(stats, { connected: 1, pending: 2 })
  one.start()
  one.answer()
  await Promise.all(sent)
  await balancer.close()
  for (const { stats } of [balancer, pool]) t.match(stats, NONE)
})
