import { readFileSync } from 'node:fs'
import ts from 'typescript'
import * as errors from '../../lib/errors/public.js'

const FILES = ['errors.ts', 'errors/errors-with-properties.ts', 'errors/webassembly-error.ts', 'errors/never-thrown.ts']

/** Cause and fix from the docstring of an error class. */
interface Meaning {
  cause: string
  fix: string
}

/** Maps class names to meanings. Classes without a cause or a fix are omitted. */
export function meanings(text: string): Map<string, Meaning> {
  const file = ts.createSourceFile('errors.ts', text, ts.ScriptTarget.ES2023, true)
  const found = new Map<string, Meaning>()
  for (const statement of file.statements) {
    const comment = ts.getJSDocCommentsAndTags(statement)[0]?.comment
    const documentation = (typeof comment === 'string' ? comment : ts.getTextOfJSDocComment(comment)) ?? ''
    const [cause, fix] = documentation.replaceAll(/\s+/g, ' ').split(' Fix: ')
    if (cause === undefined || fix === undefined) continue
    const name = ts.isClassDeclaration(statement)
      ? statement.name
      : ts.isVariableStatement(statement)
        ? statement.declarationList.declarations[0]?.name
        : undefined
    if (name !== undefined) found.set(name.getText(), { cause: cause.replaceAll(/\{@link (\w+)\}/g, '$1'), fix })
  }
  return found
}

/** Names of all exported error classes, ordered by code. */
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

/** The table of all codes with cause and fix, as in lib/errors/README.md. */
export function errorTable(): string {
  const known = meaningsInLib()
  const rows = classes().map((name) => {
    const { cause, fix } = known.get(name) ?? { cause: '', fix: '' }
    const fault = sample(name).fault ?? '–'
    return `| \`${codeOf(name)}\` | \`${name}\` | ${fault} | ${cause} | ${fix} |`
  })
  return ['| `code` | Class | `fault` | Cause | What to do |', '|---|---|---|---|---|', ...rows].join('\n')
}
