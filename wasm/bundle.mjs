// Creates dist/package, which is published, from the output of tsc in dist/lib: one self-contained file of code, its
// declarations, the parser for runtimes without WebAssembly, and small entries that re-export names of the one file.
// One file, because finding, reading and linking tens of files takes longer than running them.
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { transform } from 'esbuild'
import { rollup } from 'rollup'
import { minify } from 'terser'
import ts from 'typescript'
import { bundleDeclarations } from './declarations.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const library = join(root, 'dist/lib')
const target = join(root, 'dist/package')
const SCRIPT_ENGINE = './script-engine.js'

/**
 * Bundles and minifies a module with its imports.
 * @param {string} input path in dist/lib
 * @returns {Promise<string>}
 */
async function bundleCode(input) {
  const bundle = await rollup({
    input: join(library, input),
    // Loaded only on runtimes without WebAssembly, so it stays a separate file.
    external: (id) =>
      id.startsWith('node:') || (id.endsWith('/script-engine.js') && !input.endsWith('script-engine.js')),
    treeshake: { moduleSideEffects: false },
  })
  const { output } = await bundle.generate({
    format: 'es',
    paths: (id) => (id.endsWith('/script-engine.js') ? SCRIPT_ENGINE : id),
  })
  await bundle.close()
  if (output.length !== 1) throw new Error(`${input} was bundled into ${output.length} files, expected 1`)
  return restoreAnnotations(await minifyCode(output[0].code))
}

/**
 * Minifies code by terser, which inlines constants, and then by esbuild. The base64 parser is moved to the end, because it
 * compresses worse in one block with code: that was 1 KB of a bundle.
 * @param {string} text
 */
async function minifyCode(text) {
  const [binary = ''] = text.match(/^const packed = .*\n/m) ?? []
  const compressed = await minify(text.replace(binary, ''), {
    module: true,
    ecma: 2020,
    mangle: false,
    // Parameters are kept, because programs read the length of some functions.
    compress: { inline: 1, reduce_funcs: false, keep_fargs: true },
  })
  const { code } = await transform(`${compressed.code}\n${binary}`, {
    minify: true,
    format: 'esm',
    target: 'es2023',
    define: { 'Number.POSITIVE_INFINITY': 'Infinity' },
  })
  return code
}

/**
 * Restores what the minifier removed: the names of exported classes, which appear in stack traces and in the output of
 * `inspect`, and the `@__PURE__` annotations for bundlers. They are correct for every call at the top level, because
 * importing the library has no side effects.
 * @param {string} text minified
 */
function restoreAnnotations(text) {
  const file = ts.createSourceFile('sluice.js', text, ts.ScriptTarget.Latest)
  const names = exportedNames(file)
  let made = ''
  let end = 0
  /** @param {number} from @param {number} to @param {string} by */
  const replace = (from, to, by) => {
    made += text.slice(end, from) + by
    end = to
  }
  for (const statement of file.statements) {
    if (ts.isClassDeclaration(statement) && statement.name !== undefined && names.has(statement.name.text)) {
      const { text: short, end: after } = statement.name
      replace(statement.getStart(file), after, `const ${short}=class ${names.get(short)}`)
      replace(statement.end, statement.end, ';')
    } else if (ts.isVariableStatement(statement)) {
      for (const { initializer } of statement.declarationList.declarations) {
        if (initializer === undefined || !(ts.isCallExpression(initializer) || ts.isNewExpression(initializer)))
          continue
        const start = initializer.getStart(file)
        replace(start, start, '/* @__PURE__ */')
      }
    }
  }
  return made + text.slice(end)
}

/**
 * Returns the exported names, by local name.
 * @param {ts.SourceFile} file
 */
function exportedNames(file) {
  const names = new Map()
  for (const statement of file.statements) {
    if (!ts.isExportDeclaration(statement) || statement.exportClause === undefined) continue
    if (!ts.isNamedExports(statement.exportClause)) continue
    for (const { name, propertyName = name } of statement.exportClause.elements) names.set(propertyName.text, name.text)
  }
  return names
}

/**
 * Writes an entry that re-exports from the one file the names that a module of the library exports.
 * @param {string} path of the module, without extension
 * @param {ts.Program} program
 */
async function writeEntry(path, program) {
  const checker = program.getTypeChecker()
  const file = program.getSourceFile(`${path}.d.ts`)
  const symbol = file === undefined ? undefined : checker.getSymbolAtLocation(file)
  if (symbol === undefined) throw new Error(`${path}.d.ts is not a module: build dist/lib first`)
  const values = Object.keys(await import(pathToFileURL(`${path}.js`).href)).sort()
  const exported = checker.getExportsOfModule(symbol).map(({ name }) => name)
  const types = exported.filter((name) => !values.includes(name)).sort()
  const name = basename(path)
  writeFileSync(join(target, `${name}.js`), `export { ${values.join(', ')} } from './sluice.js'\n`)
  const all = [...values, ...types.map((one) => `type ${one}`)]
  writeFileSync(join(target, `${name}.d.ts`), `export { ${all.join(', ')} } from './sluice.js'\n`)
}

/**
 * Returns the entry for workerd, which compiles WebAssembly only from files. It declares each name itself, because bundlers
 * remove modules that only re-export, as `sideEffects: false` allows.
 * @param {string[]} names
 */
function workerdEntry(names) {
  const lines = names.map((name) => `export const ${name} = all.${name}`)
  return `import parser from './llhttp.wasm'\nimport * as all from './sluice.js'\n\nall.provideParser(parser)\n${lines.join('\n')}\n`
}

rmSync(target, { recursive: true, force: true })
mkdirSync(target, { recursive: true })
const [single, script, types] = await Promise.all([
  bundleCode('entries/single.js'),
  bundleCode('wire/script-engine.js'),
  bundleDeclarations(join(library, 'entries/single.d.ts')),
])
writeFileSync(join(target, 'sluice.js'), single)
writeFileSync(join(target, 'sluice.d.ts'), types)
writeFileSync(join(target, 'script-engine.js'), script)
copyFileSync(join(root, 'lib/wire/llhttp.wasm'), join(target, 'llhttp.wasm'))
const names = Object.keys(await import(pathToFileURL(join(target, 'sluice.js')).href))
writeFileSync(join(target, 'workerd.js'), workerdEntry(names))
const entries = readdirSync(join(library, 'entries')).filter((name) => name.endsWith('.js') && name !== 'single.js')
const paths = ['index', ...entries.map((name) => `entries/${name.slice(0, -3)}`)].map((path) => join(library, path))
// Only names are read, so no other files are loaded.
const program = ts.createProgram(
  paths.map((path) => `${path}.d.ts`),
  { module: ts.ModuleKind.NodeNext, noLib: true, types: [] },
)
for (const path of paths) await writeEntry(path, program)
// The main entry is sluice.js itself, so that importing it loads one file.
rmSync(join(target, 'index.js'))
