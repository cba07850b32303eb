// Makes dist/package, which is what is published, out of what tsc left in dist/lib: one file of code that runs alone,
// its declarations, the parser for hosts without WebAssembly, and small entries that take their names from the one.
// Tens of files are no good: to find, read and link them takes longer than to run them.
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { transform } from 'esbuild'
import { rollup } from 'rollup'
import { dts } from 'rollup-plugin-dts'
import { minify } from 'terser'
import ts from 'typescript'

const root = fileURLToPath(new URL('..', import.meta.url))
const library = join(root, 'dist/lib')
const target = join(root, 'dist/package')
const SCRIPT_ENGINE = './script-engine.js'

/**
 * @param {string} input
 * @returns {Promise<string>}
 */
async function code(input) {
  const bundle = await rollup({
    input: join(library, input),
    // Loaded by those alone who need it, so it stays out of the one file.
    external: (id) =>
      id.startsWith('node:') || (id.endsWith('/script-engine.js') && !input.endsWith('script-engine.js')),
    treeshake: { moduleSideEffects: false },
  })
  const { output } = await bundle.generate({
    format: 'es',
    paths: (id) => (id.endsWith('/script-engine.js') ? SCRIPT_ENGINE : id),
  })
  await bundle.close()
  if (output.length !== 1) throw new Error(`${input} became ${output.length} files`)
  return annotated(await minified(output[0].code))
}

/**
 * By terser, which puts constants where they are used, and then as bundlers do. The parser comes last: it has a letter
 * for six bits, and a compressor that meets it in one block with code does badly at both, which was 1 KB of a bundle.
 * @param {string} text
 */
