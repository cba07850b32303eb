import { WebAssemblyNotSupportedError } from '../errors/webassembly-error.js'
import type { Engine } from '../wire/engine.js'
import { wasmEngine } from '../wire/wasm-engine.js'

/**
 * Parser implementation: llhttp in WebAssembly (`wasm`), JavaScript (`js`), or JavaScript only if WebAssembly is
 * unavailable (`auto`).
 */
export type ParserChoice = 'auto' | 'wasm' | 'js'

let scriptEngine: Engine | null = null

/**
 * Returns the parser engine for a new connection, or `null` if {@link loadScriptEngine} must be called first.
 * @throws {WebAssemblyNotSupportedError} `choice` is `wasm` and WebAssembly is unavailable
 */
export function engineFor(choice: ParserChoice): Engine | null {
  if (choice === 'js') return scriptEngine
  try {
    return wasmEngine()
  } catch (error) {
    if (choice === 'wasm') throw error
    return scriptEngine
  }
}

/**
 * Loads the JavaScript parser, a separate module so that bundlers can split it off.
 * @throws {WebAssemblyNotSupportedError} the module can not be loaded
 */
export async function loadScriptEngine(): Promise<void> {
  if (scriptEngine !== null) return
  try {
    const { ScriptEngine } = await import('../wire/script-engine.js')
    scriptEngine ??= new ScriptEngine()
  } catch (cause) {
    throw new WebAssemblyNotSupportedError(
      'WebAssembly is not available, and script-engine.js of the package could not be loaded: deploy it beside sluice',
      { cause },
    )
  }
}
