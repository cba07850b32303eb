import t from 'tap'
import { defects } from './defects.js'
import { judge, markdown, plain } from './table.js'

const [capability, name] = ['TLS', 'a custom CA replaces the default CAs'] as const

t.test('reports failures that are not known defects', async (t) => {
  t.ok(defects.some(({ host, fails }) => host === 'workerd' && fails === `${capability}: ${name}`))
  const failed = { version: '1', outcomes: [{ capability, name, error: 'why' }] }
  t.strictSame(judge('Deno', failed).complaints, [`Deno: TLS: ${name}\nwhy`])
  t.equal(judge('Deno', failed).cells.get('TLS'), 'FAILS 0/1')
  t.strictSame(judge('workerd', failed).complaints, [])
  t.equal(judge('workerd', failed).cells.get('TLS'), 'defect 0/1')
})

t.test('reports a known defect that is gone', async (t) => {
  const passed = { version: '1', outcomes: [{ capability, name, error: null }] }
  t.strictSame(judge('Deno', passed).complaints, [])
  t.equal(judge('Deno', passed).cells.get('TLS'), 'ok 1/1')
  t.match(judge('workerd', passed).complaints, [/no longer/])
})

t.test('the table has one column per runtime', async (t) => {
  const judged = [judge('Deno', 'no network'), judge('Bun', { version: '1.4', outcomes: [] })]
  t.match(plain(judged).split('\n')[1], /^version +not here +1\.4$/)
  t.match(markdown(judged), /^\| +\| Deno \| Bun \|\n\| --- \| --- \| --- \|\n/)
})
