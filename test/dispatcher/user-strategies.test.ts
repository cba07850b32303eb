import t, { type Test } from 'tap'
import { BalancedPool, type Candidate, Pool, type UpstreamPicker } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'
import { uncaughtDuring } from '../servers/uncaught.js'

const CLOSED = 'http://127.0.0.1:1'
const OTHER = 'http://127.0.0.1:2'

/** Strategy that picks the first upstream that does not fail, and throws where the test says so. */
class Picker implements UpstreamPicker {
  readonly all: Candidate[] = []
  throwsIn = ''

  add(upstream: Candidate): void {
    this.all.push(upstream)
    this.#reach('add')
  }
  remove(upstream: Candidate): void {
    this.all.splice(this.all.indexOf(upstream), 1)
    this.#reach('remove')
  }
  pick(): Candidate | null {
    this.#reach('pick')
    return this.all[0] ?? null
  }
  started(): void {
    this.#reach('started')
  }
  ended(): void {
    this.#reach('ended')
  }
  reweighed(): void {
    this.#reach('reweighed')
  }
  #reach(name: string): void {
    if (name === this.throwsIn) throw new Error('thrown by the strategy')
  }
}

/** The same calls whatever the strategy throws: what they lead to, and how often. */
async function useAll(t: Test, pool: BalancedPool, { answers }: { answers: boolean }): Promise<void> {
  const answer = pool.request({ path: '/', method: 'GET' }).then(({ body }) => body.text())
  if (answers) t.equal(await answer, 'ok')
  else await t.rejects(answer, { code: 'ECONNREFUSED' })
  pool.addUpstream('http://127.0.0.1:3')
  pool.removeUpstream(OTHER)
  t.equal(pool.upstreams.length, 2)
  t.match(pool.stats, { size: 0 })
  await pool.close()
}

for (const answers of [true, false]) {
  const what = answers ? 'a request that is answered' : 'a request that fails'
  for (const name of ['add', 'remove', 'started', 'ended', 'reweighed']) {
    t.test(`a strategy that throws in ${name} is reported, and ends neither ${what} nor the pool`, async (t) => {
      const origin = await httpOrigin((_request, reply) => reply.end('ok'))
      const strategy = new Picker()
      const pools: Pool[] = []
      const factory = (url: URL | string) => {
        const pool = new Pool(url)
        pools.push(pool)
        return pool
      }
      const pool = new BalancedPool([answers ? origin.url : CLOSED, OTHER], { strategy, factory })
      strategy.throwsIn = name
      const uncaught = await uncaughtDuring(() => useAll(t, pool, { answers }))
      const expected = name === 'reweighed' && answers ? 0 : 1
      t.ok(uncaught.length >= expected)
      t.strictSame(new Set(uncaught), new Set(expected === 0 ? [] : ['thrown by the strategy']))
      t.ok(pools.every(({ destroyed }) => destroyed))
      await origin.close()
    })
  }

  for (const name of ['joined', 'left', 'ended', 'stop']) {
    t.test(`a watcher that throws in ${name} is reported, and ends neither ${what} nor the pool`, async (t) => {
      const origin = await httpOrigin((_request, reply) => reply.end('ok'))
      let armed = false
      const reach = (one: string) => () => {
        if (armed && one === name) throw new Error('thrown by the watcher')
      }
      const watch = { joined: reach('joined'), left: reach('left'), ended: reach('ended'), stop: reach('stop') }
      const outlierDetection = { panicThreshold: 50, watch: () => watch }
      const pool = new BalancedPool([answers ? origin.url : CLOSED, OTHER], {
        strategy: new Picker(),
        outlierDetection,
      })
      armed = true
      const uncaught = await uncaughtDuring(() => useAll(t, pool, { answers }))
      t.strictSame(new Set(uncaught), new Set(['thrown by the watcher']))
      if (name === 'stop') t.equal(uncaught.length, 1)
      await origin.close()
    })
  }
}

t.test('an exception of pick fails the request', async (t) => {
  const strategy = new Picker()
  const pool = new BalancedPool([CLOSED], { strategy })
  strategy.throwsIn = 'pick'
  await t.rejects(pool.request({ path: '/', method: 'GET' }), { message: 'thrown by the strategy' })
  await pool.close()
})

t.test('a strategy that picks an upstream that was removed, or one of another pool, fails the request', async (t) => {
  const given: string[] = []
  const factory = (url: URL | string) => ({
    dispatch: () => given.push(String(url)) > 0,
    close: async () => {},
    destroy: async () => {},
  })
  const strategy = new Picker()
  strategy.remove = () => {}
  const options = { strategy, factory: factory as never }
  const pool = new BalancedPool(['http://a.test', 'http://b.test'], options)
  const other = new BalancedPool(['http://c.test'], {
    strategy: { add() {}, remove() {}, pick: () => strategy.all[0] ?? null },
  })
  await t.rejects(other.request({ path: '/', method: 'GET' }), { code: 'UND_ERR_INVALID_ARG', message: /of this pool/ })
  pool.removeUpstream('http://a.test')
  await t.rejects(pool.request({ path: '/', method: 'GET' }), { code: 'UND_ERR_INVALID_ARG', message: /of this pool/ })
  t.strictSame(given, [])
  await Promise.all([pool.close(), other.close()])
})
