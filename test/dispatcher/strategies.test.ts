import t, { type Test } from 'tap'
import {
  BalancedPool,
  type Candidate,
  leastRequests,
  type Outcome,
  peakEwma,
  type UpstreamPicker,
} from '../../lib/index.js'
import { httpOrigin, type Origin, onRequests, rawOrigin, response } from '../servers/origin.js'
import { Recorder, refusal } from '../servers/recorder.js'

const get = { path: '/', method: 'GET' }

async function origins(t: Test, count: number): Promise<Origin[]> {
  const all = await Promise.all(new Array(count).fill(0).map((_, i) => httpOrigin((_, reply) => reply.end(String(i)))))
  t.teardown(() => Promise.all(all.map((origin) => origin.close())))
  return all
}

async function ask(pool: BalancedPool, options = {}): Promise<string> {
  return (await pool.request({ ...get, ...options })).body.text()
}

/** Picker that selects the upstream of the test and records its calls. */
class Scripted implements UpstreamPicker {
  readonly calls: unknown[] = []
  readonly all: Candidate[] = []
  next = 0
  add(upstream: Candidate): void {
    this.all.push(upstream)
  }
  remove(upstream: Candidate): void {
    this.all.splice(this.all.indexOf(upstream), 1)
  }
  pick(exclude?: readonly string[]): Candidate | null {
    return this.all.filter(({ origin }) => !exclude?.includes(origin))[this.next] ?? null
  }
  started(upstream: Candidate): void {
    this.calls.push(['started', this.all.indexOf(upstream)])
  }
  ended(upstream: Candidate, { latency, failed, aborted }: Outcome): void {
    this.calls.push([latency >= 0 && latency < 1e5, this.all.indexOf(upstream), failed, aborted])
  }
}

t.test('round-robin selects upstreams in turn by static weights', async (t) => {
  const [one, two] = (await origins(t, 2)) as [Origin, Origin]
  const pool = new BalancedPool([{ origin: one.url, weight: 3 }, new URL(two.url)])
  const answers: string[] = []
  for (let i = 0; i < 40; i++) answers.push(await ask(pool))
  t.equal(answers.filter((text) => text === '0').length, 30)
  pool.addUpstream(two.url, { weight: 9 })
  answers.length = 0
  for (let i = 0; i < 48; i++) answers.push(await ask(pool))
  t.match(answers.filter((text) => text === '1').length, /^3[567]$/, 'adding an existing upstream changes its weight')
  await pool.close()
})

t.test('least-requests avoids an upstream that does not respond', async (t) => {
  const [quick] = (await origins(t, 1)) as [Origin]
  const held: (() => void)[] = []
  const stuck = await rawOrigin((socket) => onRequests(socket, () => held.push(() => socket.write(response('x')))))
  t.teardown(() => stuck.close())
  const pool = new BalancedPool([quick.url, stuck.url], { strategy: 'least-requests' })
  const first = [ask(pool), ask(pool)]
  t.equal(await Promise.race(first), '0')
  for (let i = 0; i < 50; i++) t.equal(await ask(pool), '0')
  while (held.length === 0) await new Promise(setImmediate)
  held[0]?.()
  t.strictSame((await Promise.all(first)).sort(), ['0', 'x'], 'the request sent to it before completes')
  await pool.close()
})

t.test('peak-ewma is deterministic with a seeded random source', async (t) => {
  const all = await origins(t, 3)
  for (const strategy of ['peak-ewma', peakEwma({ decayTime: 5, random: () => 0.5 }), leastRequests()] as const) {
    const pool = new BalancedPool(
      all.map(({ url }) => url),
      { strategy },
    )
    for (let i = 0; i < 30; i++) t.match(await ask(pool), /^[012]$/)
    await pool.close()
  }
})

t.test('a custom picker is notified once of each request', async (t) => {
  const all = await origins(t, 1)
  const faulty = await httpOrigin((request, reply) => {
    if (request.url === '/503') reply.writeHead(503).end()
    else if (request.url === '/hang') reply.flushHeaders()
    else request.socket.destroy()
  })
  t.teardown(() => faulty.close())
  const picker = new Scripted()
  const pool = new BalancedPool([all[0]?.url as string, faulty.url], { strategy: picker })
  await ask(pool)
  t.strictSame(picker.calls.splice(0), [
    ['started', 0],
    [true, 0, false, false],
  ])
  picker.next = 1
  await ask(pool, { path: '/503' })
  await t.rejects(ask(pool, { path: '/cut', method: 'POST' }))
  const recorder = new Recorder((name, controller) => name === 'head 200' && controller.abort())
  pool.dispatch({ ...get, path: '/hang' }, recorder)
  await recorder.ended
  t.match(refusal(pool, { ...get, path: 'no path' }), { code: 'UND_ERR_INVALID_ARG' })
  t.strictSame(picker.calls.splice(0), [
    ['started', 1],
    [true, 1, true, false],
    ['started', 1],
    [true, 1, true, false],
    ['started', 1],
    [true, 1, false, true],
    ['started', 1],
    [true, 1, false, true],
  ])
  picker.pick = () => ({ origin: 'http://x', weight: 1 })
  t.match(refusal(pool, get), { code: 'UND_ERR_INVALID_ARG' })
  await pool.close()
  t.equal(picker.all.length, 0)
})

t.test('excludes upstreams of earlier attempts while there are others', async (t) => {
  const all = await origins(t, 3)
  for (const strategy of ['round-robin', 'least-requests', 'peak-ewma'] as const) {
    const pool = new BalancedPool(
      all.map(({ url }) => url),
      { strategy },
    )
    const tried: string[] = []
    const answers = [await ask(pool, { tried }), await ask(pool, { tried }), await ask(pool, { tried })]
    t.strictSame(answers.sort(), ['0', '1', '2'], strategy)
    t.strictSame(tried.slice().sort(), all.map(({ url }) => url).sort())
    t.match(await ask(pool, { tried }), /^[012]$/, 'picks any upstream if all are excluded')
    await t.rejects(ask(pool, { tried: 'x' }), { code: 'UND_ERR_INVALID_ARG' })
    await pool.close()
  }
})

t.test('rejects invalid strategies', async (t) => {
  for (const strategy of ['fastest', 1, {}, { pick() {} }]) {
    t.throws(() => new BalancedPool([], { strategy: strategy as never }), /strategy must be/)
  }
  for (const weight of [0, -1, Number.NaN, '1']) {
    t.throws(() => new BalancedPool([{ origin: 'http://x', weight: weight as never }]), /weight must be/)
    t.throws(() => new BalancedPool().addUpstream('http://x', { weight: weight as never }), /weight must be/)
  }
  t.throws(() => peakEwma({ decayTime: 0 }), /decayTime must be/)
  t.throws(() => leastRequests({ random: 1 as never }), /random must be/)
})
