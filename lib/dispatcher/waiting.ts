import type { QueueNode } from '../base/queue.js'
import type { Exchange } from '../exchange/exchange.js'
import type { DispatchHandler, LegacyDispatchHandler } from '../exchange/handler.js'
import type { DispatchOptions } from '../exchange/request.js'

/** A request on its way to a dispatcher that somebody else made: it is not ours to encode. */
export class Parcel implements QueueNode<Waiting> {
  previous: Waiting | null = null
  next: Waiting | null = null
  queue: unknown = null
  readonly options: DispatchOptions
  readonly handler: DispatchHandler | LegacyDispatchHandler

  constructor(options: DispatchOptions, handler: DispatchHandler | LegacyDispatchHandler) {
    this.options = options
    this.handler = handler
  }
}

/** What stands in a pool's queue. */
export type Waiting = Exchange | Parcel
