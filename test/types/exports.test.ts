/** Every type that a public signature refers to is exported, by each entry: otherwise declarations can not name it. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import t from 'tap'
import ts from 'typescript'

const folder = fileURLToPath(new URL('../../../dist/package/', import.meta.url))
/** Contains all declarations: the other files re-export them. */
const DECLARATIONS = 'sluice.d.cts'
const entries = readdirSync(folder).filter((name) => /\.d\.c?ts$/.test(name))
const program = ts.createProgram(
  entries.map((name) => join(folder, name)),
  { module: ts.ModuleKind.NodeNext, noLib: true, types: [] },
)
const checker = program.getTypeChecker()

/** Aliases without a public name: the compiler writes what they stand for. */
const EXPANDED = new Set(['AnyListener', 'EventName', 'NotNull', 'Nullable', 'Optional', 'Options'])

function resolved(symbol: ts.Symbol): ts.Symbol {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
}

/** Adds what a module or namespace exports, with the members of exported namespaces. */
function addExports(module: ts.Symbol, found: Set<ts.Symbol>): Set<ts.Symbol> {
  for (const symbol of checker.getExportsOfModule(module).map(resolved)) {
    if (found.has(symbol)) continue
    found.add(symbol)
    if (symbol.flags & ts.SymbolFlags.Module) addExports(symbol, found)
  }
  return found
}

function isPrivate(node: ts.Node): boolean {
  return ts.canHaveModifiers(node) && (node.modifiers ?? []).some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword)
}

/** Adds the types that a declaration refers to, without those of Node, type parameters and members. */
function addReferences(node: ts.Node, found: Set<ts.Symbol>): void {
  if (isPrivate(node)) return
  if (ts.isIdentifier(node)) {
    const symbol = checker.getSymbolAtLocation(node)
    const target = symbol === undefined ? undefined : resolved(symbol)
    const declared = target?.declarations?.[0]
    const outer = declared?.parent.parent
    const named =
      declared !== undefined && (ts.isSourceFile(declared.parent) || (outer && ts.isModuleDeclaration(outer)))
    if (target !== undefined && named && declared.getSourceFile().fileName.startsWith(folder)) found.add(target)
  }
  ts.forEachChild(node, (child) => addReferences(child, found))
}

function missingNames(entry: string): string[] {
  const file = program.getSourceFile(join(folder, entry))
  const module = file && checker.getSymbolAtLocation(file)
  if (module === undefined) throw new Error(`${entry} exports nothing`)
  const exported = addExports(module, new Set())
  const reachable = new Set(exported)
  // A Set yields what is added during the iteration, too.
  for (const symbol of reachable) for (const one of symbol.declarations ?? []) addReferences(one, reachable)
  const missing = [...reachable].filter((symbol) => !exported.has(symbol))
  const named = missing.filter(({ name, flags }) => !(flags & ts.SymbolFlags.TypeAlias && EXPANDED.has(name)))
  return named.map(({ name }) => name)
}

t.ok(entries.length >= 11)
for (const entry of entries) {
  t.test(`${entry} exports each type that its declarations refer to`, async (t) => {
    t.strictSame(missingNames(entry), [])
  })
}

t.test('no name has a suffix of the bundler, and no overload accepts only `never`', async (t) => {
  const text = program.getSourceFile(join(folder, DECLARATIONS))?.text ?? ''
  t.strictSame(text.match(/\b\w+(?:\$\d+|_d)\b/g), null)
  t.notMatch(text, /options: never|\bouter\./)
  t.match(text, /^\/\/\/ <reference types="node" \/>\n/)
})

t.test('the main entry exports each name of the others, because compilers name types by it', async (t) => {
  const namesOf = (entry: string) => {
    const file = program.getSourceFile(join(folder, entry))
    const module = file && checker.getSymbolAtLocation(file)
    return module === undefined ? [] : checker.getExportsOfModule(module).map(({ name }) => name)
  }
  const names = new Set(namesOf('index.d.ts'))
  t.strictSame(
    namesOf(DECLARATIONS).filter((name) => !names.has(name)),
    ['provideParser'],
  )
})

t.test('each name that is declared as a value exists', async (t) => {
  const file = program.getSourceFile(join(folder, DECLARATIONS))
  const symbol = file && checker.getSymbolAtLocation(file)
  if (symbol === undefined) throw new Error(`${DECLARATIONS} exports nothing`)
  const isType = (one: ts.Symbol) =>
    one.declarations?.some((node) => ts.isExportSpecifier(node) && (node.isTypeOnly || node.parent.parent.isTypeOnly))
  const values = checker.getExportsOfModule(symbol).filter((one) => !isType(one))
  const module = await import(pathToFileURL(join(folder, 'sluice.js')).href)
  // For `require` and default imports, the bundle also exports all names together, by two more names.
  const names = Object.keys(module).filter((name) => name !== 'default' && name !== 'module.exports')
  t.strictSame(values.map(({ name }) => name).sort(), names.sort())
})
