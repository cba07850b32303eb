import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

/** What to do to an origin. */
export interface LoadOptions {
  url: URL
  /** Requests per second, at fixed times; null: as many as go. */
  rate: number | null
  /** Seconds that are measured, and seconds before them that are not. */
  duration: number
  warmUp: number
  /** Seconds that answers are waited for when the time is over. */
  timeout: number
  connections: number
  pipelining: number
  method: string
  headers: Record<string, string>
  body: Buffer | null
  /** The one status that is right; null: any below 400. */
  status: number | null
  /** PEM of the authority of the server; null: those that Node knows. */
  ca: string | null
  /** Where the distribution goes; null: nowhere. */
  hgrm: string | null
  json: boolean
}

export const help = `node dist/bench/load.js [options] http://127.0.0.1:PORT/PATH
  --rate N            requests/s, at fixed times; without it as many as go, connections × pipelining under way
  --duration S        seconds that are measured (10)
  --warm-up S         seconds before them (2)
  --timeout S         seconds that answers are waited for when the time is over (10); what is missing then has failed
  --connections N     (50)
  --pipelining N      requests under way on each connection (1)
  --method NAME       (GET; POST with a body)
  --header 'n: v'     a field of the request; may be repeated
  --body TEXT, --body-file FILE
  --status N          the status that is right (any below 400)
  --ca FILE           PEM of the authority of the server
  --hgrm FILE         write the distribution in the form that HdrHistogram's plotters read
  --json              print figures for machines`

/** @throws {Error} an option makes no sense: it says which */
export function parse(args: readonly string[]): LoadOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rate: { type: 'string' },
      duration: { type: 'string' },
      'warm-up': { type: 'string' },
      timeout: { type: 'string' },
      connections: { type: 'string' },
      pipelining: { type: 'string' },
      method: { type: 'string' },
      header: { type: 'string', multiple: true, default: [] },
      body: { type: 'string' },
      'body-file': { type: 'string' },
      status: { type: 'string' },
      ca: { type: 'string' },
      hgrm: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  })
  const file = values['body-file']
  const body = file === undefined ? values.body : readFileSync(file)
  return {
    url: target(positionals),
    rate: values.rate === undefined ? null : above(0, 'rate', values.rate),
    duration: above(0, 'duration', values.duration ?? '10'),
    warmUp: above(-1, 'warm-up', values['warm-up'] ?? '2'),
    timeout: above(0, 'timeout', values.timeout ?? '10'),
    connections: whole('connections', values.connections ?? '50'),
    pipelining: whole('pipelining', values.pipelining ?? '1'),
    method: values.method ?? (body === undefined ? 'GET' : 'POST'),
    headers: Object.fromEntries(values.header.map(field)),
    body: body === undefined ? null : Buffer.from(body),
    status: values.status === undefined ? null : whole('status', values.status),
    ca: values.ca === undefined ? null : readFileSync(values.ca, 'utf8'),
    hgrm: values.hgrm ?? null,
    json: values.json,
  }
}

/** This machine only: load is not for other people's servers. */
function target(given: readonly string[]): URL {
  if (given.length !== 1) throw new Error('give one URL')
  const url = new URL(given[0] as string)
  if (!/^https?:$/.test(url.protocol)) throw new Error(`${url.href}: http: or https:`)
  if (!/^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname)) throw new Error(`${url.host} is not this machine`)
  return url
}

function above(least: number, name: string, given: string): number {
  const number = Number(given)
  if (given === '' || !Number.isFinite(number) || number <= least) throw new Error(`--${name}: a number, not ${given}`)
  return number
}

function whole(name: string, given: string): number {
  const number = above(0, name, given)
  if (!Number.isInteger(number)) throw new Error(`--${name}: a whole number, not ${given}`)
  return number
}

function field(line: string): [string, string] {
  const colon = line.indexOf(':')
  if (colon < 1) throw new Error(`--header: 'name: value', not ${line}`)
  return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()]
}
