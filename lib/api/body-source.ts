import type { DispatchController } from '../exchange/handler.js'
import type { BodyReadable } from './body.js'

/** Steers where a body comes from. */
export interface BodySource {
  pause(): void
  resume(): void
  abort(reason: unknown): void
  /** The body is full and nobody reads it. */
  onStalled(body: BodyReadable): void
  /** Somebody reads it. */
  onUsed(body: BodyReadable): void
  /** It was read to its end, or given up. */
  onOver(): void
}

/** A source that does what its request's controller does. */
export function sourceOf(controller: DispatchController): BodySource {
  return {
    pause: () => controller.pause(),
    resume: () => controller.resume(),
    abort: (reason) => controller.abort(reason as Error),
    onStalled() {},
    onUsed() {},
    onOver() {},
  }
}
