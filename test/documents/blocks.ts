import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** undici documents whose examples are run, by name. */
export const documents = [
  'Client',
  'Pool',
  'BalancedPool',
  'RoundRobinPool',
  'Agent',
  'Dispatcher',
  'Connector',
  'Errors',
  'RetryHandler',
  'RetryAgent',
  'DiagnosticsChannel',
  'ProxyAgent',
] as const

/** A code block of a document, and its position. */
export interface Block {
  document: string
  /** Line number of its first line of code. */
  line: number
  language: string
  /** Text of the heading above it. */
  heading: string
  /** Number among the blocks of its heading, from 1. */
  index: number
  text: string
}

const CODE = ['js', 'mjs', 'cjs', 'ts']
const folder = join(dirname(createRequire(import.meta.url).resolve('undici/package.json')), 'docs/docs/api')

/** Reads an installed document of undici. */
export function textOf(document: string): string {
  return readFileSync(join(folder, `${document}.md`), 'utf8')
}

/** Returns the code blocks of an installed document, in order. */
export function blocksOf(document: string): Block[] {
  return blocksIn(document, textOf(document))
}

export function blocksIn(document: string, markdown: string): Block[] {
  const blocks: Block[] = []
  const lines = markdown.split('\n')
  let heading = ''
  let index = 0
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] as string
    const title = /^#+ (.*)$/.exec(line)?.[1]
    if (title !== undefined) {
      heading = title.replaceAll('`', '')
      index = 0
    }
    const language = /^```(\w*)/.exec(line)?.[1]
    if (language === undefined) continue
    const first = at + 1
    const length = lines.slice(first).findIndex((other) => other.trimEnd() === '```')
    if (length < 0) throw new Error(`${document}.md: the block of line ${first} has no end`)
    at = first + length
    if (!CODE.includes(language)) continue
    const text = lines.slice(first, at).join('\n')
    blocks.push({ document, line: first + 1, language, heading, index: ++index, text })
  }
  return blocks
}
