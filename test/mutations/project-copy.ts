import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import type { Mutation } from './list.js'

export const root = fileURLToPath(new URL('../../..', import.meta.url))

/** Returns the unchanged source of the file that a mutation changes. */
export function originalSource(mutation: Mutation): string {
  return readFileSync(join(root, 'lib', `${mutation.file}.ts`), 'utf8')
}

/**
 * Returns the source with the mutation applied.
 * @throws If the code to replace does not occur exactly once.
 */
export function mutatedSource(mutation: Mutation): string {
  const parts = originalSource(mutation).split(mutation.from)
  if (parts.length !== 2) {
    throw new Error(`lib/${mutation.file}.ts must contain this once, found ${parts.length - 1}: ${mutation.from}`)
  }
  return parts.join(mutation.to)
}

// Without verbatimModuleSyntax, transpileModule would drop imports: it sees one file, no package.json.
const compilerOptions = { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true }

/**
 * Compiles TypeScript to JavaScript.
 * @throws If the text has a syntax error: every test would fail for that alone.
 */
export function compile(text: string): string {
  const { outputText, diagnostics = [] } = ts.transpileModule(text, { compilerOptions, reportDiagnostics: true })
  const [error] = diagnostics
  if (error !== undefined) throw new Error(ts.flattenDiagnosticMessageText(error.messageText, '\n'))
  return outputText
}

/** A temporary copy of the built project, in which files of the library can be changed. */
export class ProjectCopy {
  readonly #folder = mkdtempSync(join(tmpdir(), 'sluice-mutations-'))
  readonly #project = join(this.#folder, 'project')

  constructor() {
    // Tests look for the shared cases beside the project.
    symlinkSync(join(root, '..', 'shared'), join(this.#folder, 'shared'))
    cpSync(join(root, 'dist'), join(this.#project, 'dist'), { recursive: true })
    for (const name of readdirSync(root)) {
      if (name !== 'dist' && name !== '.git') symlinkSync(join(root, name), join(this.#project, name))
    }
  }

  /** Returns the path of a compiled test in this copy. */
  testFile(name: string): string {
    return join(this.#project, 'dist/test', `${name}.test.js`)
  }

  apply(mutation: Mutation): void {
    writeFileSync(this.#compiledFile(mutation), compile(mutatedSource(mutation)))
  }

  /** Restores the original file. It is compiled in the same way as {@link apply} does, so that only the mutation differs. */
  restore(mutation: Mutation): void {
    writeFileSync(this.#compiledFile(mutation), compile(originalSource(mutation)))
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #compiledFile(mutation: Mutation): string {
    return join(this.#project, 'dist/lib', `${mutation.file}.js`)
  }
}
