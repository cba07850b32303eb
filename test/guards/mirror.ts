import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import type { Guard } from './guards.js'

export const root = fileURLToPath(new URL('../../..', import.meta.url))

export function sourceOf(guard: Guard): string {
  return readFileSync(join(root, 'lib', `${guard.file}.ts`), 'utf8')
}

/** @throws what is to be taken away stands there not once, but never or often */
export function without(guard: Guard): string {
  const parts = sourceOf(guard).split(guard.from)
  if (parts.length !== 2) throw new Error(`lib/${guard.file}.ts has this ${parts.length - 1} times: ${guard.from}`)
  return parts.join(guard.to)
}

// A file by itself is not seen to stand in a package of ES modules.
const compilerOptions = { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true }

/** @throws it is no TypeScript: a test would fail for that alone */
export function compiled(text: string): string {
  const { outputText, diagnostics = [] } = ts.transpileModule(text, { compilerOptions, reportDiagnostics: true })
  const [wrong] = diagnostics
  if (wrong !== undefined) throw new Error(ts.flattenDiagnosticMessageText(wrong.messageText, '\n'))
  return outputText
}

/** The project as it is built, in a place of its own: one line of the library can be changed there. */
export class Mirror {
  readonly #folder = mkdtempSync(join(tmpdir(), 'sluice-guards-'))
  readonly #project = join(this.#folder, 'project')

  constructor() {
    // Tests look for the shared cases beside the project.
    symlinkSync(join(root, '..', 'shared'), join(this.#folder, 'shared'))
    cpSync(join(root, 'dist'), join(this.#project, 'dist'), { recursive: true })
    for (const name of readdirSync(root)) {
      if (name !== 'dist' && name !== '.git') symlinkSync(join(root, name), join(this.#project, name))
    }
  }

  /** Where a test of it is. */
  test(name: string): string {
    return join(this.#project, 'dist/test', `${name}.test.js`)
  }

  take(guard: Guard): void {
    writeFileSync(this.#compiled(guard), compiled(without(guard)))
  }

  /** As it was, but by the same way as what {@link take} leaves: that alone must make no difference. */
  giveBack(guard: Guard): void {
    writeFileSync(this.#compiled(guard), compiled(sourceOf(guard)))
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #compiled(guard: Guard): string {
    return join(this.#project, 'dist/lib', `${guard.file}.js`)
  }
}
