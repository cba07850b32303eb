import { decompressBase64 } from '../base/builtin-modules.js'
import { packed } from './binary.generated.js'

declare const WebAssembly: { Module: new (bytes: Uint8Array) => object }

let providedModule: object | null = null

/**
 * Gives the parser as a `WebAssembly.Module`, for runtimes that forbid to compile bytes: workerd compiles the file
 * `llhttp.wasm` of this package as it loads the program. To be called before the first request.
 * Ours.
 */
export function provideParser(module: object): void {
  providedModule = module
}

/** Compiles llhttp, unless it was provided: takes some milliseconds, so it is done on first use. */
export function compileParser(): object {
  return providedModule ?? new WebAssembly.Module(decompressBase64(packed))
}
