import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { mutationGroups } from './list.js'
import { compile, mutatedSource, originalSource, root } from './project-copy.js'

// `make mutations` runs them all; this checks that every mutation can be applied.
t.test('every mutation applies to the library, changes its compiled code and names an existing test', async (t) => {
  for (const { pitfall, mutations } of mutationGroups) {
    t.ok(mutations.length > 0, pitfall)
    for (const mutation of mutations) {
      t.not(compile(mutatedSource(mutation)), compile(originalSource(mutation)), mutation.rule)
      t.ok(existsSync(join(root, 'test', `${mutation.test}.test.ts`)), mutation.test)
    }
  }
})

t.test('rejects a mutation whose code occurs never or more than once', async (t) => {
  const mutation = { rule: '', file: 'wire/parser', from: 'not there', to: '', test: 'wire/parser' }
  t.throws(() => mutatedSource(mutation), /lib\/wire\/parser.ts must contain this once, found 0: not there/)
  t.throws(() => mutatedSource({ ...mutation, from: 'this' }), /found \d+: this/)
})

t.test('rejects a mutation that does not compile', async (t) => {
  t.throws(() => compile('if ('), /expected/)
})

t.test('reports a mutation that no test notices, and exits with code 1', async (t) => {
  const main = fileURLToPath(new URL('./main.js', import.meta.url))
  const run = (...flags: string[]) =>
    spawnSync(process.execPath, [main, '--only', 'wire/multipart', '--jobs', '1', ...flags], { encoding: 'utf8' })
  const good = run()
  t.match(good.stdout, /multipart failed\n1 of 1 mutations killed/)
  t.equal(good.status, 0)
  const spoilt = run('--spoil')
  t.match(spoilt.stdout, /SURVIVED lib\/wire\/multipart/)
  t.match(spoilt.stdout, /0 of 1 mutations killed/)
  t.equal(spoilt.status, 1)
})
