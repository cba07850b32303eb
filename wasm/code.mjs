// Bundles the code of dist/package from the modules that tsc writes to dist/lib.
import { transform } from 'esbuild'
import { rollup } from 'rollup'
import { minify } from 'terser'
import ts from 'typescript'

const SCRIPT_ENGINE = /\/script-engine\.js$/

/**
 * Code of a module with all that it imports, except Node's modules and the parser for runtimes without WebAssembly.
 * @typedef {object} Code
 * @property {string} readable ES module with the names of the source, one statement a line
 * @property {string} commonjs CommonJS with the names of the source, in lines of 100 characters
 * @property {string} minified ES module
 */

/**
 * Bundles a module. With `names`, the bundle has a default export.
 * @param {string} input path
 * @param {string[]} [names] exported names
 * @returns {Promise<Code>}
 */
export async function bundleCode(input, names) {
  const bundle = await rollup({
    input: names === undefined ? input : WITH_DEFAULT,
    external: (id) => id.startsWith('node:') || (SCRIPT_ENGINE.test(id) && id !== input),
    plugins: names === undefined ? [] : [withDefault(input, names)],
    treeshake: { moduleSideEffects: false },
  })
  const module = binaryLast(await generate(bundle, 'es'))
  const commonjs = await generate(bundle, 'cjs', names === undefined ? '' : 'module.exports = sluice')
  await bundle.close()
  const [readable, short, small] = [await printed(module), await packed(commonjs), await minified(module)]
  return { readable: restoreAnnotations(readable), commonjs: short, minified: restoreAnnotations(small) }
}

const WITH_DEFAULT = 'with-default'

/**
 * Adds a default export to a module: one object with all exports, which is also what `require` returns on Node. Its
 * properties can be replaced, as tests do with mocks; those of a module namespace can not. The object is pure, so that
 * bundlers can remove it.
 * @param {string} input
 * @param {string[]} names
 * @returns {import('rollup').Plugin}
 */
function withDefault(input, names) {
  const list = names.join(', ')
  const text = `import { ${list} } from ${JSON.stringify(input)}
const sluice = { ${list}, get default() { return sluice } }
export { ${list}, sluice as default, sluice as 'module.exports' }
`
  return {
    name: 'default export',
    resolveId: (id) => (id === WITH_DEFAULT ? id : null),
    load: (id) => (id === WITH_DEFAULT ? text : null),
  }
}

/**
 * @param {import('rollup').RollupBuild} bundle
 * @param {'es' | 'cjs'} format
 * @param {string} [outro] last statement
 */
async function generate(bundle, format, outro = '') {
  const { output } = await bundle.generate({
    format,
    outro,
    exports: 'named',
    interop: 'default',
    // jest loads no ES module from CommonJS.
    dynamicImportInCjs: false,
    paths: (id) => (SCRIPT_ENGINE.test(id) ? `./script-engine.${format === 'es' ? 'js' : 'cjs'}` : id),
  })
  if (output.length !== 1) throw new Error(`the code was bundled into ${output.length} files, expected 1`)
  return output[0].code
}

/**
 * Moves the base64 parser to the end. It compresses worse in one block with code: that was 1 KB of a bundle.
 * @param {string} text
 */
function binaryLast(text) {
  const [binary = ''] = text.match(/^const packed = .*\n/m) ?? []
  return text.replace(binary, '') + binary
}

/**
 * Removes comments, and prints one statement a line. Non-ASCII characters are escaped: they would double the memory of the
 * source text.
 * @param {string} text
 */
async function printed(text) {
  const format = { beautify: true, comments: false, ascii_only: true, indent_level: 1, preserve_annotations: true }
  const { code = '' } = await minify(text, { module: true, mangle: false, compress: false, format })
  return `${code}\n`
}

/**
 * Removes comments and white space and shortens local names. Names of functions and classes are kept, and lines are short,
 * because Node prints the line of an uncaught error.
 * @param {string} text
 */
async function packed(text) {
  const mangle = { keep_fnames: true, keep_classnames: true }
  const { code = '' } = await minify(text, { mangle, compress: false, format: { max_line_len: 120, ascii_only: true } })
  return `${code}\n`
}

/**
 * Minifies code by terser, which inlines constants, and then by esbuild.
 * @param {string} text
 */
async function minified(text) {
  const { code: compressed = '' } = await minify(text, {
    module: true,
    ecma: 2020,
    mangle: false,
    // Parameters are kept, because programs read the length of some functions.
    compress: { inline: 1, reduce_funcs: false, keep_fargs: true },
  })
  const { code } = await transform(compressed, {
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
