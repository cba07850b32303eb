import type { AsyncResource } from 'node:async_hooks'
import { builtin } from '../base/builtin.js'
import type { QueueNode } from '../base/queue.js'
import type { Exchange } from '../exchange/exchange.js'
import type { DispatchHandler, LegacyDispatchHandler } from '../exchange/handler.js'
import type { DispatchInput, DispatchOptions } from '../exchange/request.js'

interface DispatchTarget {
  dispatch(options: DispatchOptions, handler: DispatchHandler | LegacyDispatchHandler): boolean
}

/** A request on its way to a dispatcher that somebody else made: it is not ours to encode. */
export class Parcel implements QueueNode<Waiting> {
  previous: Waiting | null = null
  next: Waiting | null = null
  queue: unknown = null
  readonly options: DispatchInput
  readonly handler: DispatchHandler | LegacyDispatchHandler
  /** Whoever gets it sees to its end. */
  readonly done = false
  #sender: AsyncResource | null = null

  constructor(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler) {
    this.options = options
    this.handler = handler
  }

  /** It has to wait: what made it stays the async context in which it is sent. */
  queued(): void {
    this.#sender = new (builtin('node:async_hooks').AsyncResource)('sluice.queued')
  }

  /** @returns false when the dispatcher is busy */
  dispatchTo(dispatcher: DispatchTarget): boolean {
    const dispatch = () => dispatcher.dispatch(this.options as DispatchOptions, this.handler)
    return this.#sender === null ? dispatch() : this.#sender.runInAsyncScope(dispatch)
  }
}

/** What stands in a pool's queue. */
export type Waiting = Exchange | Parcel
