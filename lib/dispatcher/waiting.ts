import type { QueueNode } from '../base/queue.js'
import type { Exchange } from '../exchange/exchange.js'
import type { DispatchHandler, LegacyDispatchHandler } from '../exchange/handler.js'
import type { DispatchInput } from '../exchange/request.js'

/** A request on its way to a dispatcher that somebody else made: it is not ours to encode. */
export class Parcel implements QueueNode<Waiting> {
  previous: Waiting | null = null
  next: Waiting | null = null
  queue: unknown = null
  readonly options: DispatchInput
  readonly handler: DispatchHandler | LegacyDispatchHandler

  constructor(options: DispatchInput, handler: DispatchHandler | LegacyDispatchHandler) {
    this.options = options
    this.handler = handler
  }
}

/** What stands in a pool's queue. */
export type Waiting = Exchange | Parcel
