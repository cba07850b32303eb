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
