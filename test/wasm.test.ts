import { execFileSync } from 'node:child_process'
import t from 'tap'

t.test('the parser binary is taken only when it is the known one', async (t) => {
  const { extract } = (await import(new URL('../../wasm/extract.mjs', import.meta.url).href)) as {
    extract(source: string, expected?: string): string
  }
  const tiny = Buffer.from('\0asm\x01\0\0\0').toString('base64')
  t.throws(() => extract(`x = '${tiny}AAAA'`), /SHA-256/)
  t.throws(() => extract('nothing here'), /no WebAssembly module/)
  const script = new URL('../../wasm/extract.mjs', import.meta.url)
  execFileSync(process.execPath, [script.pathname])
  const { binary, sha256 } = await import('../lib/wire/binary.generated.js')
  t.match(sha256, /^[0-9a-f]{64}$/)
  t.ok(WebAssembly.validate(Buffer.from(binary, 'base64')))
})

declare const WebAssembly: { validate(bytes: Uint8Array): boolean }
