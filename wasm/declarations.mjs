// Creates the declarations of dist/package from the .d.ts files that tsc writes to dist/lib.
import { pathToFileURL } from 'node:url'
import { rollup } from 'rollup'
import { dts } from 'rollup-plugin-dts'
import ts from 'typescript'

/**
 * Bundles the declarations of a module and of all that it imports into one file.
 * @param {string} input path of the module's .d.ts
 * @returns {Promise<string>}
 */
export async function bundleDeclarations(input) {
  const bundle = await rollup({
    input,
    external: /^node:/,
    plugins: [dts()],
    // It warns about augmentations, which `fixDeclarations` handles.
    onLog: () => {},
  })
  const { output } = await bundle.generate({ format: 'es' })
  await bundle.close()
  const values = Object.keys(await import(pathToFileURL(input.replace(/\.d\.ts$/, '.js')).href))
  return removeSources(removeUnused(markTypes(fixDeclarations(output[0].code), new Set(values))))
}

/**
 * Marks exports that have no value at runtime as types: the bundler exports each class as a value.
 * @param {string} text
 * @param {Set<string>} values exported names
 */
function markTypes(text, values) {
  const nameOf = (/** @type {string} */ one) => one.split(' as ').at(-1) ?? one
  return text.replace(/^export \{ (.*) \};$/m, (_all, list) => {
    const names = list.split(', ').map((/** @type {string} */ one) => (values.has(nameOf(one)) ? one : `type ${one}`))
    return `export { ${names.join(', ')} };`
  })
}

/**
 * Removes sources and indentation from declarations. The sources of rules are in the code and in the reference.
 * @param {string} text
 */
function removeSources(text) {
  return text
    .replace(/ Source: undici's `[\w./]+`\.(?= |\n)/g, '')
    .replace(/^ +\* Source: undici's `[\w./]+`\.\n/gm, '')
    .replace(/^ +/gm, '')
}

/**
 * Removes declarations that no exported declaration refers to.
 * @param {string} text
 */
function removeUnused(text) {
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
 * Corrects what rollup-plugin-dts can not bundle:
 * - The augmentation of a module becomes a second declaration of the interface in the same file.
 * - A namespace made from a module lacks the values of names that are types too.
 * - A namespace made from a module has a made-up name, which editors show: it gets the name that it is exported by.
 * - Without a reference, the types of Node are missing in programs that do not list them in `types`.
 * @param {string} text
 */
function fixDeclarations(text) {
  const merged = text
    .replace(/^declare module ['"][^'"]+['"] \{\n([\s\S]*?)\n\}$/gm, (_all, inner) => inner)
    .replace(/^(?:type|declare const) \w+_d_.*;\n/gm, '')
    .replace(/^declare namespace (\w+_d) \{\n([\s\S]*?)\n\}$/gm, (_all, name, inner) => {
      // A name that another module uses too stays renamed: `Request$1 as Request`.
      const names = inner.match(/[\w$]+ as \w+/g).map((one) => one.replace(new RegExp(`^${name}_(\\w+) as \\1$`), '$1'))
      return `declare namespace ${name} {\n  export { ${names.join(', ')} };\n}`
    })
  const namespaces = [...merged.matchAll(/\b(\w+_d) as (\w+)/g)]
  const named = namespaces.reduce(
    (all, [whole, local, name]) => all.replace(whole, name).replaceAll(new RegExp(`\\b${local}\\b`, 'g'), name),
    merged,
  )
  return `/// <reference types="node" />\n${named}`
}
