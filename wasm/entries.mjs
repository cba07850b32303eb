// Creates the entries of dist/package, which re-export names of the one file.
import { basename } from 'node:path'
import { pathToFileURL } from 'node:url'
import ts from 'typescript'

/**
 * @typedef {object} Entry
 * @property {string} name
 * @property {Record<string, string>} files text by extension
 */

/**
 * Returns the entries for modules of the library: they re-export the names that the module exports.
 * @param {string[]} paths of modules, without extension
 * @returns {Promise<Entry[]>}
 */
export async function entriesOf(paths) {
  // Only names are read, so no other files are loaded.
  const program = ts.createProgram(
    paths.map((path) => `${path}.d.ts`),
    { module: ts.ModuleKind.NodeNext, noLib: true, types: [] },
  )
  return Promise.all(paths.map((path) => entryOf(path, program)))
}

/**
 * @param {string} path
 * @param {ts.Program} program
 */
async function entryOf(path, program) {
  const checker = program.getTypeChecker()
  const file = program.getSourceFile(`${path}.d.ts`)
  const symbol = file === undefined ? undefined : checker.getSymbolAtLocation(file)
  if (symbol === undefined) throw new Error(`${path}.d.ts is not a module: build dist/lib first`)
  const values = Object.keys(await import(pathToFileURL(`${path}.js`).href)).sort()
  const exported = checker.getExportsOfModule(symbol).map(({ name }) => name)
  const types = exported.filter((name) => !values.includes(name)).sort()
  const all = [...values, ...types.map((one) => `type ${one}`)].join(', ')
  const list = values.join(', ')
  return {
    name: basename(path),
    files: {
      '.js': `export { ${list} } from './sluice.js'\n`,
      '.min.js': `export { ${list} } from './sluice.min.js'\n`,
      // Assigned one by one, so that Node finds the names for `import`.
      '.cjs': `const all = require('./sluice.cjs')\n${values.map((one) => `exports.${one} = all.${one}\n`).join('')}`,
      '.d.ts': `export { ${all} } from './sluice.js'\n`,
      '.d.cts': `export { ${all} } from './sluice.cjs'\n`,
    },
  }
}

/**
 * Returns the declarations of the main entry. Its code is the one file itself, so that importing it loads one file. The
 * default export is all that the file exports.
 * @param {Entry} entry
 * @returns {Record<string, string>}
 */
export function mainEntry({ files }) {
  /** @param {string} code @param {string} declarations extensions */
  const withDefault = (code, declarations) =>
    `import * as sluice from './sluice${code}'\n${files[declarations]}export default sluice\n`
  return { '.d.ts': withDefault('.js', '.d.ts'), '.d.cts': withDefault('.cjs', '.d.cts') }
}

/**
 * Returns the entry for workerd, which compiles WebAssembly only from files. It declares each name itself, because bundlers
 * remove modules that only re-export, as `sideEffects: false` allows.
 * @param {string[]} names
 */
export function workerdEntry(names) {
  const lines = names.map((name) => `export const ${name} = all.${name}`)
  const start = "import parser from './llhttp.wasm'\nimport * as all from './sluice.js'\n\nall.provideParser(parser)\n"
  return `${start}${lines.join('\n')}\nexport default all.default\n`
}
