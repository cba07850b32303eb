import { WebAssemblyNotSupportedError } from '../errors/webassembly-error.js'
import type { Engine } from '../wire/engine.js'
import { wasmEngine } from '../wire/wasm-engine.js'

/** What reads responses: llhttp in WebAssembly, the parser in JavaScript, or the latter where the former fails. */
export type ParserChoice = 'auto' | 'wasm' | 'js'

let script: Engine | null = null

/**
 * The engine for a new connection; null when {@link loadScriptEngine} must come first.
 * @throws {WebAssemblyNotSupportedError} 'wasm' was asked for, and there is none
 */
export function engineFor(choice: ParserChoice): Engine | null {
  if (choice === 'js') return script
  try {
    return wasmEngine()
  } catch (error) {
    if (choice === 'wasm') throw error
    return script
  }
}

/** A module of its own, which bundlers split off: nearly nobody needs it. */
export async function loadScriptEngine(): Promise<void> {
  if (script !== null) return
  try {
    const { ScriptEngine } = await import('../wire/script-engine.js')
    script ??= new ScriptEngine()
  } catch (cause) {
    throw new WebAssemblyNotSupportedError(
      'WebAssembly is not available, and script-engine.js of the package could not be loaded: deploy it beside sluice',
      { cause },
    )
  }
}
