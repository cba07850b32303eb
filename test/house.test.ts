import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { climbs, type Source, sizes, trespasses } from './house/rules.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

function library(): Source[] {
  const folder = join(root, 'lib')
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.generated.ts'),
  )
  return files.map((entry) => {
    const path = join(entry.parentPath ?? entry.path, entry.name)
    return { path: relative(folder, path).split(sep).join('/'), text: readFileSync(path, 'utf8') }
  })
}

t.test('the library keeps the rules of its house', async (t) => {
  const sources = library()
  t.ok(sources.length > 30)
  for (const source of sources) {
    t.strictSame([...climbs(source), ...trespasses(source), ...sizes(source)], [], source.path)
  }
})

t.test('each rule finds what breaks it', async (t) => {
  const complaints = (path: string, text: string) => {
    const source = { path, text }
    return [...climbs(source), ...trespasses(source), ...sizes(source)].length
  }
  const broken: [string, string][] = [
    ['base/x.ts', "import { a } from '../wire/engine.js'"],
    ['wire/x.ts', "import type { A } from '../transport/connect.js'"],
    ['connection/x.ts', "export { A } from '../dispatcher/client.js'"],
    ['exchange/x.ts', 'setTimeout(() => {}, 1)'],
    ['exchange/x.ts', "import net from 'node:net'"],
    ['connection/x.ts', "import { EventEmitter } from 'node:events'"],
    ['connection/x.ts', 'new WebAssembly.Module(x)'],
    ['wire/x.ts', "import { Buffer } from 'node:buffer'"],
    ['wire/x.ts', 'async function a() {}'],
    ['balance/x.ts', 'Math.random()'],
    ['api/x.ts', "Symbol.for('x')"],
    ['api/x.ts', "import { request } from 'undici'"],
    ['api/x.ts', 'let a\n'.repeat(401)],
    ['api/x.ts', `function a() {\n${'b()\n'.repeat(70)}}`],
    ['api/x.ts', 'function a(b, c, d, e) {}'],
  ]
  for (const [path, text] of broken) t.equal(complaints(path, text), 1, `${path}: ${text.slice(0, 60)}`)
  t.equal(complaints('exchange/x.ts', "import type { Socket } from 'node:net'\n// setTimeout\n"), 0)
})

t.test('the top level holds what it should and no more', async (t) => {
  const names = execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).split('\n')
  const top = new Set(names.filter((name) => name !== '').map((name) => name.split('/')[0] as string))
  const allowed =
    /^(lib|wasm|test|bench|package\.json|package-lock\.json|tsconfig\.json|Makefile|README\.md|LICENSE|CHANGELOG\.md|biome\.json|\..*)$/
  t.strictSame(
    [...top].filter((name) => !allowed.test(name)),
    [],
  )
  t.notOk(
    names.some((name) => /\.wasm$|\.generated\.ts$/.test(name)),
    'nothing binary is committed',
  )
  const { dependencies, scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  t.strictSame(dependencies, {})
  for (const name of ['preinstall', 'install', 'postinstall']) t.notOk(name in scripts, `no ${name} script`)
})

t.test('importing does nothing', async (t) => {
  const program = `
    const globals = new Set(Object.getOwnPropertyNames(globalThis))
    let compiled = 0
    for (const name of ['Module', 'Instance']) {
      WebAssembly[name] = new Proxy(WebAssembly[name], { construct() { compiled++; throw new Error(name) } })
    }
    for (const name of ['compile', 'instantiate']) WebAssembly[name] = () => { compiled++ }
    const listeners = process.eventNames().length
    const resources = () => process.getActiveResourcesInfo().filter((name) => !/^(FSReq|Close)/.test(name)).length
    const before = resources()
    await import(${JSON.stringify(new URL('../lib/index.js', import.meta.url).href)})
    console.log(JSON.stringify({
      globals: Object.getOwnPropertyNames(globalThis).filter((name) => !globals.has(name)),
      compiled,
      listeners: process.eventNames().length - listeners,
      resources: resources() - before,
    }))`
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  t.strictSame(JSON.parse(said), { globals: [], compiled: 0, listeners: 0, resources: 0 })
})
