import { readFileSync } from 'node:fs'
import t from 'tap'
import { capabilities, runMatrix, servers } from './matrix/run.js'
import { complaintOf, judge, markdown, plain } from './matrix/table.js'

t.setTimeout(120_000)

const titles = Object.entries(capabilities).flatMap(([capability, cases]) =>
  Object.keys(cases).map((name) => `${capability}: ${name}`),
)

t.test('known limitations of servers refer to existing cases', async (t) => {
  for (const { name, lacks, defects = {} } of servers) {
    for (const title of [...Object.keys(lacks), ...Object.keys(defects)]) {
      t.ok(titles.includes(title), `${name}: ${title}`)
    }
    t.strictSame(
      Object.keys(lacks).filter((title) => title in defects),
      [],
    )
  }
})

t.test('reports unknown failures, and known ones that are gone or have changed', async (t) => {
  const [server, ...rest] = servers
  const [title = ''] = titles
  const [capability = '', name = ''] = title.split(': ')
  if (server === undefined) return t.fail('no servers')
  const sound = { ...server, lacks: {}, defects: {} }
  const known = { ...sound, defects: { [title]: { error: /one/, because: '' } } }
  const outcome = (error: string | null) => ({ capability, name, error, milliseconds: 0 })
  t.equal(complaintOf(sound, outcome(null)), null)
  t.equal(complaintOf(sound, outcome('one')), 'one')
  t.equal(complaintOf(known, outcome('one')), null)
  t.match(complaintOf(known, outcome('two')), /another defect.*two/)
  t.match(complaintOf(known, outcome(null)), /no longer/)
  const results = [sound, known].map((server) => ({ server, version: '1', outcomes: [outcome('one')] }))
  const judged = results.map(judge)
  t.strictSame(
    judged.map(({ cells }) => cells.get(capability)),
    ['0/1, 1 FAILS', '0/1, 1 defect'],
  )
  t.strictSame(
    judged.map(({ complaints }) => complaints.length),
    [1, 0],
  )
  t.match(plain(results), /FAILS +defect/)
  t.equal(markdown(judged).split('\n').length, 4)
  t.ok(rest.length > 5)
})

const results = await runMatrix()
const readme = readFileSync(new URL('../../../test/peers/README.md', import.meta.url), 'utf8')

for (const result of results) {
  const { server, version, outcomes } = result
  t.test(server.name, { skip: typeof outcomes === 'string' ? outcomes : false }, async (t) => {
    if (typeof outcomes === 'string') return
    for (const outcome of outcomes) {
      t.equal(complaintOf(server, outcome), null, `${outcome.capability}: ${outcome.name}`)
    }
    const row = markdown([judge(result)])
      .split('\n')
      .at(-1) as string
    if (readme.includes(`| ${server.name} | ${version} |`)) t.ok(readme.includes(row), `the table says so: ${row}`)
  })
}
