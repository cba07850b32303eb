import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { traps } from './guards.js'
import { compiled, root, sourceOf, without } from './mirror.js'

// `make guards` takes them away; here is seen to it that it can.
t.test('each guard stands where it is looked for, and has a test', async (t) => {
  for (const { trap, guards } of traps) {
    t.ok(guards.length > 0, trap)
    for (const guard of guards) {
      t.not(compiled(without(guard)), compiled(sourceOf(guard)), guard.keeps)
      t.ok(existsSync(join(root, 'test', `${guard.test}.test.ts`)), guard.test)
    }
  }
})

t.test('what is not there can not be taken away', async (t) => {
  const guard = { keeps: '', file: 'wire/parser', from: 'not there', to: '', test: 'wire/parser' }
  t.throws(() => without(guard), /lib\/wire\/parser.ts has this 0 times: not there/)
  t.throws(() => without({ ...guard, from: 'this' }), /times: this/)
})

t.test('what can not be compiled is told apart from what a test notices', async (t) => {
  t.throws(() => compiled('if ('), /expected/)
})

t.test('a guard that no test misses is told', async (t) => {
  const main = fileURLToPath(new URL('./main.js', import.meta.url))
  const run = (...flags: string[]) =>
    spawnSync(process.execPath, [main, '--only', 'wire/multipart', '--jobs', '1', ...flags], { encoding: 'utf8' })
  const good = run()
  t.match(good.stdout, /multipart failed\n1 of 1 guards/)
  t.equal(good.status, 0)
  const spoilt = run('--spoil')
  t.match(spoilt.stdout, /MISSED lib\/wire\/multipart/)
  t.match(spoilt.stdout, /0 of 1 guards/)
  t.equal(spoilt.status, 1)
})
