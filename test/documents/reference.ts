import { join } from 'node:path'
import ts from 'typescript'

const OPTIONS = /(Options|Opts)$|^Timeouts$/
const UNIT =
  /\b(ms|bytes?|seconds?|percent|percentage|part|requests?|responses?|tries|times?|connections?|clients?|sessions?|origins?|hosts?|redirects|retry|checks?|numbers?|codes?|factor|weight|family|integer|port|addresses)\b/i
const SOURCE = /RFC \d{4}|Source:|Specific to sluice|[Ss]luice-specific|Not in undici/
/** Docstrings of options that need no default: rejected or ignored ones. */
const IDLE = /^(Withdrawn|Accepted and ignored|Ignored|Rejected: |Use )/

/** A TypeScript program whose exports are checked. */
export interface Library {
  program: ts.Program
  checker: ts.TypeChecker
  /** Entry files. */
  entries: readonly string[]
  /** Only declarations below this folder are checked. */
  root: string
}

export function libraryOf(root: string, entries: readonly string[]): Library {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent({ ...config, files: [], include: [] }, ts.sys, root)
  const program = ts.createProgram(
    entries.map((name) => join(root, name)),
    { ...options, noEmit: true },
  )
  return { program, checker: program.getTypeChecker(), entries: entries.map((name) => join(root, name)), root }
}

/** Returns missing parts of the reference, as `name: part`. */
export function lacks(library: Library): string[] {
  const visit = new Visit(library)
  for (const entry of library.entries) {
    const file = library.program.getSourceFile(entry)
    const module = file === undefined ? undefined : library.checker.getSymbolAtLocation(file)
    if (module === undefined) throw new Error(`${entry} exports nothing`)
    visit.exportsOf(module, '')
  }
  return [...visit.found].sort()
}

/** Returns the names of the options of an interface that have an effect. */
export function optionsOf({ program, checker, entries }: Library, name: string): string[] {
  const files = entries.map((entry) => program.getSourceFile(entry) as ts.SourceFile)
  const exported = files.flatMap((file) => checker.getExportsOfModule(checker.getSymbolAtLocation(file) as ts.Symbol))
  const alias = exported.find((symbol) => symbol.name === name)
  if (alias === undefined) throw new Error(`${name} is not exported`)
  const properties = checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(checker.getAliasedSymbol(alias)))
  const documentationOf = (symbol: ts.Symbol) => ts.displayPartsToString(symbol.getDocumentationComment(checker))
  return properties.filter((symbol) => !IDLE.test(documentationOf(symbol))).map((symbol) => symbol.name)
}

class Visit {
  readonly found = new Set<string>()
  readonly #library: Library
  readonly #seen = new Set<ts.Symbol>()

  constructor(library: Library) {
    this.#library = library
  }

