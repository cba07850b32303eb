import ts from 'typescript'
import { parseSource } from './words.js'

/** Openings that need the name of the symbol, or the sentence before, to be understood. */
const DEPENDENT =
  /^(who|whom|whose|what|which|that|those|these|this|where|when|while|whatever|how|one (that|which|of)|it|its|as|of|under|null|true|false)\b/i

type Documented = ts.Node & { readonly jsDoc?: readonly ts.JSDoc[] }

/** Returns the exports whose docstring is missing, or does not begin with a sentence that is understood by itself. */
export function docstringProblems(path: string, text: string): string[] {
  const file = parseSource(path, text)
  const declared = new Set<string>()
  return file.statements.flatMap((statement) => {
    if (!isExportedDeclaration(statement)) return []
    const name = nameOf(statement)
    // The docstring of the first declaration serves overloads, and the type of a class of the same name.
    if (declared.has(name)) return []
    declared.add(name)
    const problem = problemOf(docstringOf(statement))
    return problem === null ? [] : [`${path}: ${name}: ${problem}`]
  })
}

/** Returns the required `@example`s that are missing; `required` lists the names of symbols by their file. */
export function missingExamples(path: string, text: string, required: Readonly<Record<string, readonly string[]>>) {
  const names = new Set(required[path] ?? [])
  const documented = new Set<string>()
  const visit = (node: ts.Node): void => {
    const name = (node as { name?: ts.Node }).name?.getText()
    if (name !== undefined && names.has(name) && hasExample(node)) documented.add(name)
    ts.forEachChild(node, visit)
  }
  visit(parseSource(path, text))
  return [...names].filter((name) => !documented.has(name)).map((name) => `${path}: ${name} has no @example`)
}

function hasExample(node: ts.Node): boolean {
  return ts.getJSDocTags(node).some((tag) => tag.tagName.text === 'example')
}

function isExportedDeclaration(node: ts.Statement): boolean {
  const declares =
    ts.isFunctionDeclaration(node) ||
    ts.isClassDeclaration(node) ||
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) ||
    ts.isVariableStatement(node)
  return declares && node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true
}

function nameOf(node: ts.Node): string {
  if (ts.isVariableStatement(node))
    return node.declarationList.declarations.map(({ name }) => name.getText()).join(', ')
  return (node as { name?: ts.Node }).name?.getText() ?? 'default'
}

function docstringOf(node: Documented): string | null {
  const [last] = [...(node.jsDoc ?? [])].reverse()
  return last === undefined ? null : (ts.getTextOfJSDocComment(last.comment) ?? '')
}

function problemOf(docstring: string | null): string | null {
  if (docstring === null) return 'has no docstring'
  const sentence = /^[\s\S]*?\.(?=\s|$)/.exec(docstring)?.[0]
  if (sentence === undefined) return 'the first sentence of the docstring does not end in a period'
  if (DEPENDENT.test(sentence)) return `the first sentence of the docstring begins with "${sentence.split(/\s/, 1)[0]}"`
  return null
}
