import { Agent, Client, Dispatcher, type Pool } from 'undici'

/** Counts what goes through another dispatcher. */
export class CountingDispatcher extends Dispatcher {
  sent = 0
  readonly #inner: Dispatcher

  constructor(inner: Dispatcher) {
    super()
    this.#inner = inner
    inner.on('drain', (origin) => this.emit('drain', origin))
    inner.on('connect', (origin, targets) => this.emit('connect', origin, [this, ...targets]))
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    this.sent++
    return this.#inner.dispatch(options, handler)
  }

  override close(): Promise<void>
  override close(callback: () => void): void
  override close(callback?: () => void): Promise<void> | void {
    if (callback === undefined) return this.#inner.close()
    this.#inner.close(callback)
  }

  override destroy(): Promise<void>
  override destroy(error: Error | null): Promise<void>
  override destroy(callback: () => void): void
  override destroy(error: Error | null, callback: () => void): void
  override destroy(error?: Error | null | (() => void), callback?: () => void): Promise<void> | void {
    if (typeof error === 'function') return this.#inner.destroy(error)
    if (callback !== undefined) return this.#inner.destroy(error ?? null, callback)
    return this.#inner.destroy(error ?? null)
  }
}

/** All it has of its own is where requests go. */
class Sharded extends Dispatcher {
  readonly #shards: Dispatcher[]
  #next = 0

  constructor(origins: readonly string[], options?: Client.Options) {
    super()
    this.#shards = origins.map((origin) => new Client(origin, options))
  }

  override dispatch(options: Agent.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const shard = this.#shards[this.#next++ % this.#shards.length]
    if (shard === undefined) throw new Error('no shards')
    return shard.dispatch(options, handler)
  }
}

/** Agent that adds a header to the requests of its pools. */
class TaggingAgent extends Agent {
  override dispatch(options: Agent.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const headers = Array.isArray(options.headers) ? [...options.headers, 'x-tag', '1'] : options.headers
    return super.dispatch(headers === undefined ? options : { ...options, headers }, handler)
  }
}

export const dispatchers: Dispatcher[] = [
  new CountingDispatcher(new Agent()),
  new Sharded(['http://a']),
  new TaggingAgent(),
]
export const answered: Promise<Dispatcher.ResponseData> = new Sharded([]).request({ path: '/', method: 'GET' })
export const factory: NonNullable<Pool.Options['factory']> = (origin, options) =>
  new CountingDispatcher(new Client(origin, options))

// @ts-expect-error: what is dispatched has a path
new Sharded([]).dispatch({ method: 'GET' }, {})
// @ts-expect-error: the handler receives an Error
new Sharded([]).dispatch({ path: '/', method: 'GET' }, { onResponseError: (_controller, error: string) => void error })
