// Creates dist/package, which is published, from the output of tsc in dist/lib: the library as an ES module, as CommonJS and
// minified, each in one file; its declarations; the parser for runtimes without WebAssembly; and small entries that re-export
// names of the one file. One file, because finding, reading and linking hundreds of files takes longer than running them.
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { bundleCode } from './code.mjs'
import { bundleDeclarations } from './declarations.mjs'
import { entriesOf, mainEntry, workerdEntry } from './entries.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const library = join(root, 'dist/lib')
const target = join(root, 'dist/package')

/** @param {string} name @param {string} text */
const write = (name, text) => writeFileSync(join(target, name), text)

rmSync(target, { recursive: true, force: true })
mkdirSync(target, { recursive: true })
const names = Object.keys(await import(pathToFileURL(join(library, 'entries/single.js')).href))
const [single, script, declarations] = await Promise.all([
  bundleCode(join(library, 'entries/single.js'), names),
  bundleCode(join(library, 'wire/script-engine.js')),
  bundleDeclarations(join(library, 'entries/single.d.ts')),
])
write('sluice.js', single.readable)
write('sluice.cjs', single.commonjs)
write('sluice.min.js', single.minified)
write('script-engine.js', script.readable)
write('script-engine.cjs', script.commonjs)
// An ES module can re-export declarations of CommonJS, but not the reverse.
write('sluice.d.cts', declarations)
write('sluice.d.ts', "export * from './sluice.cjs'\n")
copyFileSync(join(root, 'lib/wire/llhttp.wasm'), join(target, 'llhttp.wasm'))
write('workerd.js', workerdEntry(names))
const parts = readdirSync(join(library, 'entries')).filter((name) => name.endsWith('.js') && name !== 'single.js')
const paths = ['index', ...parts.map((name) => `entries/${name.slice(0, -3)}`)].map((path) => join(library, path))
for (const entry of await entriesOf(paths)) {
  const files = entry.name === 'index' ? mainEntry(entry) : entry.files
  for (const [extension, text] of Object.entries(files)) write(entry.name + extension, text)
}
