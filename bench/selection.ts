import { FirstFree } from '../lib/balance/first-free.js'
import type { MemberPicker, PickableMember } from '../lib/balance/member-picker.js'
import { RoundRobin } from '../lib/balance/round-robin.js'
import { type WeightedEntry, WeightedRoundRobin } from '../lib/balance/weighted-round-robin.js'
import { BalancedPool, Dispatcher, Pool, RoundRobinPool } from '../lib/index.js'

const controller = { aborted: false, paused: false, reason: null, rawHeaders: null, rawTrailers: null }
const idle = { ...controller, abort() {}, pause() {}, resume() {} }

/** A dispatcher that ends each request at once: what is left is the pool's own cost. */
class Nothing extends Dispatcher {
  override dispatch(_options: object, handler: { onResponseEnd?(controller: typeof idle, trailers: object): void }) {
    handler.onResponseEnd?.(idle, {})
    return true
  }

  override close(callback?: () => void): Promise<void> {
    callback?.()
    return Promise.resolve()
  }

  override destroy(): Promise<void> {
    return Promise.resolve()
  }
}

class Member implements PickableMember<Member>, WeightedEntry {
  previous: Member | null = null
  next: Member | null = null
  queue: unknown = null
  index = -1
  due = 0
  order = 0
  weight = 100
  busy = false
  loaded = false
  served = 0
  since = 0
  late = false
  get idle(): boolean {
    return !this.busy
  }
}

const SIZES = [1, 10, 100, 1000, 10_000]
const ROUNDS = 7
const DECISIONS = 200_000

/** Median ns of one call. */
function time(decide: () => void): number {
  const samples: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const started = performance.now()
    for (let i = 0; i < DECISIONS; i++) decide()
    samples.push(((performance.now() - started) * 1e6) / DECISIONS)
  }
  return samples.sort((a, b) => a - b)[ROUNDS >> 1] as number
}

/** A pick, the member busy, the member free again: what a request costs. */
function byPicker(picker: MemberPicker<Member>, size: number): () => void {
  for (let i = 0; i < size; i++) picker.join(new Member())
  return () => {
    const member = picker.pick(true, 0) as Member
    member.busy = true
    picker.used(member)
    member.busy = false
    picker.freed(member)
  }
}

function byTurns(size: number): () => void {
  const turns = new WeightedRoundRobin<Member>()
  for (let i = 0; i < size; i++) turns.add(new Member())
  return () => void turns.next()
}

const handler = { onRequestStart() {}, onResponseError() {} }
const get = { path: '/', method: 'GET' }

/** The whole of `dispatch`, with clients that do nothing. */
function byPool(pool: Dispatcher): () => void {
  return () => void pool.dispatch(get, handler)
}

function filled(size: number): Dispatcher {
  const pool = new RoundRobinPool('http://localhost', { connections: size, factory: () => new Nothing() })
  for (let i = 0; i < size; i++) pool.dispatch(get, handler)
  return pool
}

const subjects: Record<string, (size: number) => () => void> = {
  'Pool, decision': (size) => byPicker(new FirstFree('last'), size),
  'RoundRobinPool, decision': (size) => byPicker(new RoundRobin(true), size),
  'BalancedPool, decision': byTurns,
  'Pool.dispatch': (size) => byPool(new Pool('http://localhost', { connections: size, factory: () => new Nothing() })),
  'RoundRobinPool.dispatch': (size) => byPool(filled(size)),
  'BalancedPool.dispatch': (size) => {
    const upstreams = Array.from({ length: size }, (_, index) => `http://u${index}.test`)
    return byPool(new BalancedPool(upstreams, { factory: () => new Nothing() }))
  },
}

console.log(`node ${process.version}; ns per decision, median of ${ROUNDS} × ${DECISIONS}`)
console.log(`${''.padEnd(26)}${SIZES.map((size) => String(size).padStart(9)).join('')}`)
for (const [name, make] of Object.entries(subjects)) {
  const row = SIZES.map((size) => {
    const decide = make(size)
    for (let i = 0; i < DECISIONS / 4; i++) decide()
    return time(decide)
  })
  console.log(`${name.padEnd(26)}${row.map((value) => value.toFixed(1).padStart(9)).join('')}`)
}
