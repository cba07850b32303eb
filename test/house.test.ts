import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { lostPaths } from './house/paths.js'
import { burdens, lockedHosts, strangers } from './house/repository.js'
import { climbs, type Source, sizes, trespasses } from './house/rules.js'
import { tracesOf } from './house/traces.js'

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
    ['connection/x.ts', "const a = await import('../dispatcher/client.js')"],
    ['connection/x.ts', "let a: import('../dispatcher/client.js').Client"],
    ['errors.ts', "import { a } from './base/queue.js'"],
    ['api/x.ts', "import { a } from '../index.js'"],
    ['api/x.ts', "import { a } from '../attic/x.js'"],
    ['exchange/x.ts', 'setTimeout(() => {}, 1)'],
    ['exchange/x.ts', "import net from 'node:net'"],
    ['exchange/x.ts', "export { connect } from 'node:tls'"],
    ['exchange/x.ts', "const net = require('node:net')"],
    ['exchange/x.ts', "const tls = builtin('node:tls')"],
    ['connection/x.ts', "import { EventEmitter } from 'node:events'"],
    ['connection/x.ts', 'new WebAssembly.Module(x)'],
    ['wire/x.ts', "import { Buffer } from 'node:buffer'"],
    ['wire/x.ts', 'async function a() {}'],
    ['wire/x.ts', 'Promise.resolve()'],
    ['balance/x.ts', 'Math.random()'],
    ['api/x.ts', "Symbol.for('x')"],
    ['api/x.ts', "export const kSecret: unique symbol = Symbol('secret')"],
    ['api/x.ts', "import { request } from 'undici'"],
    ['api/x.ts', "import type { Dispatcher } from 'undici'"],
    ['api/x.ts', 'let a\n'.repeat(401)],
    ['api/x.ts', `function a() {\n${'b()\n'.repeat(70)}}`],
    ['api/x.ts', 'function a(b, c, d, e) {}'],
  ]
  for (const [path, text] of broken) t.equal(complaints(path, text), 1, `${path}: ${text.slice(0, 60)}`)
  t.equal(complaints('exchange/x.ts', "import type { Socket } from 'node:net'\n// setTimeout\n"), 0)
})

t.test('the repository holds what it should, and burdens nobody', async (t) => {
  const files = execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).split('\n')
  t.strictSame(strangers(files.filter((name) => name !== '')), [])
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  t.strictSame(manifest.dependencies, {})
  t.strictSame(burdens(manifest), [])
  t.strictSame(lockedHosts(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))), [])

  t.strictSame(strangers(['lib/a.ts', 'src/a.ts', 'notes.md', 'wasm/a.wasm', 'lib/wire/a.generated.ts', '.taprc']), [
    'src/a.ts',
    'notes.md',
    'wasm/a.wasm',
    'lib/wire/a.generated.ts',
  ])
  t.strictSame(
    burdens({ dependencies: { a: '1' }, peerDependencies: { b: '1' }, scripts: { prepare: 'x', test: 'y' } }),
    ['a', 'b', 'prepare'],
  )
  t.strictSame(lockedHosts({ packages: { a: { resolved: 'https://mirror.example/a.tgz' }, b: {} } }), [
    'mirror.example',
  ])
})

t.test('documents name files that are there', async (t) => {
  const documents = execFileSync('git', ['ls-files', '*.md'], { cwd: root, encoding: 'utf8' }).trim().split('\n')
  t.ok(documents.length > 8)
  for (const document of documents) {
    const near = [root, join(root, 'lib'), join(root, 'test'), join(root, document, '..')]
    const exists = (path: string) => near.some((folder) => existsSync(join(folder, path)))
    t.strictSame(lostPaths(readFileSync(join(root, document), 'utf8'), exists), [], document)
  }
  t.strictSame(
    lostPaths('`wire/parser.ts`, `wire/lost.ts` and (`a/b.test.ts`)', (path) => path === 'wire/parser.ts'),
    ['wire/lost.ts', 'a/b.test.ts'],
  )
})

t.test('importing does nothing', async (t) => {
  t.strictSame(tracesOf(new URL('../lib/index.js', import.meta.url).href), [])
})

t.test('an import that does something is found out', async (t) => {
  const guilty: [string, string][] = [
    ['globalThis.a = 1', 'global a'],
    ["globalThis[Symbol.for('a')] = 1", 'global Symbol(a)'],
    ["process.on('exit', () => {})", 'listener exit'],
    ['setTimeout(() => {}, 1e6).unref()', 'setTimeout'],
    ["import net from 'node:net'; net.createServer().listen(0, '127.0.0.1').unref()", 'listen'],
    ['new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0))', 'WebAssembly.Module'],
    ['await WebAssembly.compile(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0))', 'WebAssembly.compile'],
  ]
  for (const [program, trace] of guilty) {
    const traces = tracesOf(`data:text/javascript,${encodeURIComponent(program)}`)
    t.ok(traces.includes(trace), `${program}: ${traces}`)
  }
})