  get #checker(): ts.TypeChecker {
    return this.#library.checker
  }

  exportsOf(module: ts.Symbol, prefix: string): void {
    for (const symbol of this.#checker.getExportsOfModule(module)) this.#exported(symbol, `${prefix}${symbol.name}`)
  }

  #exported(alias: ts.Symbol, name: string): void {
    const symbol = alias.flags & ts.SymbolFlags.Alias ? this.#checker.getAliasedSymbol(alias) : alias
    if (this.#seen.has(symbol)) return
    this.#seen.add(symbol)
    const declarations = (symbol.declarations ?? []).filter((one) => this.#isOurs(one))
    const [first] = declarations
    if (first === undefined) return
    if (ts.isSourceFile(first)) return this.exportsOf(symbol, `${name}.`)
    const text = this.#textOf(symbol)
    if (!/\w+ \w+.*\.$/s.test(text)) this.#lacks(name, 'no meaning')
    for (const one of declarations) this.#declared(one, name, text)
    if (symbol.exports !== undefined && declarations.some(ts.isModuleDeclaration)) {
      for (const inner of symbol.exports.values()) {
        if (!(inner.flags & ts.SymbolFlags.Prototype) && this.#isInNamespace(inner))
          this.#exported(inner, `${name}.${inner.name}`)
      }
    }
  }

  #isInNamespace(symbol: ts.Symbol): boolean {
    return symbol.declarations?.some((one) => ts.isModuleBlock(one.parent)) ?? false
  }

  #declared(one: ts.Declaration, name: string, text: string): void {
    if (ts.isInterfaceDeclaration(one) && OPTIONS.test(name)) this.#options(one, { name, text })
    const used = ts.isClassDeclaration(one) || ts.isFunctionDeclaration(one)
    const isError = this.#isError(one)
    if (used && !isError && !SOURCE.test(text)) this.#lacks(name, 'no source')
    if (ts.isFunctionDeclaration(one)) this.#throws(one, name)
    if (ts.isClassDeclaration(one) && !isError) this.#members(one, name)
  }

  /** Members, including inherited ones of this library. */
  #members(one: ts.ClassDeclaration, name: string): void {
    for (const member of one.members) this.#member(member, name)
    const clause = one.heritageClauses?.find(({ token }) => token === ts.SyntaxKind.ExtendsKeyword)?.types[0]
    const parent = clause === undefined ? undefined : this.#checker.getTypeAtLocation(clause).symbol
    for (const above of parent?.declarations ?? []) {
      if (!ts.isClassDeclaration(above) || !this.#isOurs(above) || this.#seen.has(parent as ts.Symbol)) continue
      this.#seen.add(parent as ts.Symbol)
      this.#members(above, parent?.name as string)
    }
  }

  /** Whether it is an error class, whose docstring has cause and remedy. */
  #isError(one: ts.Declaration): boolean {
    return /\blib[/\\]errors(\.ts$|[/\\])/.test(one.getSourceFile().fileName)
  }

  #options(one: ts.InterfaceDeclaration, { name, text }: { name: string; text: string }): void {
    if (!SOURCE.test(text)) this.#lacks(name, 'no source')
    for (const member of one.members) {
      if (!ts.isPropertySignature(member) && !ts.isMethodSignature(member)) continue
      const symbol = this.#checker.getSymbolAtLocation(member.name)
      if (symbol === undefined) continue
      const documentation = this.#textOf(symbol)
      const place = `${name}.${symbol.name}`
      if (documentation === '') this.#lacks(place, 'no meaning')
      else if (!IDLE.test(documentation)) {
        if (member.questionToken !== undefined && !/Default/.test(documentation)) this.#lacks(place, 'no default')
        const type = this.#checker.typeToString(this.#checker.getTypeAtLocation(member))
        if (/\bnumber\b/.test(type) && !UNIT.test(documentation) && !/\bms\b/.test(text)) this.#lacks(place, 'no unit')
      }
    }
  }

  #member(member: ts.ClassElement, owner: string): void {
    const flags = ts.getCombinedModifierFlags(member)
    if (flags & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) return
    if (member.name !== undefined && !ts.isIdentifier(member.name)) return
    if (ts.getJSDocTags(member).some(({ tagName }) => /^(internal|hidden)$/.test(tagName.text))) return
    const isMethod = ts.isMethodDeclaration(member) || ts.isConstructorDeclaration(member)
    const name = `${owner}.${ts.isConstructorDeclaration(member) ? 'constructor' : member.name?.getText()}`
    const symbol = member.name === undefined ? undefined : this.#checker.getSymbolAtLocation(member.name)
    const isHidden = symbol?.getJsDocTags(this.#checker).some((tag) => /^(internal|hidden)$/.test(tag.name)) ?? false
    if (isHidden) return
    if (symbol !== undefined && this.#textOf(symbol) === '') this.#lacks(name, 'no meaning')
    if (isMethod && member.body !== undefined) this.#throws(member, name)
  }

  /** Checks that a function that throws, or calls one with @throws, has @throws with the error class. */
  #throws(one: ts.FunctionDeclaration | ts.MethodDeclaration | ts.ConstructorDeclaration, name: string): void {
    const symbol = one.name === undefined ? undefined : this.#checker.getSymbolAtLocation(one.name)
    const found = symbol?.getJsDocTags(this.#checker)
    const tags =
      found?.map((tag) => ({ name: tag.name, text: ts.displayPartsToString(tag.text) })) ??
      ts.getJSDocTags(one).map((tag) => ({ name: tag.tagName.text, text: tag.getText().replace(/^@\w+\s*/, '') }))
    const throwsTags = tags.filter((tag) => tag.name === 'throws')
    if (throwsTags.some((tag) => !/^(\{|what )/.test(tag.text))) this.#lacks(name, 'a @throws that names no error')
    if (one.body === undefined || throwsTags.length > 0) return
    const reason = this.#thrownIn(one.body)
    if (reason !== null) this.#lacks(name, `no @throws, though ${reason}`)
  }

  /** Returns the thrown class, or null if the function does not throw synchronously. */
  #thrownIn(node: ts.Node): string | null {
    if (ts.isFunctionLike(node) || ts.isTryStatement(node)) return null
    if (ts.isThrowStatement(node)) return 'it throws'
    // A call without arguments can not pass an invalid argument.
    if ((ts.isCallExpression(node) || ts.isNewExpression(node)) && (node.arguments?.length ?? 0) > 0) {
      const declaration = this.#checker.getResolvedSignature(node)?.declaration
      const tags = declaration === undefined || !this.#isOurs(declaration) ? [] : ts.getJSDocTags(declaration)
      if (tags.some(({ tagName }) => tagName.text === 'throws')) return `${node.expression.getText()} does`
    }
    return ts.forEachChild(node, (child) => this.#thrownIn(child) ?? undefined) ?? null
  }

  /** Returns its own docstring, or that of its alias or the overridden member. */
  #textOf(symbol: ts.Symbol): string {
    const text = ts.displayPartsToString(symbol.getDocumentationComment(this.#checker)).trim()
    if (text !== '') return text
    for (const one of symbol.declarations ?? []) {
      if (!ts.isTypeAliasDeclaration(one)) continue
      const node = one.type
      const name = ts.isTypeReferenceNode(node) ? node.typeName : ts.isTypeQueryNode(node) ? node.exprName : undefined
      const target = name === undefined ? undefined : this.#checker.getSymbolAtLocation(name)
      if (target === undefined) continue
      return this.#textOf(target.flags & ts.SymbolFlags.Alias ? this.#checker.getAliasedSymbol(target) : target)
    }
    return ''
  }

  #isOurs(one: ts.Node): boolean {
    const { fileName } = one.getSourceFile()
    return fileName.startsWith(this.#library.root) && !fileName.includes('node_modules')
  }

  #lacks(name: string, what: string): void {
    this.found.add(`${name}: ${what}`)
  }
}
