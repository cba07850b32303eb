import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const program = fileURLToPath(new URL('./fakes/program.js', import.meta.url))

async function resultsUnder(kind: string, when: string): Promise<Record<string, unknown>> {
  const child = spawn(process.execPath, [program, kind, when], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 20_000,
  })
  let text = ''
  child.stdout.on('data', (chunk) => (text += chunk))
  await new Promise((resolve) => child.once('close', resolve))
  return JSON.parse(text || '{}')
}

const timedOut = ['UND_ERR_HEADERS_TIMEOUT', false, true]
const expected = {
  get: ['GET /it', 2],
  pipelined: ['GET /it', 'GET /next', 2],
  post: [['UND_ERR_SOCKET', true, false], 1],
  idle: ['POST /it', 'POST /again', 1, 1],
  uploads: ['PUT /stream', 'PUT /pieces', 'PUT /bytes'],
}

/** Functions that each kind of fake timers replaces, before or after the library is loaded. */
const fakes: [kind: string, when: string][] = [
  ['none', 'before'],
  ['node:test', 'after'],
  ['node:test, time alone', 'before'],
  ['node:test, time alone', 'after'],
  ['hand-made', 'after'],
  ['hand-made, time alone', 'before'],
  ['hand-made, time alone', 'after'],
]

t.test('requests complete under fake timers, and timeouts fire only when the fake time passes', async (t) => {
  const outcomes = await Promise.all(fakes.map(([kind, when]) => resultsUnder(kind, when)))
  for (const [index, [kind, when]] of fakes.entries()) {
    const timeouts = kind.startsWith('hand-made') ? { timeouts: ['waits', 'waits', timedOut] } : {}
    t.strictSame(outcomes[index], { ...expected, ...timeouts }, `${kind}, installed ${when} the library was loaded`)
  }
})
