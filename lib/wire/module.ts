import { unpack } from '../base/builtin.js'
import { packed } from './binary.generated.js'

declare const WebAssembly: { Module: new (bytes: Uint8Array) => object }

/** Compiles llhttp: takes some milliseconds, so it is done on first use. */
export function compileParser(): object {
  return new WebAssembly.Module(unpack(packed))
}
