import { BalancedPool, type BalancedPoolOptions, interceptors, OutlierDetection } from '../../lib/index.js'
import type { Packages } from '../harness/packages.js'

export const BODY = 'x'.repeat(2048)

/** The part of sluice and undici dispatchers that the bench uses. */
export interface Requester {
  request(options: object): Promise<{ statusCode: number; body: { text(): Promise<string> } }>
}

export interface BalancedDispatcher {
  /** Emitted with the origin when a connection could not be established. */
  on(event: 'connectionError', listener: (origin: URL) => void): unknown
  destroy(): Promise<void>
}

export interface OpenOptions {
  urls: string[]
  /** Timeout in ms of clients that have one. */
  timeout: number
  packages: Packages | null
}

export interface BalanceClient {
  readonly name: string
  readonly role: 'sluice' | 'peer'
  open(options: OpenOptions): Promise<{ pool: BalancedDispatcher; requester: Requester }>
}

/** Retry options of sluice and undici, which have the same names in both. */
const retries = {
  maxRetries: 5,
  minTimeout: 1,
  errorCodes: ['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'UND_ERR_SOCKET', 'UND_ERR_HEADERS_TIMEOUT'],
}

interface SluiceOptions {
  retry: boolean
  /** Whether to hedge after a fifth of the timeout. */
  hedge?: boolean
  options?(timeout: number): BalancedPoolOptions
}

function sluice(name: string, { retry, hedge = false, options }: SluiceOptions): BalanceClient {
  return {
    name,
    role: 'sluice',
    async open({ urls, timeout }) {
      const pool = new BalancedPool(urls, options?.(timeout) ?? {})
      const chain = [
        ...(hedge ? [interceptors.hedge({ delay: timeout / 5, budget: { ratio: 0.2, minPerSecond: 10 } })] : []),
        ...(retry ? [interceptors.retry({ ...retries, retryBudget: { ratio: 0.5, minPerSecond: 100 } })] : []),
      ]
      return {
        pool: pool as BalancedDispatcher,
        requester: (chain.length > 0 ? pool.compose(chain) : pool) as Requester,
      }
    },
  }
}

function withOutlierDetection(options: BalancedPoolOptions): BalancedPoolOptions {
  const detection = { maxEjectionPercent: 67, panicThreshold: 30, interval: 1_000, baseEjectionTime: 5_000 }
  return { ...options, outlierDetection: new OutlierDetection(detection) }
}

function undici(name: string, given: { retry: boolean; timeout: boolean }): BalanceClient {
  return {
    name,
    role: 'peer',
    async open({ urls, timeout, packages }) {
      if (packages === null) throw new Error('undici is not installed')
      const { BalancedPool, interceptors } = await packages.load('undici')
      const pool = new BalancedPool(urls, given.timeout ? { headersTimeout: timeout } : {})
      return { pool, requester: given.retry ? pool.compose(interceptors.retry(retries)) : pool }
    },
  }
}

/** Configuration that must keep latency low: see {@link checkRequirement}. */
export const REQUIRED = 'least-requests, outliers, timeout, retry'

/** Clients to measure. The others are compared with the first. */
export const balanceClients: BalanceClient[] = [
  sluice('round-robin', { retry: false }),
  sluice('round-robin, retry', { retry: true }),
  sluice('least-requests, outliers, retry', {
    retry: true,
    options: () => withOutlierDetection({ strategy: 'least-requests' }),
  }),
  sluice('peak-ewma, outliers, retry', { retry: true, options: () => withOutlierDetection({ strategy: 'peak-ewma' }) }),
  sluice('least-requests, outliers, hedge, retry', {
    retry: true,
    hedge: true,
    options: () => withOutlierDetection({ strategy: 'least-requests' }),
  }),
  sluice(REQUIRED, {
    retry: true,
    options: (timeout) => withOutlierDetection({ strategy: 'least-requests', headersTimeout: timeout }),
  }),
  undici('undici', { retry: false, timeout: false }),
  undici('undici, retry', { retry: true, timeout: false }),
  undici('undici, timeout, retry', { retry: true, timeout: true }),
]
