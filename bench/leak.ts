import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Client } from '../lib/index.js'
import { handles, heapUsed } from './harness/process-resources.js'

const TOTAL = Number(process.argv[2] ?? 1_000_000)
const WIDTH = 10
/** Bytes by which the heap may grow: V8 keeps optimized code and maps. */
const TOLERANCE = 2_000_000

interface Measure {
  heap: number
  /** Number of handles by type. */
  handles: string
}

function measure(): Measure {
  return { heap: heapUsed(), handles: handles() }
}

async function run(client: Client, total: number): Promise<number> {
  let next = 0
  let wrong = 0
  const worker = async (): Promise<void> => {
    while (next < total) {
      next++
      const { statusCode, body } = await client.request({ path: '/', method: 'GET' })
      const json = (await body.json()) as { hello?: string }
      if (statusCode !== 200 || json.hello !== 'world') wrong++
    }
  }
  await Promise.all(Array.from({ length: WIDTH }, worker))
  return wrong
}

async function main(): Promise<number> {
  const origin = fork(fileURLToPath(new URL('canned-origin.js', import.meta.url)))
  const port = await new Promise<number>((resolve) => origin.once('message', (message) => resolve(message as number)))
  const client = new Client(`http://127.0.0.1:${port}`, { pipelining: WIDTH })
  let wrong = await run(client, 20_000)
  const before = measure()
  const started = performance.now()
  wrong += await run(client, TOTAL)
  const seconds = (performance.now() - started) / 1000
  const after = measure()
  const growth = after.heap - before.heap
  console.log(`node ${process.version}, one Client, pipelining ${WIDTH}`)
  console.log(`${TOTAL} requests in ${seconds.toFixed(1)} s: ${Math.round(TOTAL / seconds)} requests/s, ${wrong} wrong`)
  console.log(`heap before ${before.heap} bytes, after ${after.heap} bytes: ${growth >= 0 ? '+' : ''}${growth}`)
  console.log(`handles before: ${before.handles}\n        after:  ${after.handles}`)
  await client.close()
  origin.disconnect()
  return wrong === 0 && growth < TOLERANCE && before.handles === after.handles ? 0 : 1
}

process.exitCode = await main()
