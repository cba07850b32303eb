// Takes the parser binary out of the llhttp-wasm package and writes it twice: as the module that lib/wire/wasm-module.ts
// imports, and beside it as llhttp.wasm for runtimes that compile files only (workerd).
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants } from 'node:zlib'
import { slim } from './slim.mjs'

/** Of llhttp-wasm@1.0.3, which holds llhttp 9.3.0. Another binary may lay out its structures otherwise. */
export const SHA256 = '259f8302ac0f7fd7d38469e0d16b505e59c6b432cc5eb856be4d012260de0e11'

/** What lib/wire/wasm-engine.ts uses of it. */
export const USED = ['memory', 'llhttp_reset', 'llhttp_resume', 'llhttp_execute', 'llhttp_errno_name']

const [LOAD_I32, LOAD_U8, LOAD_U16] = [0x28, 0x2d, 0x2f]

/**
 * What holds of `llhttp_t` there, by offset: it is of the type for responses, without a method, and no leniency was asked
 * for. The state is that of a parser that was reset, until the parser sets another. So what llhttp has for requests
 * never happens.
 */
export const FACTS = {
  fixed: [
    { load: LOAD_U8, offset: 40, value: 2 },
    { load: LOAD_U8, offset: 41, value: 0 },
    { load: LOAD_U16, offset: 46, value: 0 },
  ],
  state: { load: LOAD_I32, offset: 28, value: 253 },
  /** Its `llhttp_settings_t`. */
  named: [10496],
}

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

/**
 * Packed, since base64 of the bare bytes does not compress on its way to a browser or a bucket, and is twice the rest.
 * @param {Buffer} bytes
 */
function moduleText(bytes) {
  // Of all parameters those that make the least of it.
  const params = { [constants.BROTLI_PARAM_LGWIN]: 16, [constants.BROTLI_PARAM_NPOSTFIX]: 2 }
  const packed = brotliCompressSync(bytes, { params }).toString('base64')
  return [
    '// Made by wasm/extract.mjs from llhttp-wasm@1.0.3 (llhttp 9.3.0, MIT licence). Not to be edited.',
    `export const packed = '${packed}'`,
    '',
  ].join('\n')
}

/** @param {string} target the file to write */
function main(target) {
  const source = createRequire(import.meta.url).resolve('llhttp-wasm')
  const bytes = slim(Buffer.from(extract(readFileSync(source, 'utf8')), 'base64'), USED, FACTS)
  mkdirSync(dirname(target), { recursive: true })
  writeFileSync(target, moduleText(bytes))
  writeFileSync(join(dirname(target), 'llhttp.wasm'), bytes)
}

const self = fileURLToPath(import.meta.url)
const [, script, target = fileURLToPath(new URL('../lib/wire/binary.generated.ts', import.meta.url))] = process.argv
// The path as typed may lead here by a link.
if (script !== undefined && realpathSync(script) === self) main(target)
