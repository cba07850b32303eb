import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

/** Options of a load test. */
export interface LoadOptions {
  url: URL
  /** Requests per second at fixed times, or null for as many as possible. */
  rate: number | null
  /** Measured time and warm-up in seconds. */
  duration: number
  warmUp: number
  /** Seconds to wait for responses after the measured time. */
  timeout: number
  connections: number
  pipelining: number
  method: string
  headers: Record<string, string>
  body: Buffer | null
  /** The expected status, or null for any below 400. */
  status: number | null
  /** CA certificate of the server (PEM), or null for those that Node trusts. */
  ca: string | null
  /** File to write the latency distribution to, or null. */
  hgrm: string | null
  json: boolean
}

export const help = `node dist/bench/load.js [options] http://127.0.0.1:PORT/PATH
  --rate N            requests/s, at fixed times; without it, connections × pipelining requests in flight
  --duration S        measured time in seconds (10)
  --warm-up S         warm-up before it in seconds (2)
  --timeout S         seconds to wait for responses afterwards (10); requests without a response then have failed
  --connections N     number of connections (50)
  --pipelining N      requests in flight on each connection (1)
  --method NAME       request method (GET; POST with a body)
  --header 'n: v'     request header; may be repeated
  --body TEXT, --body-file FILE
                      request body
  --status N          expected status (any below 400)
  --ca FILE           CA certificate of the server (PEM)
  --hgrm FILE         write the latency distribution for HdrHistogram plotters
  --json              print JSON`

/**
 * Parses the command line.
 * @throws {Error} If an option is invalid. The message names it.
 */
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
    url: targetUrl(positionals),
    rate: values.rate === undefined ? null : above(0, 'rate', values.rate),
    duration: above(0, 'duration', values.duration ?? '10'),
    warmUp: above(-1, 'warm-up', values['warm-up'] ?? '2'),
    timeout: above(0, 'timeout', values.timeout ?? '10'),
    connections: positiveInteger('connections', values.connections ?? '50'),
    pipelining: positiveInteger('pipelining', values.pipelining ?? '1'),
    method: values.method ?? (body === undefined ? 'GET' : 'POST'),
    headers: Object.fromEntries(values.header.map(parseHeader)),
    body: body === undefined ? null : Buffer.from(body),
    status: values.status === undefined ? null : positiveInteger('status', values.status),
    ca: values.ca === undefined ? null : readFileSync(values.ca, 'utf8'),
    hgrm: values.hgrm ?? null,
    json: values.json,
  }
}

/** Parses the URL. Only this machine is allowed, so that no other server is loaded by mistake. */
function targetUrl(given: readonly string[]): URL {
  if (given.length !== 1) throw new Error(`give exactly one URL, received ${given.length}`)
  const url = new URL(given[0] as string)
  if (!/^https?:$/.test(url.protocol))
    throw new Error(`the URL must begin with http: or https:, received ${url.protocol}`)
  if (!/^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname))
    throw new Error(`${url.host} is not this machine: use localhost, 127.0.0.0/8 or [::1]`)
  return url
}

function above(least: number, name: string, given: string): number {
  const number = Number(given)
  if (given === '' || !Number.isFinite(number) || number <= least)
    throw new Error(`--${name} must be a number above ${least}, received ${given}`)
  return number
}

function positiveInteger(name: string, given: string): number {
  const number = above(0, name, given)
  if (!Number.isInteger(number)) throw new Error(`--${name} must be an integer, received ${given}`)
  return number
}

function parseHeader(line: string): [string, string] {
  const colon = line.indexOf(':')
  if (colon < 1) throw new Error("--header must have the form 'name: value'")
  return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()]
}
