import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
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
  const written = join(folder, 'made', 'binary.mjs')
  execFileSync(process.execPath, [link, written])

  const { packed } = await import('../lib/wire/binary.generated.js')
  const bytes = unpack(packed)
  const { packed: again } = (await import(written)) as { packed: string }
  t.ok(Buffer.from(bytes).equals(unpack(again)))
  t.ok(readFileSync(join(folder, 'made', 'llhttp.wasm')).equals(bytes), 'and the same as a file')
})

t.test('what is compiled in is the known binary without what nobody calls', async (t) => {
  const { extract, SHA256, USED } = (await import(script.href)) as {
    extract(source: string): string
    SHA256: string
    USED: string[]
  }
  const { slim } = (await import(new URL('slim.mjs', script).href)) as { slim: Slim }
  const source = createRequire(import.meta.url).resolve('llhttp-wasm')
  const whole = Buffer.from(extract(readFileSync(source, 'utf8')), 'base64')
  t.equal(createHash('sha256').update(whole).digest('hex'), SHA256)
  t.ok(readFileSync(new URL('../../wasm/README.md', import.meta.url), 'utf8').includes(SHA256), 'as documented')

  const { packed } = await import('../lib/wire/binary.generated.js')
  const bytes = unpack(packed)
  t.ok(slim(whole, USED).equals(bytes))
  t.ok(bytes.length < whole.length)
  t.strictSame(
    WebAssembly.Module.exports(new WebAssembly.Module(bytes))
      .map(({ name }) => name)
      .sort(),
    [...USED].sort(),
  )
  t.throws(() => slim(whole, ['nobody']), /not all that is wanted/)
})

t.test('a module loses what is not reached, and nothing else', async (t) => {
  const { slim } = (await import(new URL('slim.mjs', script).href)) as { slim: Slim }
  // (func $two i32.const 2) (func $four call $two call $two i32.add) (func $lost i32.const 1000), all exported.
  const bytes = Buffer.from(
    '0061736d01000000' +
      '0105016000017f' +
      '030403000000' +
      '0715030374776f000004666f75720001046c6f73740002' +
      '0a1403040041020b07001000' +
      '10006a0b050041e8070b',
    'hex',
  )
  t.ok(WebAssembly.validate(bytes))
  const less = slim(bytes, ['four'])
  t.ok(WebAssembly.validate(less))
  t.notOk(less.includes(Buffer.from('e807', 'hex')))
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(less))
  t.strictSame(Object.keys(exports), ['four'])
  t.equal(exports.four?.(), 4)
})

type Slim = (bytes: Uint8Array, wanted: readonly string[]) => Buffer

declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean
  Module: { new (bytes: Uint8Array): object; exports(module: object): { name: string }[] }
  Instance: new (module: object) => { exports: Record<string, () => unknown> }
}
