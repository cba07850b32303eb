import { readFileSync } from 'node:fs'
import t from 'tap'
import { type Runtime, runtime } from '../runtimes/runtimes.js'
import {
  complaintOf,
  installedAs,
  type Library,
  libraries,
  markdown,
  play,
  prepare,
  scenarioFiles,
  type Tree,
  trees,
} from './libraries/run.js'

t.setTimeout(230_000)

const readme = readFileSync(new URL('../../../test/peers/README.md', import.meta.url), 'utf8')

t.test('every package has scenarios and a row in the README', async (t) => {
  const files = Object.values(libraries).map(({ scenarios }) => `${scenarios}.mjs`)
  t.strictSame(files.sort(), [...scenarioFiles].sort())
  const rows = markdown({})
    .split('\n')
    .map((row) => row.split(' | ').slice(0, 2).join(' | '))
  for (const row of rows) t.ok(readme.includes(`\n${row} | `), row)
})

t.test('reports a failing scenario, and a known failure that passes now', async (t) => {
  const library: Library = {
    version: '1.0.0',
    scenarios: 'x',
    known: trees.map((over) => ({ scenario: 'known', over, because: 'of that' })),
  }
  const complain = (over: Tree, name: string, error?: string) =>
    complaintOf(library, over, { name, ...(error !== undefined && { error }) })
  for (const over of trees) {
    t.equal(complain(over, 'other', 'broken'), 'broken')
    t.equal(complain(over, 'other'), null)
    t.equal(complain(over, 'known', 'broken'), null)
  }
  t.match(complain('sluice', 'known'), /no longer fails/)
  t.equal(complain('undici', 'known'), null)
})

// Several packages require more than Node 20.
const node = await runtime('node@24')
const folders = typeof node === 'string' ? node : await prepare()
const skip = typeof folders === 'string' ? folders : false

t.test('packages that are built on undici run over sluice and over undici', { skip }, async (t) => {
  if (typeof folders === 'string') return
  const replaced = Object.values(installedAs(folders.sluice))
  t.strictSame([...new Set(replaced)].sort(), ['sluice', 'undici-over-sluice'])
  t.strictSame([...new Set(Object.values(installedAs(folders.undici)))], ['undici'])
  const counts: Record<string, number> = {}
  for (const [name, library] of Object.entries(libraries)) {
    const played = await Promise.all(trees.map((tree) => play(node as Runtime, folders[tree], library)))
    for (const [i, outcomes] of played.entries()) {
      const over = trees[i] as Tree
      for (const outcome of outcomes)
        t.equal(complaintOf(library, over, outcome), null, `${name} over ${over}: ${outcome.name}`)
      const known = (library.known ?? []).filter((one) => one.over === over).map(({ scenario }) => scenario)
      t.strictSame(
        known.filter((one) => !outcomes.some(({ name }) => name === one)),
        [],
        `${name}: known scenarios`,
      )
      counts[name] = outcomes.length
    }
  }
  t.ok(readme.includes(`\n${markdown(counts)}\n`), `the table of test/peers/README.md is\n${markdown(counts)}`)
})
