import type * as streams from 'node:stream'
import { builtinModule } from './builtin-modules.js'

type Name = 'Duplex' | 'Readable' | 'Stream' | 'Transform'

/**
 * Returns a base class that represents a class of `node:stream` and loads that module with the first instance.
 * `node:stream` takes a fifth of this library's load time. The first instance also replaces the prototype of the derived
 * class, so that later instances extend the Node class directly.
 */
function lazyClass<Of extends Name>(name: Of): (typeof streams)[Of] {
  function Lazy(...options: unknown[]): object {
    const Stream = builtinModule('node:stream')[name]
    let extending: { prototype: object } = new.target as never
    while (Object.getPrototypeOf(extending) !== Lazy) extending = Object.getPrototypeOf(extending)
    Object.setPrototypeOf(extending, Stream)
    Object.setPrototypeOf(extending.prototype, Stream.prototype)
    return Reflect.construct(Stream, options, new.target as never)
  }
  return Lazy as unknown as (typeof streams)[Of]
}

/** `stream.Readable`, loaded with the first instance. */
export const LazyReadable = /* @__PURE__ */ lazyClass('Readable')
/** `stream.Duplex`, loaded with the first instance. */
export const LazyDuplex = /* @__PURE__ */ lazyClass('Duplex')
/** `stream.Transform`, loaded with the first instance. */
export const LazyTransform = /* @__PURE__ */ lazyClass('Transform')
/** `stream.Stream`, loaded with the first instance. */
export const LazyStream = /* @__PURE__ */ lazyClass('Stream')
