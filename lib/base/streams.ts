import type * as streams from 'node:stream'
import { builtin } from './builtin.js'

type Name = 'Duplex' | 'Readable' | 'Stream' | 'Transform'

/**
 * A class to extend in the place of one of `node:stream`, which takes a fifth of this library's time to load. The first
 * instance loads it, and has the class that extends this one extend that one: from then on nothing is in between.
 */
function later<Of extends Name>(name: Of): (typeof streams)[Of] {
  function Later(...options: unknown[]): object {
    const Stream = builtin('node:stream')[name]
    let extending: { prototype: object } = new.target as never
    while (Object.getPrototypeOf(extending) !== Later) extending = Object.getPrototypeOf(extending)
    Object.setPrototypeOf(extending, Stream)
    Object.setPrototypeOf(extending.prototype, Stream.prototype)
    return Reflect.construct(Stream, options, new.target as never)
  }
  return Later as unknown as (typeof streams)[Of]
}

export const LaterReadable = /* @__PURE__ */ later('Readable')
export const LaterDuplex = /* @__PURE__ */ later('Duplex')
export const LaterTransform = /* @__PURE__ */ later('Transform')
export const LaterStream = /* @__PURE__ */ later('Stream')
