import ts from 'typescript'

/** One sentence or phrase that readers see, and where it is. */
export interface Prose {
  readonly line: number
  readonly text: string
}

/** A phrase that the project does not use, and what to write instead. */
interface Rule {
  readonly pattern: RegExp
  readonly instead: string
}

/** Things are not persons, and each thing has one term: the one of the field. */
const RULES: readonly Rule[] = [
  {
    pattern: /\b(who|whom|whoever|somebody|someone|nobody|anybody|everybody)\b/i,
    instead: 'name the caller or object',
  },
  { pattern: /\b(tells?|told)\b/i, instead: 'reports, notifies, returns' },
  { pattern: /\b(hears?|heard)\b/i, instead: 'is notified, receives' },
  { pattern: /\b(wants?|wanted)\b/i, instead: 'needs, requires, requests' },
  { pattern: /\b(asks?|asked|asking) for\b/i, instead: 'requests' },
  { pattern: /\b(gives?|gave|given|giving) up\b/i, instead: 'cancels, aborts' },
  { pattern: /\b(takes?|took|taken) back\b/i, instead: 'cancels' },
  { pattern: /\bstands?\b(?! for\b)/i, instead: 'is established, is' },
  { pattern: /\bunder way\b/i, instead: 'in flight, in progress' },
  {
    pattern: /\b(a|each|every|another|one|first|last|next|this|that) try\b|\btries\b(?! to\b)/i,
    instead: 'attempt, retry',
  },
  { pattern: /\brooms?\b/i, instead: 'layer, capacity' },
  { pattern: /\bthe house\b/i, instead: 'architecture' },
  { pattern: /\b(mends?|mended|cures?|cured)\b/i, instead: 'fix' },
  { pattern: /\b(ours|theirs)\b/i, instead: 'sluice-specific, undici’s' },
  { pattern: /\b(lends?|lent|borrows?|borrowed)\b/i, instead: 'zero-copy, valid until the callback returns' },
  { pattern: /\bresponse heads?\b/i, instead: 'response headers' },
  { pattern: /\bturns? of the (event )?loop\b/i, instead: 'event-loop turn, tick' },
  { pattern: /\bends? well\b/i, instead: 'completes normally' },
  { pattern: /\bcontenders?\b/i, instead: 'client' },
]

/** Returns the phrases of `text` that the project does not use, each with its replacement. */
export function wordProblems(text: string): string[] {
  // Code in backticks has the names of the code.
  const prose = text
    .replace(/`[^`]*`/g, '``')
    .replace(/@(param|returns|type) (\{[^}]*\} )?\[?[\w.]+/g, '')
    .replace(/\{@link [^}]*\}/g, '')
  return RULES.flatMap(({ pattern, instead }) => {
    const found = pattern.exec(prose)
    return found === null ? [] : [`"${found[0]}": write ${instead}`]
  })
}

export function parseSource(path: string, text: string): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
}

/** Returns all comments of a file, and in test files the titles of the tests. */
export function proseOfSource(path: string, text: string): Prose[] {
  const file = parseSource(path, text)
  const found = new Map<number, Prose>()
  const add = (position: number, prose: string) => {
    found.set(position, { line: file.getLineAndCharacterOfPosition(position).line + 1, text: prose })
  }
  const visit = (node: ts.Node): void => {
    for (const { pos, end } of ts.getLeadingCommentRanges(text, node.getFullStart()) ?? [])
      add(pos, text.slice(pos, end))
    for (const { pos, end } of ts.getTrailingCommentRanges(text, node.end) ?? []) add(pos, text.slice(pos, end))
    const title = titleOf(node)
    if (title !== undefined) add(title.getStart(), title.getText())
    for (const child of node.getChildren(file)) if (child.kind !== ts.SyntaxKind.JSDoc) visit(child)
  }
  visit(file)
  return [...found.values()]
}

/** Returns the title of `t.test(title, …)` or `test(title, …)`. */
function titleOf(node: ts.Node): ts.Expression | undefined {
  if (!ts.isCallExpression(node) || !/^(\w+\.)?test$/.test(node.expression.getText())) return undefined
  const [title] = node.arguments
  return title !== undefined && (ts.isStringLiteralLike(title) || ts.isTemplateExpression(title)) ? title : undefined
}

/** Returns the lines of a Markdown document that are not code. */
export function proseOfMarkdown(text: string): Prose[] {
  let code = false
  return text.split('\n').flatMap((line, index) => {
    const fence = /^\s*```/.test(line)
    if (fence) code = !code
    return code || fence ? [] : [{ line: index + 1, text: line }]
  })
}
