import type { DispatchController } from '../exchange/handler.js'
import type { BodyReadable } from './body.js'

/** Source of a body: the request that receives it. */
export interface BodySource {
  pause(): void
  resume(): void
  abort(reason: unknown): void
  /** Called when the buffer of an unread body is full. */
  onStalled(body: BodyReadable): void
  /** Called when reading of the body begins. */
  onUsed(body: BodyReadable): void
  /** Called when the body was read to its end, or was destroyed. */
  onEnd(): void
}

/** Creates a source from the controller of a request. */
export function sourceOf(controller: DispatchController): BodySource {
  return {
    pause: () => controller.pause(),
    resume: () => controller.resume(),
    abort: (reason) => controller.abort(reason as Error),
    onStalled() {},
    onUsed() {},
    onEnd() {},
  }
}
