import { Readable } from 'node:stream'
import type { Dispatcher } from '../../lib/index.js'
import { requestCount } from './options.js'
import type { Origin } from './origins.js'
import { type Row, showProgress, showResult } from './report.js'

/** Sends one request and resolves to whether its response was correct. */
export type CheckedRequest = (index: number) => Promise<boolean>

/** One part of the demo. It ends after `total` requests or at the time `until`. */
interface Scenario {
  name: string
  origin: Pick<Origin, 'connections'>
  /** Number of requests. */
  total?: number
  /** End time on the clock of `performance.now()`. */
  until?: number
  /** Number of requests in flight. */
  width: number
  note?: string
  /** Servers to show in the live view. */
  servers?: readonly Origin[]
  pool?: { readonly stats: object }
}

/** Keeps `width` requests in flight until the scenario ends, and returns its result. */
export async function runScenario(scenario: Scenario, send: CheckedRequest): Promise<Row> {
  const { name, origin, width, note = '', servers = [], pool, until = Number.POSITIVE_INFINITY } = scenario
  const total = scenario.total === undefined ? null : requestCount(scenario.total)
  const start = performance.now()
  const connectionsBefore = origin.connections
  let next = 0
  let wrong = 0
  let completed = 0
  const worker = async (): Promise<void> => {
    while (next < (total ?? Number.POSITIVE_INFINITY) && performance.now() < until) {
      if (!(await send(next++).catch(() => false))) wrong++
      completed++
    }
  }
  const show = () => {
    const shown = servers.map(({ name, served, down }) => ({ name, served, down }))
    const seconds = (performance.now() - start) / 1000
    showProgress({ name, completed, total, seconds, servers: shown, stats: pool?.stats ?? null })
  }
  const timer = setInterval(show, 100)
  await Promise.all(Array.from({ length: width }, worker))
  clearInterval(timer)
  const seconds = (performance.now() - start) / 1000
  const row = { name, requests: completed, wrong, seconds, connections: origin.connections - connectionsBefore, note }
  showResult(row)
  return row
}

/** Adds up the connections of several origins. */
export function sum(origins: readonly Origin[]): Pick<Origin, 'connections'> {
  return {
    get connections() {
      return origins.reduce((total, { connections }) => total + connections, 0)
    },
  }
}

interface Echo {
  method: string
  path: string
  bytes: number
}

/** Sends a request and compares the JSON that the origin returns with what was sent. */
export function echo(
  client: Dispatcher,
  method: string,
  body?: () => string | Buffer | Readable,
  bytes = 0,
): CheckedRequest {
  return async (index) => {
    const path = `/${index}`
    const response = await client.request({ path, method, body: body?.() ?? null })
    const echoed = (await response.body.json()) as Echo
    return response.statusCode === 200 && echoed.method === method && echoed.path === path && echoed.bytes === bytes
  }
}

export function head(client: Dispatcher): CheckedRequest {
  return async () => {
    const { statusCode, headers, body } = await client.request({ path: '/', method: 'HEAD' })
    return statusCode === 200 && Number(headers['content-length']) > 0 && (await body.text()) === ''
  }
}

export function chunked(client: Dispatcher): CheckedRequest {
  return async () => {
    const { headers, body } = await client.request({ path: '/chunked', method: 'GET' })
    const lines = (await body.text()).trim().split('\n')
    return headers['transfer-encoding'] === 'chunked' && lines.length === 20 && lines[19] === 'line 19'
  }
}

/** Returns a function that creates a body of `chunks` × 64 KiB, which is never in memory as a whole. */
export function upload(chunks: number): () => Readable {
  const chunk = Buffer.alloc(65536, 'x')
  return () =>
    Readable.from(
      (function* () {
        for (let i = 0; i < chunks; i++) yield chunk
      })(),
    )
}
