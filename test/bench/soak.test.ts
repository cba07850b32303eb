import { fileURLToPath } from 'node:url'
import t from 'tap'
import { slope, Tally } from '../../bench/soak/tally.js'
import { run } from '../runtimes/runtimes.js'

const script = fileURLToPath(new URL('../../bench/soak.js', import.meta.url))
const soak = (...args: string[]) => run(process.execPath, ['--expose-gc', script, ...args])

t.test('a short soak leaves nothing behind', async (t) => {
  const { code, stdout } = await soak('--minutes', '0.1', '--cycle', '1.5')
  t.equal(code, 0, stdout)
  t.match(stdout, /^requests \d+, answered [1-9]\d*, failed \d+: /m)
  t.match(stdout, /^all as at the start$/m)
})

t.test('what is left behind is found out', async (t) => {
  const { code, stdout } = await soak('--minutes', '0.01', '--cycle', '0.2', '--spoil')
  t.equal(code, 1)
  t.match(stdout, /^not expected, \d+ times: left behind: /m)
})

t.test('counting', async (t) => {
  const tally = new Tally()
  tally.fail(Object.assign(new Error('a'), { code: 'A' }), (code) => code === 'A', 'here')
  t.strictSame([...tally.unexpected.keys()], [])
  for (let i = 0; i < 2; i++) tally.fail(Object.assign(new Error('b'), { code: 'B' }), (code) => code === 'A', 'here')
  t.strictSame([...tally.unexpected.values()], [2])
  t.strictSame([tally.failures, Object.fromEntries(tally.failed)], [3, { A: 1, B: 2 }])
  t.equal(
    slope([
      [1, 5],
      [2, 7],
      [3, 9],
    ]),
    2,
  )
  t.equal(slope([[1, 5]]), 0)
})
