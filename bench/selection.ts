import { FirstFree } from '../lib/balance/first-free.js'
import type { MemberPicker, PickableMember } from '../lib/balance/member-picker.js'
import { RoundRobin } from '../lib/balance/round-robin.js'
import { type WeightedEntry, WeightedRoundRobin } from '../lib/balance/weighted-round-robin.js'
import { BalancedPool, Dispatcher, Pool, RoundRobinPool } from '../lib/index.js'

const controller = { aborted: false, paused: false, reason: null, rawHeaders: null, rawTrailers: null }
const idle = { ...controller, abort() {}, pause() {}, resume() {} }

/** A dispatcher that completes each request at once, so that only the cost of the pool is measured. */
class NoopDispatcher extends Dispatcher {
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
  hadRequests = false
  served = 0
  busySince = 0
  overdue = false
  get idle(): boolean {
    return !this.busy
  }
}

const SIZES = [1, 10, 100, 1000, 10_000]
const ROUNDS = 7
const DECISIONS = 200_000

/** Returns the median ns of one call. */
function time(decide: () => void): number {
  const samples: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const started = performance.now()
    for (let i = 0; i < DECISIONS; i++) decide()
    samples.push(((performance.now() - started) * 1e6) / DECISIONS)
  }
  return samples.sort((a, b) => a - b)[ROUNDS >> 1] as number
}

/** Returns a function that picks a member, marks it busy, then free: the decisions of one request. */
function pickerDecision(picker: MemberPicker<Member>, size: number): () => void {
  for (let i = 0; i < size; i++) picker.add(new Member())
  return () => {
    const member = picker.pick(true, 0) as Member
    member.busy = true
    picker.onAssigned(member)
    member.busy = false
    picker.onFree(member)
  }
}

function weightedDecision(size: number): () => void {
  const order = new WeightedRoundRobin<Member>()
  for (let i = 0; i < size; i++) order.add(new Member())
  return () => void order.next()
}

const handler = { onRequestStart() {}, onResponseError() {} }
const get = { path: '/', method: 'GET' }

/** Returns a function that dispatches a request to a pool of no-op clients. */
function poolDispatch(pool: Dispatcher): () => void {
  return () => void pool.dispatch(get, handler)
}

function poolOfSize(size: number): Dispatcher {
  const pool = new RoundRobinPool('http://localhost', { connections: size, factory: () => new NoopDispatcher() })
  for (let i = 0; i < size; i++) pool.dispatch(get, handler)
  return pool
}

const measurements: Record<string, (size: number) => () => void> = {
  'Pool, decision': (size) => pickerDecision(new FirstFree('last'), size),
  'RoundRobinPool, decision': (size) => pickerDecision(new RoundRobin(true), size),
  'BalancedPool, decision': weightedDecision,
  'Pool.dispatch': (size) =>
    poolDispatch(new Pool('http://localhost', { connections: size, factory: () => new NoopDispatcher() })),
  'RoundRobinPool.dispatch': (size) => poolDispatch(poolOfSize(size)),
  'BalancedPool.dispatch': (size) => {
    const upstreams = Array.from({ length: size }, (_, index) => `http://u${index}.test`)
    return poolDispatch(new BalancedPool(upstreams, { factory: () => new NoopDispatcher() }))
  },
}

console.log(`node ${process.version}; ns per decision, median of ${ROUNDS} × ${DECISIONS}`)
console.log(`${''.padEnd(26)}${SIZES.map((size) => String(size).padStart(9)).join('')}`)
for (const [name, make] of Object.entries(measurements)) {
  const row = SIZES.map((size) => {
    const decide = make(size)
    for (let i = 0; i < DECISIONS / 4; i++) decide()
    return time(decide)
  })
  console.log(`${name.padEnd(26)}${row.map((value) => value.toFixed(1).padStart(9)).join('')}`)
}
