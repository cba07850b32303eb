import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const script = new URL('../../test/summary.mjs', import.meta.url)

interface SummaryResult {
  lines: string[]
  passed: number
  failed: number
  skipped: number
}

async function summarize(text: string): Promise<SummaryResult> {
  const { Summary } = await import(script.href)
  const lines: string[] = []
  const summary = new Summary((line: string) => lines.push(line))
  for (const line of text.split('\n')) summary.read(line)
  return { lines, passed: summary.passed, failed: summary.failed, skipped: summary.skipped }
}

t.test('counts assertions, and subtests only if they failed themselves', async (t) => {
  const summary = await summarize(`TAP version 14
1..3
# Subtest: good.js
    # Subtest: inner
        ok 1 - a
        ok 2 - b # time=3ms
        1..2
    ok 1 - inner # time=5ms
    # Subtest: empty
        1..0
    ok 2 - empty # time=1ms
    ok 3 - later # SKIP no server
    1..3
ok 1 - good.js # time=9ms

# Subtest: bad.js
    # Subtest: inner
        not ok 1 - wrong
          ---
          compare: ===
          at:
            fileName: bad.js
          stack: bad.js:1:1
          source: >2
              compare: nothing
            --^
          diff: |
            ok 7 - no result
          ...
        1..1
    not ok 1 - inner # time=5ms
      ---
      at: hidden
      ...
    1..1
not ok 2 - bad.js # time=9ms
  ---
  exitCode: 1
  ...

# Subtest: crash.js
    1..0 # no tests found
not ok 3 - crash.js # time=4ms
  ---
  exitCode: 7
  ...

# time=30ms
ok 9 - of the coverage table`)
  t.strictSame(summary, {
    lines: [
      '  skipped: good.js > later (no server)',
      'ok good.js: 2 passed, 0 failed, 9ms',
      '  not ok: bad.js > inner > wrong',
      '      compare: ===',
      '      stack: bad.js:1:1',
      '      diff: |',
      '        ok 7 - no result',
      'not ok bad.js: 0 passed, 1 failed, 9ms',
      '  not ok: crash.js',
      'not ok crash.js: 0 passed, 1 failed, 4ms',
      '      exitCode: 7',
      'ok 9 - of the coverage table',
    ],
    passed: 2,
    failed: 2,
    skipped: 1,
  })
})

t.test("exits with the command's code, and fails without any assertion", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-summary-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const run = (program: string) => {
    const file = join(folder, 'program.mjs')
    writeFileSync(file, program)
    const { status, stdout } = spawnSync(process.execPath, [fileURLToPath(script), process.execPath, file])
    return [status, stdout.toString().trimEnd().split('\n').at(-1)]
  }
  t.strictSame(run(`console.log('ok 1 - a')`), [0, '1 passed, 0 failed'])
  t.strictSame(run(`console.log('ok 1 - a'); process.exitCode = 3`), [3, '1 passed, 0 failed'])
  t.strictSame(run(`console.log('not ok 1 - a')`), [1, '0 passed, 1 failed'])
  t.strictSame(run(''), [1, '0 passed, 0 failed'])
  t.strictSame(run(`console.log('ok 1 - a'); process.kill(process.pid, 'SIGKILL')`), [1, '1 passed, 0 failed'])
})

t.test("agrees with tap's own count", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-summary-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'some.mjs')
  writeFileSync(
    file,
    `import t from ${JSON.stringify(import.meta.resolve('tap'))}
    t.ok(true)
    t.test('inner', async (t) => { t.ok(true); t.test('deeper', async (t) => { t.equal(1, 1); t.skip('not now') }) })`,
  )
  const summary = await summarize(
    execFileSync(process.execPath, [file], { encoding: 'utf8', env: { ...process.env, TAP: '1' } }),
  )
  t.match(summary, { passed: 3, failed: 0, skipped: 1 })
})

t.test('counts a failed assertion that is marked as TODO as failed', async (t) => {
  const { failed, skipped } = await summarize('TAP version 14\n1..1\nnot ok 1 - later # TODO not done')
  t.strictSame([failed, skipped], [1, 0])
})
