import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { BalancedPool } from '../lib/index.js'

// `make chaos`: sends requests to three upstreams, while each in turn is killed and restarted.

/** Number of requests. */
const TOTAL = Number(process.argv[2] ?? 200_000)
const WIDTH = 50
const ROUND = TOTAL / 20

class Upstream {
  #server: http.Server | null = null
  port = 0
  served = 0

  async start(): Promise<void> {
    const server = http.createServer({ keepAliveTimeout: 60_000 }, (_request, response) => {
      this.served++
      response.end('ok')
    })
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve))
    this.port = (server.address() as AddressInfo).port
    this.#server = server
  }

  /** Closes all connections at once, as a crash does. */
  kill(): Promise<void> {
    return new Promise((resolve) => {
      this.#server?.close(() => resolve())
      this.#server?.closeAllConnections()
    })
  }
}

/** Sends requests until the weights have recovered, and returns how many of the next 300 each upstream serves. */
async function sharesAfterRecovery(pool: BalancedPool, upstreams: Upstream[]): Promise<number[]> {
  const send = async () => (await pool.request({ path: '/', method: 'GET' })).body.dump()
  for (let i = 0; i < 600; i++) await send().catch(() => {})
  const before = upstreams.map(({ served }) => served)
  for (let i = 0; i < 300; i++) await send()
  return upstreams.map(({ served }, index) => served - (before[index] as number))
}

async function main(): Promise<number> {
  const upstreams = [new Upstream(), new Upstream(), new Upstream()]
  for (const upstream of upstreams) await upstream.start()
  const pool = new BalancedPool(
    upstreams.map(({ port }) => `http://127.0.0.1:${port}`),
    { connections: 10 },
  )
  const failures = new Map<string, number>()
  let sent = 0
  let answered = 0
  let failed = 0
  const worker = async (): Promise<void> => {
    while (sent < TOTAL) {
      sent++
      try {
        const { statusCode, body } = await pool.request({ path: '/', method: 'GET' })
        if (statusCode === 200 && (await body.text()) === 'ok') answered++
        else throw new Error('wrong response')
      } catch (error) {
        failed++
        const code = String((error as { code?: string }).code ?? error)
        failures.set(code, (failures.get(code) ?? 0) + 1)
      }
    }
  }
  const restarts = (async () => {
    for (let round = 0; sent < TOTAL - ROUND; round++) {
      const victim = upstreams[round % 3] as Upstream
      const mark = sent
      await victim.kill()
      while (sent < mark + ROUND / 2) await new Promise(setImmediate)
      await victim.start()
      while (sent < Math.min(TOTAL, mark + ROUND)) await new Promise(setImmediate)
    }
  })()
  const started = performance.now()
  await Promise.all([...Array.from({ length: WIDTH }, worker), restarts])
  const seconds = (performance.now() - started) / 1000
  const before = { ...pool.stats }
  const shares = await sharesAfterRecovery(pool, upstreams)
  await pool.close()
  const after = { ...pool.stats }
  for (const upstream of upstreams) await upstream.kill()
  console.log(
    `node ${process.version}: ${sent} requests in ${seconds.toFixed(1)} s, ${answered} answered, ${failed} failed`,
  )
  console.log(
    `failures by code: ${JSON.stringify(Object.fromEntries(failures))}; the last 300 requests by upstream: ${shares.join(' / ')}`,
  )
  console.log(`stats after the requests ${JSON.stringify(before)}, after close ${JSON.stringify(after)}`)
  const typed = [...failures.keys()].every((code) => /^(E[A-Z]+|UND_ERR_[A-Z_]+|HPE_[A-Z_]+)$/.test(code))
  const clean = Object.values(after).every((value) => value === 0)
  const recovered = shares.every((share) => share === 100)
  return answered + failed === TOTAL && typed && clean && recovered ? 0 : 1
}

process.exitCode = await main()
