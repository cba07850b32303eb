import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { classes, errorTable, meanings, meaningsInLib } from './error-table.js'

const TABLE = /(?<=<!-- errors: made from lib\/errors.ts -->\n)[\s\S]*?(?=\n<!-- \/errors -->)/

t.test('every documented error has a cause and a fix', async (t) => {
  const known = meaningsInLib()
  t.ok(classes().length >= 30)
  t.strictSame(
    classes().filter((name) => !known.has(name)),
    [],
  )
  t.strictSame([...known.keys()].sort(), classes().sort(), 'only exported classes have a meaning')
})

t.test('lib/errors/README.md contains the generated error table', async (t) => {
  const file = fileURLToPath(new URL('../../../lib/errors/README.md', import.meta.url))
  const readme = readFileSync(file, 'utf8')
  const found = TABLE.exec(readme)?.[0]
  if (process.argv.includes('--write')) writeFileSync(file, readme.replace(TABLE, errorTable))
  t.equal(found, errorTable(), 'node dist/test/documents/errors.test.js --write updates it')
})

t.test('reports an error without a fix', async (t) => {
  const text = `/** A. Fix: B. */\nexport const One = 1\n/** A. */\nexport const Two = 2\nexport class Three {}\n/** C {@link X}.\n * Fix: D. */\nexport class Four {}`
  t.strictSame(Object.fromEntries(meanings(text)), {
    One: { cause: 'A.', fix: 'B.' },
    Four: { cause: 'C X.', fix: 'D.' },
  })
})
