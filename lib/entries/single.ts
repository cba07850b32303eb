/** All exports by name: the only code file that is published. The other entries re-export from it. */
export * from '../errors/public.js'
export * from '../index.js'
export * from '../interceptors/index.js'
export { provideParser } from '../wire/wasm-module.js'
