import type { Readable } from 'node:stream'

/**
 * Defines state properties of a stream (such as `readableEnded`) for a body that was consumed without its stream; otherwise
 * they have Node's value. Node's types declare them as properties, which a class cannot override with accessors.
 */
export function defineState<Body extends object>(
  prototype: Body,
  state: Record<string, (body: Body) => boolean>,
): void {
  for (const [name, read] of Object.entries(state)) {
    const readStream = inheritedGetter(prototype, name)
    const get = function (this: Body): boolean {
      return read(this) || readStream.call(this)
    }
    Object.defineProperty(prototype, name, { get, configurable: true })
  }
}

/** Returns the getter that `prototype` inherits for `name`. Calling it is several times faster than `Reflect.get`. */
function inheritedGetter(prototype: object, name: string): () => boolean {
  let owner: object = Object.getPrototypeOf(prototype)
  while (!Object.hasOwn(owner, name)) owner = Object.getPrototypeOf(owner)
  return Object.getOwnPropertyDescriptor(owner, name)?.get as () => boolean
}

/** Whether a listener or a pipe receives the data; a stream that was only resumed discards it. */
export function flowsToReader(stream: Readable): boolean {
  return stream.readableFlowing === true && stream.listenerCount('data') > 0
}
