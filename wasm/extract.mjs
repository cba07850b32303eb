// Takes the parser binary out of the llhttp-wasm package and writes the module that lib/wire/engine.ts imports.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

/** Of llhttp-wasm@1.0.3, which holds llhttp 9.3.0. Another binary may lay out its structures otherwise. */
export const SHA256 = '259f8302ac0f7fd7d38469e0d16b505e59c6b432cc5eb856be4d012260de0e11'

/** A WebAssembly module in base64 begins like this: NUL, "asm", version 1. */
const EMBEDDED = /AGFzbQEAAA[A-Za-z0-9+/]+={0,2}/

/**
 * @param {string} source JavaScript with the binary in a base64 string
 * @param {string} expected SHA-256 in hex
 * @returns {string} the binary in base64
 */
export function extract(source, expected = SHA256) {
  const match = EMBEDDED.exec(source)
  if (match === null) throw new Error('no WebAssembly module found: another version of llhttp-wasm?')
  const found = createHash('sha256').update(Buffer.from(match[0], 'base64')).digest('hex')
  if (found !== expected) throw new Error(`the parser binary has SHA-256 ${found}, expected ${expected}`)
  return match[0]
}

/** @param {string} base64 */
function moduleText(base64) {
  return [
    '// Made by wasm/extract.mjs from llhttp-wasm@1.0.3 (llhttp 9.3.0, MIT licence). Not to be edited.',
    `export const sha256 = '${SHA256}'`,
    `export const binary: string = '${base64}'`,
    '',
  ].join('\n')
}

function main() {
  const source = createRequire(import.meta.url).resolve('llhttp-wasm')
  const base64 = extract(readFileSync(source, 'utf8'))
  const target = new URL('../lib/wire/binary.generated.ts', import.meta.url)
  mkdirSync(new URL('.', target), { recursive: true })
  writeFileSync(target, moduleText(base64))
}

if (process.argv[1] === new URL(import.meta.url).pathname) main()
