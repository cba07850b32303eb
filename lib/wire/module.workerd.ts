// @ts-expect-error TypeScript knows of no such file; runtimes and bundlers with the `workerd` condition compile it.
import compiled from './llhttp.wasm'

/** llhttp for workerd, which forbids to compile bytes: the file was compiled as the program was loaded. */
export function compileParser(): object {
  return compiled
}
