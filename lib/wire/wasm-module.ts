import { decompressBase64 } from '../base/builtin-modules.js'
import { packed } from './binary.generated.js'

declare const WebAssembly: { Module: new (bytes: Uint8Array) => object }

let providedModule: object | null = null

/**
 * Sets the compiled parser, for runtimes that do not compile WebAssembly from bytes: workerd compiles the file
 * `llhttp.wasm` of this package when it loads the program. Must be called before the first request. sluice-specific.
 */
export function provideParser(module: object): void {
  providedModule = module
}

/** Returns the module set by {@link provideParser}, or compiles llhttp, which takes some milliseconds. */
export function compileParser(): object {
  return providedModule ?? new WebAssembly.Module(decompressBase64(packed))
}
