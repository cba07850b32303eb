import { type Block, documents } from './blocks.js'
import { entryOf } from './plans.js'

/** Remarks on an example that is not run unchanged. */
type Remark = { block: Block; kind: 'omitted' | 'needs' | 'fails' | 'differs'; text: string }

const TITLES: Record<Remark['kind'], string> = {
  needs: 'With something before them, as they leave it to the reader:',
  fails: 'Ending with exit code 1, which is what undici does with them too:',
  differs: 'Printing something else than over undici:',
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
    "`documents/` takes the code examples out of the installed undici's documents and runs each in a process of its own,",
    'with the import changed and the hosts that it names on loopback. Behind an example that prints nothing a request',
    'shows what it did. `documents/plans*.ts` says for each what must come out, and its output is compared with what it',
    'prints over undici. An example of a newer undici that is not planned for fails the test. So does this section when',
    'it is not what was found.',
    '',
    '| Document | Examples | Run unchanged | With something before | Not run |',
    '|---|---|---|---|---|',
    ...[...documents, 'All'].map((document) => row(document, blocks)),
    '',
    ...lists,
  ].join('\n')
}
