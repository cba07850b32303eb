import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { answer } from '../../bench/soak/answers.js'
import { otherNodes } from '../../bench/soak/nodes.js'
import type { Scene } from '../../bench/soak/operations.js'
import { probe } from '../../bench/soak/probe.js'
import { slope, Tally } from '../../bench/soak/tally.js'
import { Pool } from '../../lib/index.js'
import { run } from '../runtimes/runtimes.js'

const script = fileURLToPath(new URL('../../bench/soak.js', import.meta.url))
const soak = (...args: string[]) => run(process.execPath, ['--expose-gc', script, ...args])

t.test('a short soak leaves nothing behind', async (t) => {
  const { code, stdout } = await soak('--minutes', '0.1', '--cycle', '1.5', '--nodes', 'none')
  t.equal(code, 0, stdout)
  t.match(stdout, /^requests \d+, answered [1-9]\d*, failed \d+: /m)
  t.match(stdout, /^all as at the start$/m)
})

t.test('the fetch of another Node leaves nothing behind', async (t) => {
  const { code, stdout } = await soak('--only-fetch', '--minutes', '0.02', '--cycle', '1')
  t.equal(code, 0, stdout)
  t.match(stdout, /^all as at the start$/m)
})

t.test('a Node that is not in the cache is skipped, and reported', async (t) => {
  const lines: unknown[] = []
  const { log } = console
  console.log = (line: unknown) => void lines.push(line)
  t.teardown(() => {
    console.log = log
  })
  t.equal(await otherNodes({ nodes: '19', minutes: 1, cycle: '1', seed: 1 }), true)
  t.match(lines, [/^fetch of Node 19 is skipped: /])
})

t.test('what is left behind is found out', async (t) => {
  const { code, stdout } = await soak('--minutes', '0.01', '--cycle', '0.2', '--spoil', '--nodes', 'none')
  t.equal(code, 1)
  t.match(stdout, /^not expected, \d+ times: left behind: /m)
})

t.test('a probe reports a dispatcher that serves on fewer connections than it may have', async (t) => {
  const server = http.createServer(answer).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const dispatcher = new Pool(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { connections: 2 })
  const tally = new Tally()
  const scene = { dispatcher, name: 'a Pool', tally } as Partial<Scene> as Scene
  await probe(scene, { total: 2, passes: () => false })
  t.strictSame([tally.probes, [...tally.unexpected.keys()]], [1, []])
  await probe(scene, { total: 3, passes: () => false, patience: 100 })
  t.equal(tally.probes, 1)
  t.match([...tally.unexpected.keys()], [/^a Pool does not serve 3 requests at once: UND_ERR_HEADERS_TIMEOUT/])
  await dispatcher.destroy()
  server.close()
  server.closeAllConnections()
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
