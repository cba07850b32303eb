import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { probe } from '../../bench/soak/capacity-probe.js'
import { otherNodes } from '../../bench/soak/nodes.js'
import type { OperationContext } from '../../bench/soak/operations.js'
import { respond } from '../../bench/soak/responses.js'
import { SoakResults, slope } from '../../bench/soak/results.js'
import { Pool } from '../../lib/index.js'
import { run } from '../runtimes/runtimes.js'

const script = fileURLToPath(new URL('../../bench/soak.js', import.meta.url))
const soak = (...args: string[]) => run(process.execPath, ['--expose-gc', script, ...args])

t.test('a short soak ends with the state and memory of its start', async (t) => {
  const { code, stdout } = await soak('--minutes', '0.1', '--cycle', '1.5', '--nodes', 'none')
  t.equal(code, 0, stdout)
  t.match(stdout, /^requests \d+, answered [1-9]\d*, failed \d+: /m)
  t.match(stdout, /^PASSED: state and memory are as at the start$/m)
})

t.test('--only-fetch ends with the state and memory of its start', async (t) => {
  const { code, stdout } = await soak('--only-fetch', '--minutes', '0.02', '--cycle', '1')
  t.equal(code, 0, stdout)
  t.match(stdout, /^PASSED: state and memory are as at the start$/m)
})

t.test('skips a Node that is not installed, and prints that', async (t) => {
  const lines: unknown[] = []
  const { log } = console
  console.log = (line: unknown) => void lines.push(line)
  t.teardown(() => {
    console.log = log
  })
  t.equal(await otherNodes({ nodes: '19', minutes: 1, cycle: '1', seed: 1 }), true)
  t.match(lines, [/^fetch of Node 19 is skipped: /])
})

t.test('reports a leaked listener and exits with code 1', async (t) => {
  const { code, stdout } = await soak('--minutes', '0.01', '--cycle', '0.2', '--spoil', '--nodes', 'none')
  t.equal(code, 1)
  t.match(stdout, /^UNEXPECTED, \d+ times: state differs from the start: /m)
})

t.test('a probe reports a dispatcher that serves fewer requests at once than its connection limit', async (t) => {
  const server = http.createServer(respond).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const dispatcher = new Pool(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { connections: 2 })
  const results = new SoakResults()
  const context = { dispatcher, name: 'a Pool', results } as Partial<OperationContext> as OperationContext
  await probe(context, { total: 2, passes: () => false })
  t.strictSame([results.probes, [...results.unexpected.keys()]], [1, []])
  await probe(context, { total: 3, passes: () => false, timeout: 100 })
  t.equal(results.probes, 1)
  t.match([...results.unexpected.keys()], [/^a Pool does not serve 3 requests at once: UND_ERR_HEADERS_TIMEOUT/])
  await dispatcher.destroy()
  server.close()
  server.closeAllConnections()
})

t.test('counts failures by code, and reports unexpected ones once with their number', async (t) => {
  const results = new SoakResults()
  results.fail(Object.assign(new Error('a'), { code: 'A' }), (code) => code === 'A', 'here')
  t.strictSame([...results.unexpected.keys()], [])
  for (let i = 0; i < 2; i++) results.fail(Object.assign(new Error('b'), { code: 'B' }), (code) => code === 'A', 'here')
  t.strictSame([...results.unexpected.values()], [2])
  t.strictSame([results.failures, Object.fromEntries(results.failed)], [3, { A: 1, B: 2 }])
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
