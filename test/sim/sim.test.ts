import { execFileSync, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { run, runtime } from '../runtimes/runtimes.js'

const main = fileURLToPath(new URL('./main.js', import.meta.url))

// New processes, because time, timers and `net.connect` are simulated there.
function play(args: string[], env: Record<string, string> = {}): string {
  return execFileSync(process.execPath, [main, ...args], { env: { ...process.env, ...env }, encoding: 'utf8' })
}

t.test('1 000 simulated seeds violate no invariant', async (t) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, '--seeds', '1000'], { encoding: 'utf8' })
  t.equal(stderr, '')
  t.equal(status, 0, stdout)
  t.comment(stdout.trim())
})

for (const major of [20, 22, 24, 26]) {
  t.test(`50 simulated seeds violate no invariant with the fetch of Node ${major}`, async (t) => {
    const node = await runtime(`node@${major}`)
    if (typeof node === 'string') return t.comment(`skipped: ${node}`)
    const args = [main, '--seeds', '50', '--features', 'fetch,interceptors,timeouts']
    const { code, stdout, stderr } = await run(node.path, args)
    t.equal(stderr, '')
    t.equal(code, 0, stdout)
  })
}

t.test('a seed gives the same trace each time', async (t) => {
  for (const SEED of ['3', '17', '39']) {
    const story = play([], { SEED, TRACE: '1' })
    t.ok(story.split('\n').length > 10)
    t.equal(play([], { SEED, TRACE: '1' }), story)
  }
})
