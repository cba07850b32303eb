import { Readable } from 'node:stream'
import type { Dispatcher } from '../../lib/index.js'
import type { Origin } from './origins.js'
import { finished, progress, type Row } from './report.js'

/** Sends one request and says whether its answer was right. */
export type Ask = (index: number) => Promise<boolean>

/** Keeps `width` requests under way until `total` were sent. */
export async function drive(
  part: {
    what: string
    origin: Pick<Origin, 'connections'>
    total: number
    width: number
    note?: string
    live?: () => string
  },
  ask: Ask,
): Promise<Row> {
  const { what, origin, total, width, note = '', live } = part
  const started = performance.now()
  const connectionsBefore = origin.connections
  let next = 0
  let wrong = 0
  let shown = started
  const worker = async (): Promise<void> => {
    while (next < total) {
      const index = next++
      if (!(await ask(index).catch(() => false))) wrong++
      const now = performance.now()
      if (now - shown < 100) continue
      shown = now
      progress(
        `${what}: ${next} of ${total}, ${Math.round((next * 1000) / (now - started))} requests/s${live === undefined ? '' : `  ${live()}`}`,
      )
    }
  }
  await Promise.all(Array.from({ length: width }, worker))
  const seconds = (performance.now() - started) / 1000
  const row = { what, requests: total, wrong, seconds, connections: origin.connections - connectionsBefore, note }
  finished(row)
  return row
}

interface Echo {
  method: string
  path: string
  bytes: number
}

/** Asks for JSON and compares it with what was sent. */
export function echo(client: Dispatcher, method: string, body?: () => string | Buffer | Readable, bytes = 0): Ask {
  return async (index) => {
    const path = `/${index}`
    const answer = await client.request({ path, method, body: body?.() ?? null })
    const said = (await answer.body.json()) as Echo
    return answer.statusCode === 200 && said.method === method && said.path === path && said.bytes === bytes
  }
}

export function head(client: Dispatcher): Ask {
  return async () => {
    const { statusCode, headers, body } = await client.request({ path: '/', method: 'HEAD' })
    return statusCode === 200 && Number(headers['content-length']) > 0 && (await body.text()) === ''
  }
}

export function chunked(client: Dispatcher): Ask {
  return async () => {
    const { headers, body } = await client.request({ path: '/chunked', method: 'GET' })
    const lines = (await body.text()).trim().split('\n')
    return headers['transfer-encoding'] === 'chunked' && lines.length === 20 && lines[19] === 'line 19'
  }
}

/** A body of `pieces` times 64 KiB that is never in memory as a whole. */
export function upload(pieces: number): () => Readable {
  const piece = Buffer.alloc(65536, 'x')
  return () =>
    Readable.from(
      (function* () {
        for (let i = 0; i < pieces; i++) yield piece
      })(),
    )
}
