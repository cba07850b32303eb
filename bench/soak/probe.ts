import { setTimeout as sleep } from 'node:timers/promises'
import { GATHER } from './gather.js'
import { options, type Scene } from './operations.js'

/** ms for all requests of a probe. */
const PATIENCE = 10_000
/** A connection that a server has broken may take one more request with it. */
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

/** Whether nothing is in progress, and all connections are free, as in a dispatcher that was not used yet. */
function idle(stats: Counts | Record<string, Counts>): boolean {
  const { connected, free, running = 0, pending = 0, queued = 0, size = 0, ...rest } = stats as Counts
  const parts = Object.values(rest).filter((part) => typeof part === 'object' && part !== null)
  if (running + pending + queued + size > 0) return false
  if (typeof connected === 'number' && free !== undefined && free !== connected) return false
  return parts.every((part) => idle(part as Counts))
}

async function gathered(scene: Scene, { total, patience }: { total: number; patience: number }): Promise<unknown> {
  const key = `${process.pid}-${probes++}`
  const giveUp = new AbortController()
  const ask = async (_: unknown, index: number) => {
    const asked = { signal: giveUp.signal, headersTimeout: patience }
    const { body } = await scene.dispatcher.request(options(scene, `${GATHER}${key}/${total}/${index}`, asked))
    await body.text()
  }
  const all = Array.from({ length: total }, ask)
  try {
    await Promise.all(all)
    return null
  } catch (error) {
    giveUp.abort()
    await Promise.allSettled(all)
    return error
  }
}

/** What a dispatcher is asked when its requests have ended. */
export interface Probe {
  /** Requests at once: as many as it may have connections. */
  readonly total: number
  /** Whether a server that breaks connections may have caused an error. */
  passes(code: string): boolean
  /** ms. */
  readonly patience?: number
}

/** Complains unless a dispatcher counts no request, and serves as many at once as it may have connections. */
export async function probe(scene: Scene, { total, passes, patience = PATIENCE }: Probe): Promise<void> {
  const { dispatcher, name, tally } = scene
  const stats = () => (dispatcher as { stats?: Counts }).stats ?? {}
  const until = performance.now() + patience
  while (!idle(stats()) && performance.now() < until) await sleep(5)
  if (!idle(stats())) tally.complain(`${name} counts requests that have ended: ${JSON.stringify(stats())}`)
  for (let attempt = 1; ; attempt++) {
    const error = await gathered(scene, { total, patience })
    if (error === null) break
    const { code, message } = error as { code?: string; message?: string }
    if (attempt < ATTEMPTS && code !== 'UND_ERR_HEADERS_TIMEOUT' && passes(String(code))) continue
    return tally.complain(`${name} does not serve ${total} requests at once: ${code} ${message}`)
  }
  tally.probes++
}
