import { type Block, documents } from './blocks.js'
import { entryOf } from './plans.js'

/** Remarks on an example that is not run unchanged. */
type Remark = { block: Block; kind: 'omitted' | 'needs' | 'fails' | 'differs'; text: string }

const TITLES: Record<Remark['kind'], string> = {
  needs: 'Run with definitions that the documents leave to the reader:',
  fails: 'Exit code 1, with undici too:',
  differs: 'Output differs from that with undici:',
  omitted: 'Not run:',
}

function remarksOn(block: Block): Remark[] {
  const entry = entryOf(block)
  if (entry === undefined) return []
  if ('omitted' in entry) return [{ block, kind: 'omitted', text: entry.omitted }]
  const kinds = ['needs', 'fails', 'differs'] as const
  return kinds.flatMap((kind) => {
    const text = entry[0][kind]
    return text === undefined ? [] : [{ block, kind, text }]
  })
}

function row(document: string, blocks: readonly Block[]): string {
  const own = blocks.filter((block) => block.document === document || document === 'All')
  const remarks = own.flatMap(remarksOn)
  const count = (kind: Remark['kind']) => remarks.filter((remark) => remark.kind === kind).length
  const [needs, omitted] = [count('needs'), count('omitted')]
  return `| ${document} | ${own.length} | ${own.length - needs - omitted} | ${needs} | ${omitted} |`
}

/** Returns the positions of the examples of one remark. */
function places(remarks: readonly Remark[]): string {
  const headings = new Map<string, Set<string>>()
  for (const { document, heading } of remarks.map(({ block }) => block)) {
    headings.set(document, (headings.get(document) ?? new Set()).add(`\`${heading}\``))
  }
  return [...headings].map(([document, names]) => `${document}, ${[...names].join(', ')}`).join('; ')
}

/** Returns the expected section of the README about the examples. */
export function section(blocks: readonly Block[]): string {
  const remarks = blocks.flatMap(remarksOn)
  const lists = Object.entries(TITLES).flatMap(([kind, title]) => {
    const texts = new Set(remarks.filter((remark) => remark.kind === kind).map(({ text }) => text))
    const items = [...texts].map((text) => {
      const same = remarks.filter((remark) => remark.kind === kind && remark.text === text)
      return `- ${places(same)}: ${text}.`
    })
    return items.length === 0 ? [] : [title, '', ...items, '']
  })
  return [
    '## Examples of the documentation',
    '',
    'The tests extract the code examples of the installed undici documents and run each in a new process. Only the import is',
    'changed, and documented hosts are mapped to loopback. A request is added to examples without output.',
    '`documents/plans*.ts` has the expected output of each, which is also compared with the output over undici. The test fails',
    'for an example without a plan, and if this section is out of date.',
    '',
    '| Document | Examples | Run unchanged | With definitions | Not run |',
    '|---|---|---|---|---|',
    ...[...documents, 'All'].map((document) => row(document, blocks)),
    '',
    ...lists,
  ].join('\n')
}
