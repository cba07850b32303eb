import { readFileSync } from 'node:fs'
import ts from 'typescript'
import * as errors from '../../lib/errors/public.js'

const FILES = ['errors.ts', 'errors/errors-with-properties.ts', 'errors/webassembly-error.ts', 'errors/never-thrown.ts']

/** What the docstring of an error says. */
interface Meaning {
  cause: string
  cure: string
}

/** Meanings by the name of the class; what lacks a cause or a cure is left out. */
export function meanings(text: string): Map<string, Meaning> {
  const file = ts.createSourceFile('errors.ts', text, ts.ScriptTarget.ES2023, true)
  const found = new Map<string, Meaning>()
  for (const statement of file.statements) {
    const comment = ts.getJSDocCommentsAndTags(statement)[0]?.comment
    const said = (typeof comment === 'string' ? comment : ts.getTextOfJSDocComment(comment)) ?? ''
    const [cause, cure] = said.replaceAll(/\s+/g, ' ').split(' Cure: ')
    if (cause === undefined || cure === undefined) continue
    const name = ts.isClassDeclaration(statement)
      ? statement.name
      : ts.isVariableStatement(statement)
        ? statement.declarationList.declarations[0]?.name
        : undefined
    if (name !== undefined) found.set(name.getText(), { cause: cause.replaceAll(/\{@link (\w+)\}/g, '$1'), cure })
  }
  return found
}

/** Names of all that is exported as a class of errors, in the order of their codes. */
export function classes(): string[] {
  const names = Object.entries(errors).filter(([name, value]) => typeof value === 'function' && name !== 'UndiciError')
  return names.map(([name]) => name).sort((a, b) => (codeOf(a) < codeOf(b) ? -1 : 1))
}

function sample(name: string): Error & { code?: string; fault?: string } {
  const Class = errors[name as keyof typeof errors] as unknown as new (...values: unknown[]) => Error
  return new Class(...(name === 'HTTPParserError' ? ['', '…'] : []))
}

function codeOf(name: string): string {
  return sample(name).code ?? ''
}

export function meaningsInLib(): Map<string, Meaning> {
  const all = FILES.flatMap((path) => [
    ...meanings(readFileSync(new URL(`../../../lib/${path}`, import.meta.url), 'utf8')),
  ])
  return new Map(all)
}

/** All codes with cause and cure, as they stand in the README. */
export function errorTable(): string {
  const known = meaningsInLib()
  const rows = classes().map((name) => {
    const { cause, cure } = known.get(name) ?? { cause: '', cure: '' }
    const fault = sample(name).fault ?? '–'
    return `| \`${codeOf(name)}\` | \`${name}\` | ${fault} | ${cause} | ${cure} |`
  })
  return ['| `code` | class | `fault` | cause | cure |', '|---|---|---|---|---|', ...rows].join('\n')
}
