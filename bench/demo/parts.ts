import { Readable } from 'node:stream'
import type { Dispatcher } from '../../lib/index.js'
import type { Origin } from './origins.js'
import { finished, progress, type Row } from './report.js'
import { times } from './settings.js'

/** Sends one request and says whether its answer was right. */
export type Ask = (index: number) => Promise<boolean>

/** What a part of the demo does. */
interface Part {
  what: string
  origin: Pick<Origin, 'connections'>
  /** How many requests; or until when, by `performance.now()`. */
  total?: number
  until?: number
  width: number
  note?: string
  /** Whom to show in a live view. */
  servers?: readonly Origin[]
  pool?: { readonly stats: object }
}

/** Keeps `width` requests under way until all were sent. */
export async function drive(part: Part, ask: Ask): Promise<Row> {
  const { what, origin, width, note = '', servers = [], pool, until = Number.POSITIVE_INFINITY } = part
  const total = part.total === undefined ? null : times(part.total)
  const started = performance.now()
  const connectionsBefore = origin.connections
  let next = 0
  let wrong = 0
  let done = 0
  const worker = async (): Promise<void> => {
    while (next < (total ?? Number.POSITIVE_INFINITY) && performance.now() < until) {
      if (!(await ask(next++).catch(() => false))) wrong++
      done++
    }
  }
  const show = () => {
    const shown = servers.map(({ name, served, down }) => ({ name, served, down }))
    const seconds = (performance.now() - started) / 1000
    progress({ what, done, total, seconds, servers: shown, stats: pool?.stats ?? null })
  }
  const showing = setInterval(show, 100)
  await Promise.all(Array.from({ length: width }, worker))
  clearInterval(showing)
  const seconds = (performance.now() - started) / 1000
  const row = { what, requests: done, wrong, seconds, connections: origin.connections - connectionsBefore, note }
  finished(row)
  return row
}

/** Connections of several origins. */
export function sum(origins: readonly Origin[]): Pick<Origin, 'connections'> {
  return {
    get connections() {
      return origins.reduce((all, { connections }) => all + connections, 0)
    },
  }
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
