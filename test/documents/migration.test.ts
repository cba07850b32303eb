import { readdirSync, readFileSync, rmSync } from 'node:fs'
import t from 'tap'
import { newFolder } from '../servers/program.js'
import type { Block } from './blocks.js'
import { undiciHere } from './installed-undici.js'
import { type Outcome, run, type Stage } from './run.js'

const programs = new URL('../../../test/documents/migration/', import.meta.url)
const folder = newFolder()
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
const scene = { folder, addresses: {}, authorityFile: '', fingerprint: '', close: async () => {} }
const library = new URL('../../lib/index.js', import.meta.url)
const ours: Stage = { scene, node: process.execPath, library }
const undici = await undiciHere()

function program(name: string): Block {
  const text = readFileSync(new URL(name, programs), 'utf8')
  return { document: name, line: 0, language: 'mjs', heading: '', index: 1, text }
}

const printed = ({ code, output }: Outcome) => [`exit code ${code}`, ...output]

t.test('programs written for undici go on working with another import', async (t) => {
  const names = readdirSync(programs).sort()
  t.equal(names.length, 10)
  if (typeof undici === 'string') t.comment(undici)
  for (const name of names) {
    const block = program(name)
    t.equal(block.text.match(/from 'undici'/g)?.length, 1, name)
    const stages = typeof undici === 'string' ? [ours] : [ours, { ...undici, scene }]
    const [here, there] = await Promise.all(stages.map((stage) => run(block, { prints: [] }, stage)))
    t.match(here, { code: 0, errorOutput: [] }, name)
    if (here === undefined || there === undefined) continue
    t.strictSame(printed(here), printed(there), name)
    const about = /^\/\/ (.*)/.exec(block.text)?.[1]
    t.comment(`${name.padEnd(20)} ${String(here.output.length).padStart(3)} lines alike: ${about}`)
  }
})

const skip = typeof undici === 'string' ? undici : false
t.test('reports a program with other output', { skip }, async (t) => {
  const text = "import * as library from 'undici'\nconsole.log('buildConnector' in library, 'BodyReadable' in library)"
  const block = { ...program('01-request.mjs'), text }
  const both = [
    await run(block, { prints: [] }, ours),
    await run(block, { prints: [] }, { ...(undici as Stage), scene }),
  ]
  t.strictNotSame(...(both.map(printed) as [string[], string[]]))
})
