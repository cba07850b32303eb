import { EventEmitter, setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Dispatcher, Pool } from '../../lib/index.js'
import { callers, fetchOperations, THROWN } from './caller-code.js'
import { probe } from './capacity-probe.js'
import type { Kind } from './dispatchers.js'
import { COLLATERAL, good, type Operation, type OperationContext } from './operations.js'
import type { SoakResults } from './results.js'
import type { Random } from './seeded-random.js'
import { uploads } from './sources.js'

/** Codes that any request may fail with, because callers' code throws. */
const ALWAYS_ALLOWED = [THROWN]
const LIFECYCLE = ['UND_ERR_CLOSED', 'UND_ERR_DESTROYED', 'SOAK_END']
/** Time in ms after which all operations must have ended. Every request has shorter timeouts. */
const TIMEOUT = 60_000
/** Connections of the long-lived Pool. */
const CONNECTIONS = 4

const any = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)] as T

/** Objects that exist for the whole soak: requests must not leave listeners on them. */
export class LongLivedObjects {
  readonly signal: AbortSignal = new AbortController().signal
  readonly emitter = new EventEmitter()
  readonly pool: Pool
  readonly origin: string

  constructor(origin: string) {
    this.origin = origin
    this.pool = new Pool(origin, { connections: CONNECTIONS, keepAliveTimeout: 50, keepAliveMaxTimeout: 50 })
    setMaxListeners(0, this.signal, this.emitter)
  }

  context(results: SoakResults, random: Random): OperationContext {
    return {
      dispatcher: this.pool,
      origin: undefined,
      base: this.origin,
      signals: [this.signal, this.emitter],
      random,
      open: () => new Pool(this.origin, { connections: 2 }),
      name: 'the long-lived Pool',
      results,
    }
  }

  /** Sends a request over every connection, then waits until all idle connections are closed. */
  async drain(results: SoakResults, random: Random): Promise<void> {
    await probe(this.context(results, random), { total: CONNECTIONS, passes: () => false })
    const until = performance.now() + TIMEOUT
    while (this.pool.stats.connected > 0 && performance.now() < until) await sleep(10)
  }
}

/** Runs operations on dispatchers of one kind. Each is closed or destroyed while requests are in flight, and replaced. */
class KindRunner {
  readonly #kind: Kind
  readonly #part: { results: SoakResults; longLived: LongLivedObjects; random: Random }
  #dispatcher: Dispatcher
  #closing = new WeakSet<Dispatcher>()
  /** Operations in progress. */
  readonly #working = new Map<Dispatcher, number>()

  constructor(kind: Kind, part: KindRunner['_part']) {
    this.#kind = kind
    this.#part = part
    this.#dispatcher = kind.open()
  }

  /** Only for the type of the constructor's parameter. */
  declare readonly _part: { results: SoakResults; longLived: LongLivedObjects; random: Random }

  async work(until: number): Promise<void> {
    const { operations, width } = this.#kind
    const { random } = this.#part
    const worker = async () => {
      while (performance.now() < until) await this.#operate(any(random, operations))
    }
    const churn = async () => {
      while (performance.now() < until) {
        await sleep(100 + random() * 900)
        const previous = this.#dispatcher
        this.#dispatcher = this.#kind.open()
        if (random() < 0.3) await this.#probe(previous)
        await this.end(previous)
      }
    }
    await Promise.all([...Array.from({ length: width }, worker), churn()])
    await this.#probe(this.#dispatcher)
    await this.end(this.#dispatcher)
  }

  #context(dispatcher: Dispatcher, origin: string | undefined): OperationContext {
    const { base, name, open } = this.#kind
    const { results, longLived, random } = this.#part
    const signals = [longLived.signal, longLived.emitter] as const
    return { dispatcher, origin, base: origin ?? base, signals, random, open, name, results }
  }

  async #operate(operation: Operation): Promise<void> {
    const { origins, name, faulty } = this.#kind
    const { results, random } = this.#part
    const dispatcher = this.#dispatcher
    const context = this.#context(dispatcher, origins.length === 0 ? undefined : any(random, origins))
    const expected = (code: string) =>
      operation.codes.includes(code) ||
      ALWAYS_ALLOWED.includes(code) ||
      (faulty && COLLATERAL.includes(code)) ||
      (this.#closing.has(dispatcher) && LIFECYCLE.includes(code))
    results.sent++
    this.#working.set(dispatcher, (this.#working.get(dispatcher) ?? 0) + 1)
    try {
      await operation.run(context)
      results.answered++
    } catch (error) {
      results.fail(error, expected, `${name}, ${operation.name}`)
    } finally {
      this.#working.set(dispatcher, (this.#working.get(dispatcher) as number) - 1)
    }
  }

  /** Waits for the operations of a dispatcher, then sends a request over each connection that it may have. */
  async #probe(dispatcher: Dispatcher): Promise<void> {
    const { origins, faulty, connections, parts = (whole) => [whole] } = this.#kind
    while ((this.#working.get(dispatcher) ?? 0) > 0) await sleep(5)
    this.#working.delete(dispatcher)
    const passes = (code: string) => faulty && COLLATERAL.includes(code)
    for (const origin of origins.length === 0 ? [undefined] : origins) {
      for (const part of parts(dispatcher)) await probe(this.#context(part, origin), { total: connections, passes })
    }
  }

  /** Closes or destroys a dispatcher, waits for it and checks that its stats are zero. */
  async end(dispatcher: Dispatcher): Promise<void> {
    const { random, results } = this.#part
    this.#closing.add(dispatcher)
    if (random() < 0.4) await dispatcher.close()
    else if (random() < 0.5) await dispatcher.destroy()
    else await dispatcher.destroy(Object.assign(new Error('the end'), { code: 'SOAK_END' }))
    results.checkStats(dispatcher, this.#kind.name)
  }
}

/** Runs all kinds for `ms`, then waits for their operations. Returns false if some did not end in time. */
export async function cycle(part: {
  kinds: readonly Kind[]
  ms: number
  results: SoakResults
  longLived: LongLivedObjects
  random: Random
  /** Runs only operations of `fetch`. */
  onlyFetch: boolean
}): Promise<boolean> {
  const { kinds, ms, results, longLived, random, onlyFetch } = part
  const until = performance.now() + ms
  const loads = kinds.map((kind) => new KindRunner(kind, { results, longLived, random }).work(until))
  const operations = onlyFetch ? fetchOperations(callers) : [...good, ...callers, ...uploads]
  const longLivedWork = async () => {
    while (performance.now() < until) {
      const operation = operations[Math.floor(random() * operations.length)] as Operation
      results.sent++
      try {
        await operation.run(longLived.context(results, random))
        results.answered++
      } catch (error) {
        results.fail(
          error,
          (code) => ALWAYS_ALLOWED.includes(code) || operation.codes.includes(code),
          `the long-lived Pool, ${operation.name}`,
        )
      }
    }
  }
  loads.push(...Array.from({ length: 6 }, longLivedWork))
  const timer = new AbortController()
  const timeout = sleep(ms + TIMEOUT, 'late', { signal: timer.signal }).catch(() => 'done')
  const outcome = await Promise.race([Promise.all(loads), timeout])
  timer.abort()
  if (outcome === 'late') results.addProblem(`operations did not end within ${TIMEOUT} ms`)
  await longLived.drain(results, random)
  return outcome !== 'late'
}
