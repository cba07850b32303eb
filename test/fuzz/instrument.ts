import { register } from 'node:module'
import ts from 'typescript'
import { MAX_BLOCKS } from './guidance.js'

/** Instruments modules of lib/wire that are loaded later: they count executed blocks in `globalThis.sluiceBlocks`. */
export function instrumentWire(): void {
  globalThis.sluiceBlocks = new Uint8Array(MAX_BLOCKS)
  register(import.meta.url)
}

let blocks = 0

interface Loaded {
  format: string
  source?: string | Buffer
}

/** Module loader hook, which Node runs in a thread. */
export async function load(
  url: string,
  context: object,
  next: (url: string, context: object) => Promise<Loaded>,
): Promise<Loaded> {
  const loaded = await next(url, context)
  if (!/\/lib\/wire\/(?!binary)[^/]+\.js$/.test(url)) return loaded
  return { ...loaded, source: counting(String(loaded.source)) }
}

/** Returns the program with a counter at each branch. */
export function counting(source: string): string {
  const file = ts.createSourceFile('x.js', source, ts.ScriptTarget.Latest, true, ts.ScriptKind.JS)
  const edits: [at: number, text: string][] = []
  const count = () => `__blocks[${(++blocks % (MAX_BLOCKS - 1)) + 1}]++`
  const wrap = (node: ts.Node) => {
    edits.push([node.getStart(), `(${count()}, `], [node.getEnd(), ')'])
  }
  const visit = (node: ts.Node): void => {
    if (ts.isBlock(node)) edits.push([node.getStart() + 1, `${count()};`])
    else if (ts.isCaseOrDefaultClause(node) && node.statements.length > 0) {
      edits.push([(node.statements[0] as ts.Node).getStart(), `${count()};`])
    } else if (ts.isConditionalExpression(node)) {
      wrap(node.whenTrue)
      wrap(node.whenFalse)
    } else if (ts.isBinaryExpression(node) && isShortCut(node.operatorToken.kind)) wrap(node.right)
    else if (ts.isArrowFunction(node) && !ts.isBlock(node.body)) wrap(node.body)
    else if (ts.isIfStatement(node)) {
      for (const arm of [node.thenStatement, node.elseStatement]) {
        if (arm === undefined || ts.isBlock(arm)) continue
        edits.push([arm.getStart(), `{${count()};`], [arm.getEnd(), '}'])
      }
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return `const __blocks = globalThis.sluiceBlocks;${applied(source, edits)}`
}

function isShortCut(kind: ts.SyntaxKind): boolean {
  const { AmpersandAmpersandToken, BarBarToken, QuestionQuestionToken } = ts.SyntaxKind
  return kind === AmpersandAmpersandToken || kind === BarBarToken || kind === QuestionQuestionToken
}

/** Insertions at one position keep their order; closing ones come first, innermost first. */
function applied(source: string, edits: [at: number, text: string][]): string {
  const closes = (text: string) => text === ')' || text === '}'
  const ordered = edits.map(([at, text], order) => ({ at, text, order: closes(text) ? -1 - order : order }))
  ordered.sort((a, b) => a.at - b.at || a.order - b.order)
  let result = ''
  let from = 0
  for (const { at, text } of ordered) {
    result += source.slice(from, at) + text
    from = at
  }
  return result + source.slice(from)
}
