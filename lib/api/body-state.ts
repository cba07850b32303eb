import type { Readable } from 'node:stream'

/**
 * Has properties of a stream's state answer for a body that was taken past the stream, and as Node's do otherwise. Node
 * declares them as properties, so that a class can not override them.
 */
export function defineState<Body extends object>(
  prototype: Body,
  state: Record<string, (body: Body) => boolean>,
): void {
  const stream = Object.getPrototypeOf(prototype) as object
  for (const [name, read] of Object.entries(state)) {
    const get = function (this: Body): boolean {
      return read(this) || (Reflect.get(stream, name, this) as boolean)
    }
    Object.defineProperty(prototype, name, { get, configurable: true })
  }
}

/** Whether a listener or a pipe receives what comes; a stream that was only resumed drops it. */
export function flowsToReader(stream: Readable): boolean {
  return stream.readableFlowing === true && stream.listenerCount('data') > 0
}
