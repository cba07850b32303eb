import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { installProblems, lockedHosts, unexpectedFiles } from './repository/contents.js'
import { docstringProblems, missingExamples } from './repository/docstrings.js'
import { missingPaths } from './repository/document-paths.js'
import { importEffects } from './repository/import-effects.js'
import { importProblems, layerProblems, type Source, sizeProblems } from './repository/layers.js'
import { proseOfMarkdown, proseOfSource, wordProblems } from './repository/words.js'

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

t.test('the library keeps the architecture: imports, duties of layers, sizes', async (t) => {
  const sources = library()
  t.ok(sources.length > 30)
  for (const source of sources) {
    t.strictSame([...importProblems(source), ...layerProblems(source), ...sizeProblems(source)], [], source.path)
  }
})

t.test('each rule of the architecture rejects a sample that breaks it', async (t) => {
  const complaints = (path: string, text: string) => {
    const source = { path, text }
    return [...importProblems(source), ...layerProblems(source), ...sizeProblems(source)].length
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
    ['exchange/x.ts', "const tls = builtinModule('node:tls')"],
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

t.test('the repository has expected files only, and the package no dependencies or install scripts', async (t) => {
  const files = execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).split('\n')
  t.strictSame(unexpectedFiles(files.filter((name) => name !== '')), [])
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  t.strictSame(manifest.dependencies, {})
  t.strictSame(installProblems(manifest), [])
  t.strictSame(lockedHosts(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))), [])

  t.strictSame(
    unexpectedFiles(['lib/a.ts', 'src/a.ts', 'notes.md', 'wasm/a.wasm', 'lib/wire/a.generated.ts', '.taprc']),
    ['src/a.ts', 'notes.md', 'wasm/a.wasm', 'lib/wire/a.generated.ts'],
  )
  t.strictSame(
    installProblems({ dependencies: { a: '1' }, peerDependencies: { b: '1' }, scripts: { prepare: 'x', test: 'y' } }),
    ['a', 'b', 'prepare'],
  )
  t.strictSame(lockedHosts({ packages: { a: { resolved: 'https://mirror.example/a.tgz' }, b: {} } }), [
    'mirror.example',
  ])
})

t.test('documents name existing files', async (t) => {
  const documents = execFileSync('git', ['ls-files', '*.md'], { cwd: root, encoding: 'utf8' }).trim().split('\n')
  t.ok(documents.length > 8)
  for (const document of documents) {
    const near = [root, join(root, 'lib'), join(root, 'test'), join(root, document, '..')]
    const exists = (path: string) => near.some((folder) => existsSync(join(folder, path)))
    t.strictSame(missingPaths(readFileSync(join(root, document), 'utf8'), exists), [], document)
  }
  t.strictSame(
    missingPaths('`wire/parser.ts`, `wire/lost.ts` and (`a/b.test.ts`)', (path) => path === 'wire/parser.ts'),
    ['wire/lost.ts', 'a/b.test.ts'],
  )
})

t.test('importing the library has no side effects', async (t) => {
  t.strictSame(importEffects(new URL('../lib/index.js', import.meta.url).href), [])
})

t.test('reports side effects of an import', async (t) => {
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
    const traces = importEffects(`data:text/javascript,${encodeURIComponent(program)}`)
    t.ok(traces.includes(trace), `${program}: ${traces}`)
  }
})

t.test('the check of words rejects phrases that the project does not use', async (t) => {
  const bad = [
    'the handler hears of it',
    'who waits',
    'Nobody reads it.',
    'the listener is told',
    'what the caller wants',
    'it asks for a connection',
    'a request that was given up',
    'until the connection stands',
    'a request under way',
    'each try has a controller',
    'tries after the first',
    'there is room for one',
    'rules of the house',
    'the cure is a retry',
    'Ours.',
    'chunks that are lent',
    'before the response head',
    'a turn of the loop',
  ]
  for (const text of bad) t.equal(wordProblems(text).length, 1, text)
  const good = [
    'a stream whose handler tries to write',
    '`tell` and {@link borrow}',
    'a retry',
    'stands for',
    'bedroom',
  ]
  for (const text of good) t.strictSame(wordProblems(text), [], text)
})

t.test('the check of words reads comments, test titles and Markdown, but no code', async (t) => {
  const source = [
    '/** Docstring. */',
    'const who = 1 // Trailing.',
    "t.test('a title', async () => {",
    '  const text = "nobody /* no comment */"',
    '  // Last.',
    '})',
  ].join('\n')
  t.strictSame(
    proseOfSource('a.ts', source)
      .map(({ line, text }) => `${line} ${text}`)
      .sort(),
    ['1 /** Docstring. */', '2 // Trailing.', "3 'a title'", '5 // Last.'],
  )
  t.strictSame(proseOfMarkdown('# A\n```js\ncode\n```\ntext'), [
    { line: 1, text: '# A' },
    { line: 5, text: 'text' },
  ])
})

t.test('the check of docstrings rejects exports without a sentence that is understood by itself', async (t) => {
  const bad: [string, RegExp][] = [
    ['export const a = 1', /a: has no docstring/],
    ['/** Number of requests */ export let a: number', /does not end in a period/],
    ['/** What is left. */ export function a() {}', /begins with "What"/],
    ['/** It runs. */ export class A {}', /begins with "It"/],
    ['export interface A {}', /has no docstring/],
    ['/** False when it is full. */ export type A = 1', /begins with "False"/],
  ]
  for (const [text, message] of bad) {
    const problems = docstringProblems('a.ts', text)
    t.equal(problems.length, 1, text)
    t.match(problems[0], message)
  }
  const good = [
    '/** Whether it runs. */ export const a = 1',
    '/** Sends a request. */ export function a(b: 1): void\nexport function a(b: 2): void',
    'const a = 1',
    "export * from './a.js'",
  ]
  for (const text of good) t.strictSame(docstringProblems('a.ts', text), [], text)
})

t.test('the check of docstrings reports a missing example', async (t) => {
  const required = { 'a.ts': ['a', 'B'] }
  t.strictSame(missingExamples('a.ts', '/** A.\n * @example\n * a()\n */ export function a() {}', required), [
    'a.ts: B has no @example',
  ])
  t.strictSame(missingExamples('b.ts', 'export function a() {}', required), [])
})
