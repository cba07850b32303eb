import { BalancedPool, type BalancedPoolOptions, interceptors, OutlierDetection } from '../../lib/index.js'
import type { Packages } from '../harness/packages.js'

export const BODY = 'x'.repeat(2048)

/** What is used of a dispatcher, whoever made it. */
export interface Asked {
  request(options: object): Promise<{ statusCode: number; body: { text(): Promise<string> } }>
}

export interface Pooled {
  /** Told of connections that failed, by origin. */
  on(event: 'connectionError', listener: (origin: URL) => void): unknown
  destroy(): Promise<void>
}

export interface Given {
  urls: string[]
  /** ms after which contenders with a timeout give up. */
  patience: number
  packages: Packages | null
}

export interface Contender {
  readonly name: string
  readonly role: 'sluice' | 'peer'
  open(given: Given): Promise<{ pool: Pooled; asked: Asked }>
}

/** The same for both: they are documented alike. */
const retries = {
  maxRetries: 5,
  minTimeout: 1,
  errorCodes: ['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'UND_ERR_SOCKET', 'UND_ERR_HEADERS_TIMEOUT'],
}

interface Make {
  retry: boolean
  /** After a fifth of the patience another try is sent. */
  hedge?: boolean
  options?(patience: number): BalancedPoolOptions
}

function sluice(name: string, { retry, hedge = false, options }: Make): Contender {
  return {
    name,
    role: 'sluice',
    async open({ urls, patience }) {
      const pool = new BalancedPool(urls, options?.(patience) ?? {})
      const chain = [
        ...(hedge ? [interceptors.hedge({ delay: patience / 5, budget: { ratio: 0.2, minPerSecond: 10 } })] : []),
        ...(retry ? [interceptors.retry({ ...retries, retryBudget: { ratio: 0.5, minPerSecond: 100 } })] : []),
      ]
      return { pool: pool as Pooled, asked: (chain.length > 0 ? pool.compose(chain) : pool) as Asked }
    },
  }
}

function guarded(options: BalancedPoolOptions): BalancedPoolOptions {
  const detection = { maxEjectionPercent: 67, panicThreshold: 30, interval: 1_000, baseEjectionTime: 5_000 }
  return { ...options, outlierDetection: new OutlierDetection(detection) }
}

function undici(name: string, given: { retry: boolean; timeout: boolean }): Contender {
  return {
    name,
    role: 'peer',
    async open({ urls, patience, packages }) {
      if (packages === null) throw new Error('undici is not installed')
      const { BalancedPool, interceptors } = await packages.load('undici')
      const pool = new BalancedPool(urls, given.timeout ? { headersTimeout: patience } : {})
      return { pool, asked: given.retry ? pool.compose(interceptors.retry(retries)) : pool }
    },
  }
}

/** The one that is promised to keep slow answers away. */
export const PROMISED = 'least-requests, outliers, timeout, retry'

/** The first is what the others are compared with. */
export const contenders: Contender[] = [
  sluice('round-robin', { retry: false }),
  sluice('round-robin, retry', { retry: true }),
  sluice('least-requests, outliers, retry', { retry: true, options: () => guarded({ strategy: 'least-requests' }) }),
  sluice('peak-ewma, outliers, retry', { retry: true, options: () => guarded({ strategy: 'peak-ewma' }) }),
  sluice('least-requests, outliers, hedge, retry', {
    retry: true,
    hedge: true,
    options: () => guarded({ strategy: 'least-requests' }),
  }),
  sluice(PROMISED, {
    retry: true,
    options: (patience) => guarded({ strategy: 'least-requests', headersTimeout: patience }),
  }),
  undici('undici', { retry: false, timeout: false }),
  undici('undici, retry', { retry: true, timeout: false }),
  undici('undici, timeout, retry', { retry: true, timeout: true }),
]
