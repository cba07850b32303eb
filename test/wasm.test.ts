import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { decompressBase64 } from '../lib/base/builtin-modules.js'

const script = new URL('../../wasm/extract.mjs', import.meta.url)

t.test('accepts only the parser binary with the known hash', async (t) => {
  const { extract } = (await import(script.href)) as { extract(source: string, expected?: string): string }
  const tiny = Buffer.from('\0asm\x01\0\0\0').toString('base64')
  t.throws(() => extract(`x = '${tiny}AAAA'`), /SHA-256/)
  t.throws(() => extract('nothing here'), /no WebAssembly module/)
})

t.test('writes the compiled-in module from any folder', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice with space '))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const link = join(folder, 'link.mjs')
  symlinkSync(fileURLToPath(script), link)
  const written = join(folder, 'made', 'binary.mjs')
  execFileSync(process.execPath, [link, written])

  const { packed } = await import('../lib/wire/binary.generated.js')
  const bytes = decompressBase64(packed)
  const { packed: again } = (await import(written)) as { packed: string }
  t.ok(Buffer.from(bytes).equals(decompressBase64(again)))
  t.ok(readFileSync(join(folder, 'made', 'llhttp.wasm')).equals(bytes), 'the file has the same bytes')
})

t.test('the compiled-in binary is the known one without unused functions', async (t) => {
  const { extract, SHA256, USED, FACTS } = (await import(script.href)) as {
    extract(source: string): string
    SHA256: string
    USED: string[]
    FACTS: Facts
  }
  const { slim } = (await import(new URL('slim-module.mjs', script).href)) as { slim: Slim }
  const source = createRequire(import.meta.url).resolve('llhttp-wasm')
  const whole = Buffer.from(extract(readFileSync(source, 'utf8')), 'base64')
  t.equal(createHash('sha256').update(whole).digest('hex'), SHA256)
  t.ok(
    readFileSync(new URL('../../wasm/README.md', import.meta.url), 'utf8').includes(SHA256),
    'the README contains the hash',
  )

  const { packed } = await import('../lib/wire/binary.generated.js')
  const bytes = decompressBase64(packed)
  t.ok(slim(whole, USED, FACTS).equals(bytes))
  const ofBothTypes = slim(whole, USED)
  t.ok(ofBothTypes.length < whole.length)
  t.ok(bytes.length < 0.8 * ofBothTypes.length, 'the code for requests is removed')
  t.strictSame(
    WebAssembly.Module.exports(new WebAssembly.Module(bytes))
      .map(({ name }) => name)
      .sort(),
    [...USED].sort(),
  )
  t.throws(() => slim(whole, ['nobody']), /does not have all requested exports/)
  const finish = { load: 0x2d, offset: 49, value: 0 }
  t.throws(() => slim(whole, USED, { ...FACTS, fixed: [finish] }), /it writes to a fixed field/)
})

t.test('removes unreachable functions from a module, and nothing else', async (t) => {
  const { slim } = (await import(new URL('slim-module.mjs', script).href)) as { slim: Slim }
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

t.test('removes impossible branches from a function, and nothing else', async (t) => {
  const { slim } = (await import(new URL('slim-module.mjs', script).href)) as { slim: Slim }
  const ask = '2000 280208 0e020001 02'
  const leave = (number: string) => `41${number} 1a 4101 0f`
  const maybeSeven = '2000 2d0004 0440 2000 4107 360208 0b'
  // Three blocks in one another, left by state 0, by state 1, and by others. State 1 may set state 7.
  const body = `00 0240 0240 0240 ${ask} 0b ${leave('e907')} 0b ${maybeSeven} ${leave('ea07')} 0b 41eb07 1a 4101 0b`
  const section = (id: string, content: string) => {
    const bytes = Buffer.from(content.replaceAll(' ', ''), 'hex')
    return Buffer.concat([Buffer.from(id, 'hex'), Buffer.of(bytes.length), bytes])
  }
  const bytes = Buffer.concat([
    Buffer.from('0061736d01000000', 'hex'),
    section('01', '01 60 017f 017f'),
    section('03', '01 00'),
    section('05', '01 0001'),
    section('07', '01 0166 0000'),
    section('0a', `01 ${section('', body).toString('hex')}`),
  ])
  t.ok(WebAssembly.validate(bytes))
  const has = (module: Buffer, hex: string) => module.includes(Buffer.from(hex, 'hex'))
  const state = { load: 0x28, offset: 8, value: 1 }
  const slimmed = (value: number) => slim(bytes, ['f'], { fixed: [{ load: 0x2d, offset: 4, value }], state, named: [] })
  const [never, ever] = [slimmed(0), slimmed(1)]
  for (const module of [never, ever]) t.ok(WebAssembly.validate(module))
  t.strictSame(
    ['e907', 'ea07', 'eb07', '410736'].map((hex) => has(never, hex)),
    [false, true, false, false],
  )
  t.strictSame(
    ['e907', 'ea07', 'eb07', '410736'].map((hex) => has(ever, hex)),
    [false, true, true, true],
  )
})

interface Field {
  load: number
  offset: number
  value: number
}

interface Facts {
  fixed: Field[]
  state: Field
  named: number[]
}

type Slim = (bytes: Uint8Array, wanted: readonly string[], facts?: Facts) => Buffer

declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean
  Module: { new (bytes: Uint8Array): object; exports(module: object): { name: string }[] }
  Instance: new (module: object) => { exports: Record<string, () => unknown> }
}
