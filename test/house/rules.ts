import ts from 'typescript'

/** One source file of lib. */
export interface Source {
  /** `wire/parser.ts` */
  readonly path: string
  readonly text: string
}

/** Rooms from the ground up: a file may import from its own room and from rooms of a lower floor. */
const floors: readonly (readonly string[])[] = [
  ['errors', 'base', 'diagnostics'],
  ['wire', 'transport', 'balance'],
  ['exchange'],
  ['connection'],
  ['api'],
  ['dispatcher'],
  ['interceptors', 'proxy'],
  ['global'],
  ['index'],
  ['entries'],
]

function roomOf(path: string): string {
  const first = path.split('/')[0] as string
  return first.replace(/\.ts$/, '')
}

function floorOf(room: string): number {
  return floors.findIndex((rooms) => rooms.includes(room))
}

interface Import {
  readonly from: string
  /** Nothing of it is left when the program runs. */
  readonly typesOnly: boolean
}

/** All that a file imports: by statement, by re-export, by call, by type. */
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

/** `builtin` of base/builtin.ts loads what an import would. */
const LOADERS = ['require', 'builtin', 'process.getBuiltinModule']

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

/** Imports go down only; rooms of one floor are blind to one another, but for the errors that all may use. */
export function climbs(source: Source): string[] {
  const room = roomOf(source.path)
  const complaints: string[] = []
  for (const { from } of importsOf(source)) {
    if (!from.startsWith('.')) continue
    const target = roomOf(new URL(from, `file:///${source.path}`).pathname.slice(1).replace(/\.js$/, '.ts'))
    if (target === room || target === 'errors') continue
    if (floorOf(target) < 0 || floorOf(target) >= floorOf(room)) complaints.push(`${source.path} imports ${from}`)
  }
  return complaints
}

const TIMERS = /\b(setTimeout|setInterval)\b/

/** What a room must not do. */
export function trespasses(source: Source): string[] {
  const room = roomOf(source.path)
  const imports = importsOf(source)
  const values = imports.filter((one) => !one.typesOnly).map((one) => one.from)
  const complaints: string[] = []
  const forbid = (wrong: boolean, what: string) => {
    if (wrong) complaints.push(`${source.path}: ${what}`)
  }
  const code = withoutComments(source.text)
  forbid(source.path !== 'base/clock.ts' && TIMERS.test(code), 'only base/clock.ts sets timers')
  forbid(room !== 'transport' && values.some((name) => /^node:(net|tls)$/.test(name)), 'only transport opens sockets')
  forbid(room !== 'diagnostics' && values.includes('node:diagnostics_channel'), 'only diagnostics has channels')
  forbid(room !== 'dispatcher' && values.includes('node:events'), 'only dispatcher has event emitters')
  forbid(room !== 'wire' && /(?<!')\bWebAssembly\b/.test(code), 'only wire knows WebAssembly')
  forbid(room === 'wire' && values.some((name) => name.startsWith('node:')), 'wire needs nothing of Node')
  forbid(room === 'wire' && /\b(async|await|Promise|queueMicrotask)\b/.test(code), 'wire is synchronous')
  forbid(room === 'balance' && /Math\.random|Date\.now/.test(code), 'balance is pure')
  // The hook of the runtime's fetch has no other name.
  const reachesOut = source.path === 'global/fetch-hooks.ts'
  forbid(
    !reachesOut && /\bSymbol\.for\(|\bexport const \w+[^=\n]*= Symbol\(/.test(code),
    'no symbols to reach into one another',
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

export function sizes(source: Source): string[] {
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
