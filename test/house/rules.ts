import ts from 'typescript'

/** One source file of lib. */
export interface Source {
  /** `wire/parser.ts` */
  readonly path: string
  readonly text: string
}

/** Rooms from the ground up: a file may import from its own room and from rooms of a lower floor. */
const floors: readonly (readonly string[])[] = [
  ['errors', 'base'],
  ['wire', 'transport', 'balance'],
  ['exchange'],
  ['connection'],
  ['api'],
  ['dispatcher'],
  ['interceptors'],
  ['index'],
]

export function roomOf(path: string): string {
  const first = path.split('/')[0] as string
  return first.replace(/\.ts$/, '')
}

function floorOf(room: string): number {
  return floors.findIndex((rooms) => rooms.includes(room))
}

export function importsOf(source: Source): string[] {
  const file = ts.createSourceFile(source.path, source.text, ts.ScriptTarget.Latest, true)
  const found: string[] = []
  for (const statement of file.statements) {
    const from =
      ts.isImportDeclaration(statement) || ts.isExportDeclaration(statement) ? statement.moduleSpecifier : undefined
    if (from !== undefined && ts.isStringLiteral(from)) found.push(from.text)
  }
  return found
}

/** Values, not types alone, that a file imports from elsewhere. */
function valueImportsOf(source: Source): string[] {
  const file = ts.createSourceFile(source.path, source.text, ts.ScriptTarget.Latest, true)
  const found: string[] = []
  for (const statement of file.statements) {
    if (!ts.isImportDeclaration(statement) || !ts.isStringLiteral(statement.moduleSpecifier)) continue
    const clause = statement.importClause
    const named = clause?.namedBindings
    const elements = named !== undefined && ts.isNamedImports(named) ? named.elements : null
    const typesOnly = clause?.name === undefined && elements?.every((element) => element.isTypeOnly) === true
    if (clause?.isTypeOnly !== true && !typesOnly) found.push(statement.moduleSpecifier.text)
  }
  return found
}

/** Imports go down only; rooms of one floor are blind to one another, but for the errors that all may use. */
export function climbs(source: Source): string[] {
  const room = roomOf(source.path)
  const complaints: string[] = []
  for (const specifier of importsOf(source)) {
    if (!specifier.startsWith('.')) continue
    const target = roomOf(new URL(specifier, `file:///${source.path}`).pathname.slice(1).replace(/\.js$/, '.ts'))
    if (target === room || target === 'errors') continue
    if (floorOf(target) < 0 || floorOf(target) >= floorOf(room)) complaints.push(`${source.path} imports ${specifier}`)
  }
  return complaints
}

const TIMERS = /\b(setTimeout|setInterval)\b/

/** What a room must not do. */
export function trespasses(source: Source): string[] {
  const room = roomOf(source.path)
  const values = valueImportsOf(source)
  const complaints: string[] = []
  const forbid = (wrong: boolean, what: string) => {
    if (wrong) complaints.push(`${source.path}: ${what}`)
  }
  const code = withoutComments(source.text)
  forbid(source.path !== 'base/clock.ts' && TIMERS.test(code), 'only base/clock.ts sets timers')
  forbid(room !== 'transport' && values.some((name) => /^node:(net|tls)$/.test(name)), 'only transport opens sockets')
  forbid(room !== 'dispatcher' && values.includes('node:events'), 'only dispatcher has event emitters')
  forbid(room !== 'wire' && /\bWebAssembly\b/.test(code), 'only wire knows WebAssembly')
  forbid(room === 'wire' && values.some((name) => name.startsWith('node:')), 'wire needs nothing of Node')
  forbid(room === 'wire' && /\basync\b|\bawait\b/.test(code), 'wire is synchronous')
  forbid(room === 'balance' && /Math\.random|Date\.now/.test(code), 'balance is pure')
  forbid(/\bSymbol\.for\(/.test(code), 'no symbols to reach into one another')
  forbid(
    importsOf(source).some((name) => !name.startsWith('.') && !name.startsWith('node:')),
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
  const file = ts.createSourceFile(source.path, source.text, ts.ScriptTarget.Latest, true)
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
      const from = file.getLineAndCharacterOfPosition(node.getStart()).line
      const length = file.getLineAndCharacterOfPosition(node.end).line - from + 1
      const name = node.name?.getText() ?? 'a function'
      if (length > MAX_FUNCTION) complaints.push(`${source.path}: ${name} has ${length} lines`)
      const documented = ['_write', 'onRequestUpgrade', 'onResponseStart'].includes(name)
      if (node.parameters.length > MAX_PARAMETERS && !documented) {
        complaints.push(`${source.path}: ${name} has ${node.parameters.length} parameters`)
      }
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return complaints
}
