import { existsSync } from 'node:fs'
import { join } from 'node:path'
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
