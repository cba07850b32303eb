import http from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  BalancedPool,
  type BalancedPoolOptions,
  type Dispatcher,
  interceptors,
  OutlierDetection,
} from '../../lib/index.js'

const BODY = 'x'.repeat(2048)

interface Backend {
  url: string
  served: number
  close(): Promise<void>
}

/** Answers after `delay` ms; once in `dying` answers it breaks the connection with half of the body out. */
async function backend({ delay, dying }: { delay: number; dying: number }): Promise<Backend> {
  let count = 0
  const server = http.createServer({ keepAliveTimeout: 60_000 }, (request, reply) => {
    const fatal = ++count % dying === 0
    setTimeout(() => {
      const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
      const range = from > 0 ? { 'content-range': `bytes ${from}-${BODY.length - 1}/${BODY.length}` } : {}
      const rest = BODY.slice(from)
      const fields = { etag: '"one"', 'accept-ranges': 'bytes', 'content-length': rest.length, ...range }
      reply.writeHead(from > 0 ? 206 : 200, fields)
      if (!fatal) return void reply.end(rest)
      reply.write(rest.slice(0, rest.length / 2), () => request.socket.destroy())
    }, delay)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get served() {
      return count
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export interface Measured {
  name: string
  requests: number
  failed: number
  /** Part of the requests that ended well. */
  success: number
  /** ms, of all requests that ended, well or not. */
  p50: number
  p99: number
}

async function measure(name: string, dispatcher: Dispatcher, load: { requests: number; width: number }) {
  const latencies: number[] = []
  let sent = 0
  let failed = 0
  const client = async () => {
    while (sent < load.requests) {
      sent++
      const started = performance.now()
      try {
        const { statusCode, body } = await dispatcher.request({ path: '/', method: 'GET' })
        if ((await body.text()) !== BODY || statusCode !== 200) throw new Error('a wrong response')
      } catch {
        failed++
      }
      latencies.push(performance.now() - started)
    }
  }
  await Promise.all(new Array(load.width).fill(0).map(client))
  latencies.sort((a, b) => a - b)
  const at = (part: number) => latencies[Math.floor(latencies.length * part)] as number
  const requests = latencies.length
  return { name, requests, failed, success: 1 - failed / requests, p50: at(0.5), p99: at(0.99) }
}

/** Three backends: 100 times slower, refusing, dying in the midst of responses. The first row is plain round robin. */
export async function measureFailures(
  load = { requests: 10_000, plain: 1_500, width: 50, delay: 2 },
): Promise<Measured[]> {
  const slow = await backend({ delay: load.delay * 100, dying: Number.POSITIVE_INFINITY })
  const refusing = await backend({ delay: 0, dying: Number.POSITIVE_INFINITY })
  const dying = await backend({ delay: load.delay, dying: 100 })
  await refusing.close()
  const urls = [slow.url, refusing.url, dying.url]
  const errorCodes = ['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'UND_ERR_SOCKET', 'UND_ERR_HEADERS_TIMEOUT']
  const budget = { ratio: 0.5, minPerSecond: 100 }
  const retry = interceptors.retry({ maxRetries: 5, minTimeout: 1, errorCodes, retryBudget: budget })
  const guarded = (): BalancedPoolOptions => ({
    strategy: 'least-requests',
    outlierDetection: new OutlierDetection({
      consecutiveFailures: load.width + 10,
      maxEjectionPercent: 67,
      panicThreshold: 30,
    }),
  })
  const cases: [string, BalancedPoolOptions, boolean][] = [
    ['round-robin', {}, false],
    ['round-robin, retry', {}, true],
    // Who takes half as long as the slow one has failed: that is what makes it an outlier.
    ['least-requests, outliers, timeout, retry', { ...guarded(), headersTimeout: load.delay * 50 }, true],
    ['least-requests, outliers, retry', guarded(), true],
  ]
  const results: Measured[] = []
  for (const [name, options, retrying] of cases) {
    const pool = new BalancedPool(urls, options)
    const requests = name.startsWith('round-robin') ? load.plain : load.requests
    results.push(await measure(name, retrying ? pool.compose(retry) : pool, { requests, width: load.width }))
    await pool.destroy()
  }
  await Promise.all([slow.close(), dying.close()])
  return results
}

/** Prints what was measured; 1 when it is worse than was promised. */
export async function failureProof(print: (line: string) => void): Promise<number> {
  const results = await measureFailures()
  print('3 backends on sockets: one takes 200 ms instead of 2, one refuses, one breaks its connection in the midst')
  print('of every 100th response; 50 clients; latency of all requests, the failed ones included\n')
  print('| balancer | requests | failed | success % | p50 ms | p99 ms |\n| --- | --: | --: | --: | --: | --: |')
  for (const { name, requests, failed, success, p50, p99 } of results) {
    print(
      `| ${name} | ${requests} | ${failed} | ${(success * 100).toFixed(3)} | ${p50.toFixed(1)} | ${p99.toFixed(1)} |`,
    )
  }
  const [plain, , guarded] = results as [Measured, Measured, Measured]
  print(
    `\np99 of least-requests with outlier detection, a timeout of 100 ms and retry: ${(guarded.p99 / plain.p99).toFixed(3)} of plain`,
  )
  return guarded.p99 <= plain.p99 / 5 && guarded.success >= 0.9999 ? 0 : 1
}
