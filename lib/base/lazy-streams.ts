import type * as streams from 'node:stream'
import { builtinModule } from './builtin-modules.js'

type Name = 'Duplex' | 'Readable' | 'Stream' | 'Transform'

/**
 * A class to extend in the place of one of `node:stream`, which takes a fifth of this library's time to load. The first
 * instance loads it, and has the class that extends this one extend that one: from then on nothing is in between.
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

export const LazyReadable = /* @__PURE__ */ lazyClass('Readable')
export const LazyDuplex = /* @__PURE__ */ lazyClass('Duplex')
export const LazyTransform = /* @__PURE__ */ lazyClass('Transform')
export const LazyStream = /* @__PURE__ */ lazyClass('Stream')
