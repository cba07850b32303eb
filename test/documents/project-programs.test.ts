import { readFileSync } from 'node:fs'
import t from 'tap'
import { type Block, blocksIn } from './blocks.js'
import { cells, ownPlans, type ProgramPlan } from './project-plans.js'
import { openStage } from './project-servers.js'
import { type Outcome, run } from './run.js'

const stage = await openStage()
t.teardown(() => stage.scene.close())

function textOf(document: string): string {
  return readFileSync(new URL(`../../../${document}.md`, import.meta.url), 'utf8')
}

const blocks = Object.keys(ownPlans).flatMap((document) => blocksIn(document, textOf(document)))

function planOf({ document, heading, index }: Block): ProgramPlan | undefined {
  return ownPlans[document]?.[heading]?.[index - 1]
}

/** Returns how the output of a program differs from its plan. */
function differences(
  plan: ProgramPlan,
  { code, output, errorOutput }: Outcome,
  served: Record<string, number[]>,
): string[] {
  const found = errorOutput.map((line) => `unexpected error output: ${line}`)
  if (code !== 0) found.push(`exit code ${code ?? 'none: it did not end'}`)
  for (let at = 0; at < Math.max(output.length, plan.prints.length); at++) {
    const [line, pattern] = [output[at], plan.prints[at]]
    if (line === undefined || pattern === undefined || !pattern.test(line)) found.push(`${line} is not ${pattern}`)
  }
  const [expected, real] = [JSON.stringify(plan.serves), JSON.stringify(served)]
  if (expected !== undefined && expected !== real) found.push(`${real} was served, not ${expected}`)
  return found
}

async function outcomeOf(block: Block, plan: ProgramPlan): Promise<string[]> {
  stage.served()
  const library = new URL('../../package/sluice.js', import.meta.url)
  const outcome = await run({ ...block, document: 'own' }, plan, {
    scene: stage.scene,
    node: process.execPath,
    library,
  })
  return differences(plan, outcome, stage.served())
}

t.test("every program in the project's documents has a plan, and the reverse", async (t) => {
  const planned = Object.entries(ownPlans).flatMap(([document, headings]) =>
    Object.entries(headings).flatMap(([heading, list]) => list.map((_, at) => `${document} ${heading} ${at + 1}`)),
  )
  const there = blocks.map(({ document, heading, index }) => `${document} ${heading} ${index}`)
  t.strictSame(there.sort(), planned.sort())
})

t.test("every program in the project's documents runs unchanged and prints its documented output", async (t) => {
  for (const block of blocks) {
    const plan = planOf(block)
    if (plan !== undefined) t.strictSame(await outcomeOf(block, plan), [], `${block.document}.md:${block.line}`)
  }
})

const BEFORE = `import { createWriteStream, readFileSync } from 'node:fs'
import { Agent, interceptors, ProxyAgent, request, stream } from 'sluice'
const [url, json, file] = ['http://localhost:3000/items', { a: 1 }, createWriteStream('file')]
const it = await `

function program(text: string): Block {
  return { document: 'own', line: 0, language: 'js', heading: '', index: 1, text }
}

t.test('the README lists what works for users of other clients', async (t) => {
  const table = /^## Coming from\n\n([\s\S]*?)\n\n/m.exec(textOf('README'))?.[1]?.split('\n').slice(2) ?? []
  const rows = table.map((line) => line.split(/ ?\| ?/).slice(1, -1))
  t.strictSame(
    rows.map(([name]) => name),
    Object.keys(cells),
  )
  for (const row of rows) {
    const [name, code] = [row[0] as string, row.at(-1)?.replaceAll('`', '')]
    const { behind, prints } = cells[name] as ProgramPlan
    t.strictSame(await outcomeOf(program(`${BEFORE}${code}\n${behind}`), { prints }), [], name)
  }
})

t.test('reports a program with other output', async (t) => {
  const get = "import { request } from 'sluice'\nawait (await request('http://localhost:3000/')).body.dump()"
  const guilty: [string, ProgramPlan, RegExp][] = [
    ["throw new Error('no')", { prints: [] }, /exit code 1/],
    ["console.log('a')", { prints: [/^b$/] }, /a is not/],
    ['', { prints: [/^b$/] }, /undefined is not/],
    ["console.error('a')", { prints: [] }, /unexpected error output: a/],
    [get, { prints: [], serves: { 'localhost:3000': [2] } }, /\[1\]\} was served/],
  ]
  for (const [text, plan, fault] of guilty) t.match((await outcomeOf(program(text), plan)).join('\n'), fault, text)
})
