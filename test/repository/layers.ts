import ts from 'typescript'

/** One source file of lib. */
export interface Source {
  /** `wire/parser.ts` */
  readonly path: string
  readonly text: string
}

/** Layers by level, the lowest first: a file may import from its own layer and from layers of lower levels. */
const levels: readonly (readonly string[])[] = [
  ['errors', 'base', 'diagnostics'],
  ['wire', 'transport', 'balance'],
  ['exchange'],
  ['connection'],
  ['api'],
  ['dispatcher'],
  ['interceptors', 'proxy'],
  ['global'],
  ['types'],
  ['index'],
  ['entries'],
]

function layerOf(path: string): string {
  const first = path.split('/')[0] as string
  return first.replace(/\.ts$/, '')
}

function levelOf(layer: string): number {
  return levels.findIndex((layers) => layers.includes(layer))
}

interface Import {
  readonly from: string
  /** Whether the import is erased by the compiler. */
  readonly typesOnly: boolean
}

/** Returns all imports of a file: by statement, re-export, call or type. */
function importsOf(source: Source): Import[] {
  const found: Import[] = []
  const visit = (node: ts.Node): void => {
    const specifier = specifierOf(node)
    if (specifier !== undefined && ts.isStringLiteralLike(specifier)) {
      found.push({ from: specifier.text, typesOnly: isTypesOnly(node) })
    }
    ts.forEachChild(node, visit)
  }
  visit(parse(source))
  return found
}

function parse(source: Source): ts.SourceFile {
  return ts.createSourceFile(source.path, source.text, ts.ScriptTarget.Latest, true)
}

/** Functions that load a module; `builtin` is the one of base/builtin-modules.ts. */
const LOADERS = ['require', 'builtinModule', 'process.getBuiltinModule']

function specifierOf(node: ts.Node): ts.Node | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier
  if (ts.isExternalModuleReference(node)) return node.expression
  if (ts.isImportTypeNode(node)) return ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined
  if (!ts.isCallExpression(node)) return undefined
  const { kind } = node.expression
  const loads = kind === ts.SyntaxKind.ImportKeyword || LOADERS.includes(node.expression.getText())
  return loads ? node.arguments[0] : undefined
}

function isTypesOnly(node: ts.Node): boolean {
  if (ts.isImportTypeNode(node)) return true
  if (ts.isExportDeclaration(node)) return node.isTypeOnly
  if (!ts.isImportDeclaration(node)) return false
  const clause = node.importClause
  const named = clause?.namedBindings
  const elements = named !== undefined && ts.isNamedImports(named) ? named.elements : null
  const allTypes = clause?.name === undefined && elements?.every((element) => element.isTypeOnly) === true
  return clause?.isTypeOnly === true || allTypes
}

/** Returns imports that do not go to a lower level. Every layer may import the errors. */
export function importProblems(source: Source): string[] {
  const layer = layerOf(source.path)
  const complaints: string[] = []
  for (const { from } of importsOf(source)) {
    if (!from.startsWith('.')) continue
    const target = layerOf(new URL(from, `file:///${source.path}`).pathname.slice(1).replace(/\.js$/, '.ts'))
    if (target === layer || target === 'errors') continue
    if (levelOf(target) < 0 || levelOf(target) >= levelOf(layer)) complaints.push(`${source.path} imports ${from}`)
  }
  return complaints
}

const TIMERS = /\b(setTimeout|setInterval)\b/

/** Returns what a file does although its layer must not. */
export function layerProblems(source: Source): string[] {
  const layer = layerOf(source.path)
  const imports = importsOf(source)
  const values = imports.filter((one) => !one.typesOnly).map((one) => one.from)
  const complaints: string[] = []
  const forbid = (wrong: boolean, what: string) => {
    if (wrong) complaints.push(`${source.path}: ${what}`)
  }
  const code = withoutComments(source.text)
  forbid(source.path !== 'base/clock.ts' && TIMERS.test(code), 'only base/clock.ts sets timers')
  forbid(layer !== 'transport' && values.some((name) => /^node:(net|tls)$/.test(name)), 'only transport opens sockets')
  forbid(layer !== 'diagnostics' && values.includes('node:diagnostics_channel'), 'only diagnostics has channels')
  forbid(layer !== 'dispatcher' && values.includes('node:events'), 'only dispatcher has event emitters')
  forbid(layer !== 'wire' && /(?<!')\bWebAssembly\b/.test(code), 'only wire knows WebAssembly')
  forbid(layer === 'wire' && values.some((name) => name.startsWith('node:')), 'wire imports no module of Node')
  forbid(layer === 'wire' && /\b(async|await|Promise|queueMicrotask)\b/.test(code), 'wire is synchronous')
  forbid(layer === 'balance' && /Math\.random|Date\.now/.test(code), 'balance is pure')
  // The built-in fetch of Node finds its dispatcher, and `util.inspect` its method, by a symbol only.
  const reachesOut = ['global/fetch-hooks.ts', 'base/inspect-symbol.ts'].includes(source.path)
  forbid(
    !reachesOut && /\bSymbol\.for\(|\bexport const \w+[^=\n]*= Symbol\(/.test(code),
    'no symbols to reach into another module',
  )
  forbid(
    imports.some(({ from }) => !/^([.#]|node:)/.test(from)),
    'lib depends on no package',
  )
  return complaints
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
}

const MAX_FILE = 400
const MAX_FUNCTION = 70
const MAX_PARAMETERS = 3

/** Returns what is longer, or has more parameters, than the project allows. */
export function sizeProblems(source: Source): string[] {
  const complaints: string[] = []
  const lines = source.text.split('\n').length - 1
  if (lines > MAX_FILE) complaints.push(`${source.path} has ${lines} lines`)
  const file = parse(source)
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
      const from = file.getLineAndCharacterOfPosition(node.getStart()).line
      const length = file.getLineAndCharacterOfPosition(node.end).line - from + 1
      const name = node.name?.getText() ?? 'a function'
      if (length > MAX_FUNCTION) complaints.push(`${source.path}: ${name} has ${length} lines`)
      const documented =
        ['_write', 'onRequestUpgrade', 'onResponseStart'].includes(name) ||
        (ts.isConstructorDeclaration(node) && source.path === 'interceptors/redirect-handler.ts')
      if (node.parameters.length > MAX_PARAMETERS && !documented) {
        complaints.push(`${source.path}: ${name} has ${node.parameters.length} parameters`)
      }
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return complaints
}
