/** All there is, by name: the one file of code that is published, from which the other entries take theirs. */
export * from '../errors/public.js'
export * from '../index.js'
export * from '../interceptors/index.js'
export { provideParser } from '../wire/wasm-module.js'
