import { setTimeout as sleep } from 'node:timers/promises'
import { GATHER } from './gather.js'
import { type OperationContext, options } from './operations.js'

/** Timeout of all requests of a probe in ms. */
const TIMEOUT = 10_000
/** Attempts: a connection that a server has broken may fail one more request. */
const ATTEMPTS = 5

let probes = 0

interface Counts {
  connected?: number | boolean
  free?: number
  running?: number
  pending?: number
  queued?: number
  size?: number
}

/** Returns whether no request is in progress and all connections are free. */
function idle(stats: Counts | Record<string, Counts>): boolean {
  const { connected, free, running = 0, pending = 0, queued = 0, size = 0, ...rest } = stats as Counts
  const parts = Object.values(rest).filter((part) => typeof part === 'object' && part !== null)
  if (running + pending + queued + size > 0) return false
  if (typeof connected === 'number' && free !== undefined && free !== connected) return false
  return parts.every((part) => idle(part as Counts))
}

/** Sends `total` requests that get their responses together. Returns the error if one fails. */
async function sendTogether(
  context: OperationContext,
  { total, timeout }: { total: number; timeout: number },
): Promise<unknown> {
  const key = `${process.pid}-${probes++}`
  const abortAll = new AbortController()
  const send = async (_: unknown, index: number) => {
    const parts = { signal: abortAll.signal, headersTimeout: timeout }
    const { body } = await context.dispatcher.request(options(context, `${GATHER}${key}/${total}/${index}`, parts))
    await body.text()
  }
  const all = Array.from({ length: total }, send)
  try {
    await Promise.all(all)
    return null
  } catch (error) {
    abortAll.abort()
    await Promise.allSettled(all)
    return error
  }
}

/** Options of a probe. */
export interface Probe {
  /** Number of requests at once: the connection limit of the dispatcher. */
  readonly total: number
  /** Returns whether a server that breaks connections may have caused the error. */
  passes(code: string): boolean
  /** Timeout in ms. */
  readonly timeout?: number
}

/** Reports a problem unless the dispatcher counts no request and serves as many requests at once as its connection limit. */
export async function probe(context: OperationContext, { total, passes, timeout = TIMEOUT }: Probe): Promise<void> {
  const { dispatcher, name, results } = context
  const stats = () => (dispatcher as { stats?: Counts }).stats ?? {}
  const until = performance.now() + timeout
  while (!idle(stats()) && performance.now() < until) await sleep(5)
  if (!idle(stats())) results.addProblem(`${name} counts completed requests: ${JSON.stringify(stats())}`)
  for (let attempt = 1; ; attempt++) {
    const error = await sendTogether(context, { total, timeout })
    if (error === null) break
    const { code, message } = error as { code?: string; message?: string }
    if (attempt < ATTEMPTS && code !== 'UND_ERR_HEADERS_TIMEOUT' && passes(String(code))) continue
    return results.addProblem(`${name} does not serve ${total} requests at once: ${code} ${message}`)
  }
  results.probes++
}
