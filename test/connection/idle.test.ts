import { execFile } from 'node:child_process'
import t from 'tap'
import { httpOrigin } from '../servers/origin.js'

const CONNECTIONS = 1000

/** Prints by how many bytes the heap grew per idle connection that has sent a request. */
const program = (origin: string) => `
  import { Pool } from ${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)}
  const pool = new Pool(${JSON.stringify(origin)})
  const use = async (connections) => {
    const one = () => pool.request({ path: '/', method: 'GET' }).then(({ body }) => body.dump())
    await Promise.all(Array.from({ length: connections }, one))
    // What is garbage, or compiled code that is out of use, goes in the course of several collections.
    let least = Infinity
    for (let i = 0; i < 12; i++) {
      await new Promise(setImmediate)
      globalThis.gc()
      least = Math.min(least, process.memoryUsage().heapUsed)
    }
    return least
  }
  await use(100)
  const before = await use(100)
  const after = await use(100 + ${CONNECTIONS})
  console.log(Math.round((after - before) / ${CONNECTIONS}), pool.stats.free)
  await pool.close()`

t.test('an idle connection uses little memory', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('x'))
  const output = await new Promise<string>((resolve) => {
    const args = ['--expose-gc', '--input-type=module', '-e', program(origin.url)]
    // Coverage keeps counters on the same heap.
    const env = { ...process.env, NODE_V8_COVERAGE: '' }
    execFile(process.execPath, args, { env }, (_error, out) => resolve(out))
  })
  const [held, free] = output.split(' ').map(Number)
  t.equal(free, 100 + CONNECTIONS)
  t.ok(
    // Measured: 4130 to 4150 bytes, plus garbage on a busy machine.
    (held as number) < 4300,
    `${held} bytes: of a bare socket it would be 1000, and with listeners and closures of its own 5500`,
  )
  await origin.close()
})