async function minified(text) {
  const [binary = ''] = text.match(/^const packed = .*\n/m) ?? []
  const compressed = await minify(text.replace(binary, ''), {
    module: true,
    ecma: 2020,
    mangle: false,
    // Functions stay as they are: programs ask some for their length.
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
 * Puts back what the minifier took: the names of exported classes, which users see in stack traces and in what
 * `inspect` prints, and the word to bundlers that what is not used can go. It holds for whatever is called at the top
 * level, since importing does nothing.
 * @param {string} text minified
 */
function annotated(text) {
  const file = ts.createSourceFile('sluice.js', text, ts.ScriptTarget.Latest)
  const names = exportsOf(file)
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
 * Exported names by the names within.
 * @param {ts.SourceFile} file
 */
function exportsOf(file) {
  const names = new Map()
  for (const statement of file.statements) {
    if (!ts.isExportDeclaration(statement) || statement.exportClause === undefined) continue
    if (!ts.isNamedExports(statement.exportClause)) continue
    for (const { name, propertyName = name } of statement.exportClause.elements) names.set(propertyName.text, name.text)
  }
  return names
}

/** Declarations of all there is, in one file. */
async function declarations() {
  const bundle = await rollup({
    input: join(library, 'entries/single.d.ts'),
    external: /^node:/,
    plugins: [dts()],
    // It warns of augmentations, which are taken care of below.
    onLog: () => {},
  })
  const { output } = await bundle.generate({ format: 'es' })
  await bundle.close()
  return lean(pruned(repaired(output[0].code)))
}

/**
 * For editors and compilers: where a rule comes from is told in the source and in the reference.
 * @param {string} text
 */
function lean(text) {
  return text
    .replace(/ Source: undici's `[\w./]+`\.(?= |\n)/g, '')
    .replace(/^ +\* Source: undici's `[\w./]+`\.\n/gm, '')
    .replace(/^ +/gm, '')
}

/**
 * Drops declarations that nothing which is exported names.
 * @param {string} text
 */
function pruned(text) {
  const { statements } = ts.createSourceFile('sluice.d.ts', text, ts.ScriptTarget.Latest)
  const nameOf = (/** @type {any} */ one) => one.name?.text ?? one.declarationList?.declarations[0].name.text
  const code = (/** @type {ts.Statement} */ one) => text.slice(one.pos, one.end).replace(/\/\*[\s\S]*?\*\//g, '')
  const kept = new Set(statements.filter((one) => nameOf(one) === undefined))
  for (const one of kept) {
    const words = new Set(code(one).match(/[\w$]+/g))
    for (const other of statements) if (words.has(nameOf(other))) kept.add(other)
  }
  return statements
    .filter((one) => kept.has(one))
    .map((one) => text.slice(one.pos, one.end))
    .join('')
}

/**
 * Mends what the bundler of declarations can not do:
 * - An augmentation of another module is, in one file, a second half of the interface.
 * - A namespace made of a module has lost the values of names that are types as well.
 * - A type in a namespace that takes its name from a type without says that it is itself.
 * @param {string} text
 */
function repaired(text) {
  const outer = new Set()
  const merged = text
    .replace(/^declare module '[^']+' \{\n([\s\S]*?)\n\}$/gm, (_all, inner) => inner)
    .replace(/^(?:type|declare const) \w+_d_.*;\n/gm, '')
    .replace(/^declare namespace (\w+_d) \{\n([\s\S]*?)\n\}$/gm, (_all, name, inner) => {
      // One whose name another module had taken already stays as it is: `Request$1 as Request`.
      const names = inner.match(/[\w$]+ as \w+/g).map((one) => one.replace(new RegExp(`^${name}_(\\w+) as \\1$`), '$1'))
      return `declare namespace ${name} {\n  export { ${names.join(', ')} };\n}`
    })
    .replace(/^( +(?:export )?type (\w+)(?:<.*?>)? = )(\2(?![\w$]).*;)$/gm, (_all, start, name, rest) => {
      outer.add(name)
      return `${start}outer.${rest}`
    })
  return `${merged}declare namespace outer {\n  export { ${[...outer].join(', ')} };\n}\n`
}

/**
 * An entry: the names that a module of the library exports, taken from the one file.
 * @param {string} path of the module, without extension
 * @param {ts.Program} program
 */
async function entry(path, program) {
  const checker = program.getTypeChecker()
  const file = program.getSourceFile(`${path}.d.ts`)
  const symbol = file === undefined ? undefined : checker.getSymbolAtLocation(file)
  if (symbol === undefined) throw new Error(`${path}.d.ts is no module`)
  const values = Object.keys(await import(pathToFileURL(`${path}.js`).href)).sort()
  const exported = checker.getExportsOfModule(symbol).map(({ name }) => name)
  const types = exported.filter((name) => !values.includes(name)).sort()
  const name = basename(path)
  writeFileSync(join(target, `${name}.js`), `export { ${values.join(', ')} } from './sluice.js'\n`)
  const all = [...values, ...types.map((one) => `type ${one}`)]
  writeFileSync(join(target, `${name}.d.ts`), `export { ${all.join(', ')} } from './sluice.js'\n`)
}

/**
 * workerd compiles WebAssembly of files alone. Each name is one of this module's own, so that a bundler which drops
 * modules that do nothing but hand on, as `sideEffects: false` allows, keeps this one.
 * @param {string[]} names
 */
function workerd(names) {
  const lines = names.map((name) => `export const ${name} = all.${name}`)
  return `import parser from './llhttp.wasm'\nimport * as all from './sluice.js'\n\nall.provideParser(parser)\n${lines.join('\n')}\n`
}

rmSync(target, { recursive: true, force: true })
mkdirSync(target, { recursive: true })
const [single, script, types] = await Promise.all([
  code('entries/single.js'),
  code('wire/script-engine.js'),
  declarations(),
])
writeFileSync(join(target, 'sluice.js'), single)
writeFileSync(join(target, 'sluice.d.ts'), types)
writeFileSync(join(target, 'script-engine.js'), script)
copyFileSync(join(root, 'lib/wire/llhttp.wasm'), join(target, 'llhttp.wasm'))
const names = Object.keys(await import(pathToFileURL(join(target, 'sluice.js')).href))
writeFileSync(join(target, 'workerd.js'), workerd(names))
const entries = readdirSync(join(library, 'entries')).filter((name) => name.endsWith('.js') && name !== 'single.js')
const paths = ['index', ...entries.map((name) => `entries/${name.slice(0, -3)}`)].map((path) => join(library, path))
// Names are all that is asked for, so nothing beyond these files need be read.
const program = ts.createProgram(
  paths.map((path) => `${path}.d.ts`),
  { module: ts.ModuleKind.NodeNext, noLib: true, types: [] },
)
for (const path of paths) await entry(path, program)
// The main entry is the file itself: one step less to load.
rmSync(join(target, 'index.js'))
