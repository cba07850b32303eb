import type { Readable } from 'node:stream'

/**
 * Defines state properties of a stream (such as `readableEnded`) for a body that was consumed without its stream; otherwise
 * they have Node's value. Node's types declare them as properties, which a class cannot override with accessors.
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

/** Whether a listener or a pipe receives the data; a stream that was only resumed discards it. */
export function flowsToReader(stream: Readable): boolean {
  return stream.readableFlowing === true && stream.listenerCount('data') > 0
}
