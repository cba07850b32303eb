import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const sources = join(root, 'test/types')

/** How a user's project may be set up. */
export interface Mode {
  readonly resolution: 'nodenext' | 'bundler'
  readonly exactOptionalPropertyTypes: boolean
}

/** Names of the programs, without their extension. */
export function programNames(): string[] {
  return readdirSync(join(sources, 'programs')).map((name) => name.replace(/\.ts$/, ''))
}

function pathOf(name: string, typedAgainst: string): string {
  return join(sources, 'programs', `${name}.${typedAgainst}.ts`)
}

const texts = new Map<string, string>()
for (const name of programNames()) {
  const text = readFileSync(join(sources, 'programs', `${name}.ts`), 'utf8')
  texts.set(pathOf(name, 'undici'), text)
  texts.set(pathOf(name, 'sluice'), text.replaceAll(`from 'undici'`, `from 'sluice'`))
}

/** Parsed once for all modes. */
const parsed = new Map<string, ts.SourceFile | undefined>()

function hostOf(options: ts.CompilerOptions): ts.CompilerHost {
  const host = ts.createCompilerHost(options)
  const { fileExists, readFile, getSourceFile } = host
  host.fileExists = (path) => texts.has(path) || fileExists(path)
  host.readFile = (path) => texts.get(path) ?? readFile(path)
  host.getSourceFile = (path, settings, ...rest) => {
    const format = typeof settings === 'object' ? settings.impliedNodeFormat : undefined
    const key = `${path} ${format}`
    if (!parsed.has(key)) parsed.set(key, getSourceFile(path, settings, ...rest))
    return parsed.get(key)
  }
  return host
}

/** Errors of the compiler by file: all declarations of sluice, and each program as `<name>.undici` and `<name>.sluice`. */
export class Compilation {
  readonly #program: ts.Program

  /** @param extra files of this folder beside the programs */
  constructor({ resolution, exactOptionalPropertyTypes }: Mode, extra: readonly string[]) {
    const options: ts.CompilerOptions = {
      target: ts.ScriptTarget.ES2023,
      lib: ['lib.es2023.d.ts'],
      types: ['node'],
      module: resolution === 'nodenext' ? ts.ModuleKind.NodeNext : ts.ModuleKind.ESNext,
      moduleResolution: resolution === 'nodenext' ? ts.ModuleResolutionKind.NodeNext : ts.ModuleResolutionKind.Bundler,
      strict: true,
      exactOptionalPropertyTypes,
      noEmit: true,
    }
    const files = [...texts.keys(), ...extra.map((name) => join(sources, name))]
    this.#program = ts.createProgram(files, options, hostOf(options))
  }

  /** Of what does not compile. */
  ofProgram(name: string, typedAgainst: 'undici' | 'sluice'): string[] {
    return this.#of(pathOf(name, typedAgainst))
  }

  ofFile(name: string): string[] {
    return this.#of(join(sources, name))
  }

  /** Errors in the declarations of sluice, without skipLibCheck. */
  ofDeclarations(): string[] {
    const files = this.#program.getSourceFiles().map(({ fileName }) => fileName)
    const ours = files.filter((name) => name.startsWith(join(root, 'dist/package')))
    if (ours.length === 0) throw new Error('sluice was not found')
    return ours.flatMap((name) => this.#of(name))
  }

  /** What is exported under a name, and what under the names within it, types included. */
  names(typedAgainst: 'undici' | 'sluice'): Map<string, string[]> {
    const checker = this.#program.getTypeChecker()
    const file = this.#program.getSourceFile(join(sources, 'declarations/both-ways.ts'))
    const imports = file?.statements.filter((one) => ts.isImportDeclaration(one)) ?? []
    const specifier = imports.find((one) => one.moduleSpecifier.getText() === `'${typedAgainst}'`)?.moduleSpecifier
    const module = specifier === undefined ? undefined : checker.getSymbolAtLocation(specifier)
    if (module === undefined) throw new Error(`${typedAgainst} was not found`)
    const within = (symbol: ts.Symbol): string[] => {
      const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
      return target.exports === undefined ? [] : checker.getExportsOfModule(target).map(({ name }) => name)
    }
    return new Map(checker.getExportsOfModule(module).map((symbol) => [symbol.name, within(symbol)]))
  }

  #of(path: string): string[] {
    const file = this.#program.getSourceFile(path)
    if (file === undefined) throw new Error(`${path} is not compiled`)
    const found = [...this.#program.getSyntacticDiagnostics(file), ...this.#program.getSemanticDiagnostics(file)]
    return found.map(({ start = 0, messageText }) => {
      const { line } = file.getLineAndCharacterOfPosition(start)
      return `${path.slice(root.length)}:${line + 1} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
    })
  }
}
