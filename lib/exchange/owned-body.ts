import type { BodyStreamOwner } from './body-stream.js'

/** A request body that must be closed if its request fails or does not send it. */
export interface OwnedBody {
  readonly error: Error | null
  /** Lets interceptors read the body. `owner` is notified if the body fails before a request claims it. */
  release(owner: BodyStreamOwner): void
  /** The request has started. */
  onRequestStart(owner: BodyStreamOwner): void
  /** The request has completed. */
  onRequestEnd(): void
  stop(error?: Error): void
}
