import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { type Block, blocksIn, blocksOf, documents } from './blocks.js'
import { openScene } from './example-servers.js'
import { undiciHere } from './installed-undici.js'
import type { Plan } from './plan.js'
import { entryOf, plans } from './plans.js'
import { section } from './readme.js'
import { type Outcome, program, run, type Stage } from './run.js'

const AT_ONCE = 2
const SECTION = /^## Examples of the documentation\n[\s\S]*?(?=\n## |$(?![\s\S]))/m

t.setTimeout(400_000)
const scene = await openScene()
t.teardown(() => scene.close())
const sluice: Stage = { scene, node: process.execPath, library: new URL('../../lib/index.js', import.meta.url) }
/** The installed undici, or the reason why it can not be used. */
const theirs = await undiciHere()
const undici = typeof theirs === 'string' ? theirs : { scene, ...theirs }
const blocks = documents.flatMap(blocksOf)

/** Returns how the output of an example differs from its plan. */
function differences(plan: Plan, { code, output, errorOutput }: Outcome): string[] {
  const found: string[] = []
  const expected = plan.fails === undefined ? 0 : 1
  if (code !== expected) found.push(`exit code ${code ?? 'none: it did not end'}, not ${expected}`)
  for (let at = 0; at < Math.max(output.length, plan.prints.length); at++) {
    const [line, pattern] = [output[at], plan.prints[at]]
    if (line === undefined || pattern === undefined || !pattern.test(line)) found.push(`${line} is not ${pattern}`)
  }
  const { printsError } = plan
  const wrong = printsError === undefined ? errorOutput.length > 0 : !errorOutput.some((line) => printsError.test(line))
  if (wrong) found.push(`error output is not ${printsError ?? 'none'}: ${errorOutput.join('\n')}`)
  return found
}

function nameOf({ document, heading, index, line }: Block): string {
  return `${document}.md:${line} ${heading} ${index}`
}

t.test('every documented example has a plan, and the reverse', async (t) => {
  t.ok(blocks.length > 60)
  for (const block of blocks) t.ok(entryOf(block) !== undefined, `${nameOf(block)} is planned for`)
  const planned = Object.entries(plans).flatMap(([document, headings]) =>
    Object.entries(headings).flatMap(([heading, list]) => list.map((_, at) => `${document} ${heading} ${at + 1}`)),
  )
  const there = blocks.map(({ document, heading, index }) => `${document} ${heading} ${index}`)
  t.strictSame([...planned].sort(), there.sort())
})

interface Run {
  name: string
  block: Block
  plan: Plan
}

const runs: Run[] = blocks.flatMap((block) => {
  const entry = entryOf(block) ?? []
  if ('omitted' in entry) return []
  return entry.map((plan, at) => ({ name: at === 0 ? nameOf(block) : `${nameOf(block)}, variant ${at}`, block, plan }))
})

/** Calls `work` for each item, several at a time. */
async function forEach(list: readonly Run[], work: (one: Run) => Promise<void>): Promise<void> {
  const turns = list.values()
  const worker = async () => {
    for (const one of turns) await work(one)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

const outcomes = new Map<Plan, Outcome>()

t.test('every documented example runs and prints its documented output', async (t) => {
  await forEach(runs, async ({ name, block, plan }) => {
    const outcome = await run(block, plan, sluice)
    outcomes.set(plan, outcome)
    t.strictSame(differences(plan, outcome), [], name)
  })
})

const skip = typeof undici === 'string' ? undici : false
t.test('every documented example prints the same over undici', { skip }, async (t) => {
  const alike = runs.filter(({ plan }) => plan.differs === undefined)
  await forEach(alike, async ({ name, block, plan }) => {
    const { runtimeFetch: _, ...theirPlan } = plan
    const { code, output } = await run(block, theirPlan, undici as Stage)
    const ours = outcomes.get(plan)
    t.strictSame([ours?.code, ours?.output], [code, output], name)
  })
})

t.test('the README lists how examples are run', async (t) => {
  const file = fileURLToPath(new URL('../../../test/documents/README.md', import.meta.url))
  const readme = readFileSync(file, 'utf8')
  const found = SECTION.exec(readme)?.[0] ?? ''
  const expected = section(blocks).trimEnd()
  if (process.argv.includes('--write'))
    writeFileSync(
      file,
      readme.replace(found, () => `${expected}\n`),
    )
  t.equal(found.trimEnd(), expected, 'node dist/test/documents/examples.test.js --write updates it')
})

t.test('reports an example with other output', async (t) => {
  const block = (text: string): Block => ({ document: 'X', line: 1, language: 'mjs', heading: 'X', index: 1, text })
  const guilty: [string, RegExp[], RegExp][] = [
    ["throw new Error('no')", [], /exit code 1/],
    ["Promise.reject(new Error('no'))", [], /exit code 1/],
    ["console.log('a')", [/^b$/], /a is not/],
    ["console.log('a')", [], /a is not/],
    ['', [/^a$/], /undefined is not/],
    ["console.error('a')", [], /error output/],
    ["import net from 'node:net'\nnet.connect(80, 'nodejs.org')", [], /not on loopback/],
  ]
  for (const [text, prints, fault] of guilty) {
    const outcome = await run(block(text), { prints }, sluice)
    t.match(differences({ prints }, outcome).join('\n'), fault, text)
  }
  t.match(differences({ prints: [] }, { code: null, output: [], errorOutput: [] }), [/did not end/])
})

t.test('blocks are found where they are, and only their imports are changed', async (t) => {
  const [first, second, ...none] = blocksIn(
    'X',
    '# A\n```js\na\n```\n```text\nb\n```\n## `c`\n```cjs x="y"\nd\n\ne\n```\n',
  )
  t.strictSame(none, [])
  t.match(first, { line: 3, heading: 'A', index: 1, language: 'js', text: 'a' })
  t.match(second, { line: 10, heading: 'c', index: 1, language: 'cjs', text: 'd\n\ne' })
  const changed = (language: string, text: string, plan: Partial<Plan> = {}) =>
    program(
      { ...(first as Block), language, text },
      { prints: [], ...plan },
      { scene, library: new URL('file:///x/y.js') },
    )
  t.equal(
    changed('mjs', "import { a } from 'undici'\nb('undici')"),
    'import { a } from "file:///x/y.js"\nb(\'undici\')',
  )
  t.equal(changed('cjs', "const a = require('undici')"), 'const a = require("/x/y.js")')
  t.equal(
    changed('mjs', "import { a, fetch } from 'undici'", { runtimeFetch: true }),
    'import { a } from "file:///x/y.js"',
  )
  t.equal(changed('ts', 'const a: number = 1'), 'const a = 1;\n')
  t.throws(() => blocksIn('X', '```js\na'), /has no end/)
})
