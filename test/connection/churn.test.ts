import { execFile } from 'node:child_process'
import t from 'tap'
import { httpOrigin } from '../servers/origin.js'

/** Prints by how many bytes the heap grew per connection opened and closed. */
const program = (origin: string) => `
  import { Client } from ${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)}
  const client = new Client(${JSON.stringify(origin)})
  const connect = async (times) => {
    for (let i = 0; i < times; i++) {
      const { body } = await client.request({ path: '/', method: 'GET', reset: true })
      await body.dump()
    }
    for (let i = 0; i < 3; i++) {
      await new Promise(setImmediate)
      globalThis.gc()
    }
  }
  await connect(200)
  const before = process.memoryUsage().heapUsed
  await connect(1000)
  console.log(Math.round((process.memoryUsage().heapUsed - before) / 1000))
  await client.close()`

t.test('a closed connection is garbage-collected before its timeouts would have passed', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('x'))
  const output = await new Promise<string>((resolve) => {
    const args = ['--expose-gc', '--input-type=module', '-e', program(origin.url)]
    // Coverage keeps counters on the same heap.
    const env = { ...process.env, NODE_V8_COVERAGE: '' }
    execFile(process.execPath, args, { env }, (_error, out) => resolve(out))
  })
  const left = Number(output.trim() || Number.NaN)
  t.ok(left < 2000, `${left} bytes of each: an alarm that is kept holds 4000`)
  await origin.close()
})
