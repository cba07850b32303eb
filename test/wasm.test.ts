import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { unpack } from '../lib/base/builtin.js'

const script = new URL('../../wasm/extract.mjs', import.meta.url)

t.test('the parser binary is taken only when it is the known one', async (t) => {
  const { extract } = (await import(script.href)) as { extract(source: string, expected?: string): string }
  const tiny = Buffer.from('\0asm\x01\0\0\0').toString('base64')
  t.throws(() => extract(`x = '${tiny}AAAA'`), /SHA-256/)
  t.throws(() => extract('nothing here'), /no WebAssembly module/)
})

t.test('the module is written wherever the folder stands, and is the one compiled in', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice with space '))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const link = join(folder, 'link.mjs')
  symlinkSync(fileURLToPath(script), link)
  const written = join(folder, 'made', 'binary.ts')
  execFileSync(process.execPath, [link, written])

  const { packed, sha256 } = await import('../lib/wire/binary.generated.js')
  const bytes = unpack(packed)
  t.ok(readFileSync(written, 'utf8').includes(`export const packed: string = '${packed}'`))
  t.equal(createHash('sha256').update(bytes).digest('hex'), sha256)
  t.ok(readFileSync(new URL('../../wasm/README.md', import.meta.url), 'utf8').includes(sha256), 'as documented')
  t.ok(WebAssembly.validate(bytes))
  t.ok(readFileSync(join(folder, 'made', 'llhttp.wasm')).equals(bytes), 'and the same as a file')
})

declare const WebAssembly: { validate(bytes: Uint8Array): boolean }
