import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { frame, redraw, type Scene } from '../../bench/demo/frame.js'

const demo = fileURLToPath(new URL('../../bench/demo.js', import.meta.url))

function run(...args: string[]): Promise<{ code: number; text: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [demo, '--quick', ...args], (error, stdout) => {
      resolve({ code: error === null ? 0 : Number(error.code), text: stdout })
    })
  })
}

t.test('the demo shows every dispatcher at work, and a backend that dies and comes back', async (t) => {
  const { code, text } = await run('--json')
  t.equal(code, 0, text)
  const { rows, stats, wrong } = JSON.parse(text)
  t.equal(wrong, 0)
  t.ok(rows.length >= 13)
  for (const { what, requests } of rows) t.ok(requests > 0, what)
  const [one, two, three, recovered] = rows.at(-1).note.match(/\d+/g).map(Number)
  t.ok(recovered > 0 && recovered < three && three < Math.min(one, two), rows.at(-1).note)
  t.match(stats['BalancedPool, a backend dies'], { queued: 0, pending: 0, running: 0, size: 0 })
})

t.test('in a pipe it writes plain lines; wrong answers end it with exit code 1', async (t) => {
  const { code, text } = await run('--spoil')
  t.equal(code, 1)
  t.match(text, /^ {2}FAIL GET, pipelining 1: 250 requests/m)
  t.match(text, /responses were wrong\.$/m)
  t.notMatch(text, '\x1b')
})

t.test('a scene is drawn in the place of the one before', async (t) => {
  const scene = (done: number, seconds: number, served: number[]): Scene => ({
    what: 'Pool',
    done,
    total: 200,
    seconds,
    servers: served.map((count, at) => ({ name: `server ${at}`, served: count, down: at === 1 })),
    stats: { connected: 2, queued: 1 },
  })
  const lines = frame(scene(100, 2, [60, 40]), scene(50, 1, [10, 40]), 80)
  t.strictSame(lines, [
    `  Pool: 100 requests, 50 requests/s  ${'█'.repeat(14)}${'░'.repeat(14)} 50 %`,
    `    server 0  ${'█'.repeat(28)} 50 requests/s`,
    `    server 1  ${'░'.repeat(28)} DOWN`,
    '    connected 2  queued 1',
  ])
  t.ok(frame(scene(1, 0, [1]), null, 20).every((line) => line.length < 20))
  t.equal(redraw(0, ['a']), '\r\x1b[Ja\n')
  t.equal(redraw(2, ['a', 'b']), '\x1b[2A\r\x1b[Ja\nb\n')
})
