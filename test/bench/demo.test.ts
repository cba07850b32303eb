import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { type Progress, redraw, render } from '../../bench/demo/live-view.js'

t.setTimeout(120_000)

const demo = fileURLToPath(new URL('../../bench/demo.js', import.meta.url))

function run(...args: string[]): Promise<{ code: number; text: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [demo, '--quick', ...args], (error, stdout) => {
      resolve({ code: error === null ? 0 : Number(error.code), text: stdout })
    })
  })
}

t.test('runs every dispatcher; an upstream that was restarted gets requests again', async (t) => {
  const { code, text } = await run('--json')
  t.equal(code, 0, text)
  const { rows, stats, wrong } = JSON.parse(text)
  t.equal(wrong, 0)
  t.ok(rows.length >= 13)
  for (const { name, requests } of rows) t.ok(requests > 0, name)
  const [one, two, three, recovered] = rows.at(-1).note.match(/\d+/g).map(Number)
  t.ok(recovered > 0 && recovered < three && three < Math.min(one, two), rows.at(-1).note)
  t.match(stats['BalancedPool, upstream fails'], { queued: 0, pending: 0, running: 0, size: 0 })
})

t.test('prints plain text of at most 80 columns to a pipe, and exits with code 1 after wrong responses', async (t) => {
  const { code, text } = await run('--spoil')
  t.equal(code, 1)
  t.match(text, /^ {2}FAIL GET, pipelining 1: 250 requests/m)
  t.match(text, /responses were wrong\.$/m)
  t.notMatch(text, '\x1b')
  t.strictSame(
    text.split('\n').filter((line) => line.length > 80),
    [],
  )
})

t.test('--help lists the options and runs nothing', async (t) => {
  const { code, text } = await run('--help')
  t.equal(code, 0)
  t.match(text, /--json .*\n.*--quick /)
  t.notMatch(text, 'Client on')
})

t.test('a closed pipe ends the demo without an error', async (t) => {
  const child = spawn(process.execPath, [demo, '--quick'], { stdio: ['ignore', 'pipe', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (chunk) => {
    errors += chunk
  })
  child.stdout.once('data', () => child.stdout.destroy())
  const [code] = await once(child, 'close')
  t.equal(errors, '')
  t.equal(code, 0)
})

t.test('renders progress with a bar for each server, and redraws it in place', async (t) => {
  const progress = (completed: number, seconds: number, served: number[]): Progress => ({
    name: 'Pool',
    completed,
    total: 200,
    seconds,
    servers: served.map((count, index) => ({ name: `server ${index}`, served: count, down: index === 1 })),
    stats: { connected: 2, queued: 1 },
  })
  const lines = render(progress(100, 2, [60, 40]), progress(50, 1, [10, 40]), 80)
  t.strictSame(lines, [
    `  Pool: 100 requests, 50 requests/s  ${'█'.repeat(14)}${'░'.repeat(14)} 50 %`,
    `    server 0  ${'█'.repeat(28)} 50 requests/s`,
    `    server 1  ${'░'.repeat(28)} DOWN`,
    '    connected 2  queued 1',
  ])
  t.ok(render(progress(1, 0, [1]), null, 20).every((line) => line.length < 20))
  t.equal(redraw(0, ['a']), '\r\x1b[Ja\n')
  t.equal(redraw(2, ['a', 'b']), '\x1b[2A\r\x1b[Ja\nb\n')
})
