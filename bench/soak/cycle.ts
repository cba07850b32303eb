import { EventEmitter, setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Dispatcher, Pool } from '../../lib/index.js'
import { byFetch, callers, THROWN } from './caller-code.js'
import type { Kind } from './dispatchers.js'
import { COLLATERAL, good, type Operation, type Scene } from './operations.js'
import { probe } from './probe.js'
import type { Random } from './random.js'
import { uploads } from './sources.js'
import type { Tally } from './tally.js'

/** What any request may end with where code of callers throws. */
const OWN = [THROWN]
const LIFECYCLE = ['UND_ERR_CLOSED', 'UND_ERR_DESTROYED', 'SOAK_END']
/** ms within which all that was begun must have ended: every request has timeouts of less. */
const PATIENCE = 60_000
/** Of the Pool that lives as long as the soak. */
const CONNECTIONS = 4

const any = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)] as T

/** What lives as long as the soak. */
export class Lasting {
  readonly signal: AbortSignal = new AbortController().signal
  readonly emitter = new EventEmitter()
  readonly pool: Pool
  readonly origin: string

  constructor(origin: string) {
    this.origin = origin
    this.pool = new Pool(origin, { connections: CONNECTIONS, keepAliveTimeout: 50, keepAliveMaxTimeout: 50 })
    setMaxListeners(0, this.signal, this.emitter)
  }

  scene(tally: Tally, random: Random): Scene {
    return {
      dispatcher: this.pool,
      origin: undefined,
      base: this.origin,
      signals: [this.signal, this.emitter],
      random,
      open: () => new Pool(this.origin, { connections: 2 }),
      name: 'the lasting Pool',
      tally,
    }
  }

  /** Every connection that it counts serves a request. Then they are idle, and then gone. */
  async rest(tally: Tally, random: Random): Promise<void> {
    await probe(this.scene(tally, random), { total: CONNECTIONS, passes: () => false })
    const until = performance.now() + PATIENCE
    while (this.pool.stats.connected > 0 && performance.now() < until) await sleep(10)
  }
}

/** A kind of dispatcher at work: one after another, each closed or destroyed in the midst of its requests. */
class Seat {
  readonly #kind: Kind
  readonly #part: { tally: Tally; lasting: Lasting; random: Random }
  #dispatcher: Dispatcher
  #ended = new WeakSet<Dispatcher>()
  /** Operations in progress. */
  readonly #working = new Map<Dispatcher, number>()

  constructor(kind: Kind, part: Seat['_part']) {
    this.#kind = kind
    this.#part = part
    this.#dispatcher = kind.open()
  }

  /** For the type of the constructor alone. */
  declare readonly _part: { tally: Tally; lasting: Lasting; random: Random }

  async work(until: number): Promise<void> {
    const { operations, width } = this.#kind
    const { random } = this.#part
    const worker = async () => {
      while (performance.now() < until) await this.#operate(any(random, operations))
    }
    const churn = async () => {
      while (performance.now() < until) {
        await sleep(100 + random() * 900)
        const before = this.#dispatcher
        this.#dispatcher = this.#kind.open()
        if (random() < 0.3) await this.#probe(before)
        await this.end(before)
      }
    }
    await Promise.all([...Array.from({ length: width }, worker), churn()])
    await this.#probe(this.#dispatcher)
    await this.end(this.#dispatcher)
  }

  #scene(dispatcher: Dispatcher, origin: string | undefined): Scene {
    const { base, name, open } = this.#kind
    const { tally, lasting, random } = this.#part
    const signals = [lasting.signal, lasting.emitter] as const
    return { dispatcher, origin, base: origin ?? base, signals, random, open, name, tally }
  }

  async #operate(operation: Operation): Promise<void> {
    const { origins, name, faulty } = this.#kind
    const { tally, random } = this.#part
    const dispatcher = this.#dispatcher
    const scene = this.#scene(dispatcher, origins.length === 0 ? undefined : any(random, origins))
    const expected = (code: string) =>
      operation.codes.includes(code) ||
      OWN.includes(code) ||
      (faulty && COLLATERAL.includes(code)) ||
      (this.#ended.has(dispatcher) && LIFECYCLE.includes(code))
    tally.sent++
    this.#working.set(dispatcher, (this.#working.get(dispatcher) ?? 0) + 1)
    try {
      await operation.run(scene)
      tally.answered++
    } catch (error) {
      tally.fail(error, expected, `${name}, ${operation.name}`)
    } finally {
      this.#working.set(dispatcher, (this.#working.get(dispatcher) as number) - 1)
    }
  }

  /** Once all of its operations have ended, each connection that it may have serves a request. */
  async #probe(dispatcher: Dispatcher): Promise<void> {
    const { origins, faulty, connections, parts = (whole) => [whole] } = this.#kind
    while ((this.#working.get(dispatcher) ?? 0) > 0) await sleep(5)
    this.#working.delete(dispatcher)
    const passes = (code: string) => faulty && COLLATERAL.includes(code)
    for (const origin of origins.length === 0 ? [undefined] : origins) {
      for (const part of parts(dispatcher)) await probe(this.#scene(part, origin), { total: connections, passes })
    }
  }

  /** Waits for it, and sees that nothing is left in it. */
  async end(dispatcher: Dispatcher): Promise<void> {
    const { random, tally } = this.#part
    this.#ended.add(dispatcher)
    if (random() < 0.4) await dispatcher.close()
    else if (random() < 0.5) await dispatcher.destroy()
    else await dispatcher.destroy(Object.assign(new Error('the end'), { code: 'SOAK_END' }))
    tally.checkStats(dispatcher, this.#kind.name)
  }
}

/** All kinds at work for a while, until all that they began has ended. Returns whether it has. */
export async function cycle(part: {
  kinds: readonly Kind[]
  ms: number
  tally: Tally
  lasting: Lasting
  random: Random
  /** Nothing but `fetch`. */
  onlyFetch: boolean
}): Promise<boolean> {
  const { kinds, ms, tally, lasting, random, onlyFetch } = part
  const until = performance.now() + ms
  const loads = kinds.map((kind) => new Seat(kind, { tally, lasting, random }).work(until))
  const asked = onlyFetch ? byFetch(callers) : [...good, ...callers, ...uploads]
  const lastingWork = async () => {
    while (performance.now() < until) {
      const operation = asked[Math.floor(random() * asked.length)] as Operation
      tally.sent++
      try {
        await operation.run(lasting.scene(tally, random))
        tally.answered++
      } catch (error) {
        tally.fail(
          error,
          (code) => OWN.includes(code) || operation.codes.includes(code),
          `the lasting Pool, ${operation.name}`,
        )
      }
    }
  }
  loads.push(...Array.from({ length: 6 }, lastingWork))
  const overdue = new AbortController()
  const alarm = sleep(ms + PATIENCE, 'late', { signal: overdue.signal }).catch(() => 'done')
  const outcome = await Promise.race([Promise.all(loads), alarm])
  overdue.abort()
  if (outcome === 'late') tally.complain('requests did not end')
  await lasting.rest(tally, random)
  return outcome !== 'late'
}
