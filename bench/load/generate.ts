import { closedLoop } from '../harness/closed-loop.js'
import { type Histogram, type Latency, latencyOf } from '../harness/histogram.js'
import { openLoop } from '../harness/open-loop.js'
import type { LoadOptions } from './options.js'
import type { Progress } from './progress.js'
import { Target } from './target.js'

/** Result of a load test. */
export interface LoadReport {
  /** Responses in the measured time, and its length in seconds. */
  requests: number
  seconds: number
  rate: number
  latency: Latency
  /** Counts of the whole run, warm-up included. */
  sent: number
  answered: number
  failed: number
  received: number
  outcomes: Record<string, number>
  /** CPU time per request in µs, or null at a fixed rate, where waiting takes CPU time too. */
  cpu: number | null
  /** Maximum number of requests in flight and longest start delay (ms) at a fixed rate, otherwise null. */
  backlog: number | null
  maxStartDelay: number | null
}

/** Sends the requests and returns the result. */
export async function generate(options: LoadOptions, histogram: Histogram, progress: Progress): Promise<LoadReport> {
  const target = new Target(options)
  const onResponse = (latency: number) => progress.record(latency)
  const { duration, warmUp, timeout } = options
  const common = { warm: warmUp, seconds: duration, histogram, onResponse, onFailure: () => {} }
  // Requests without a response by then fail.
  const deadline = setTimeout(() => void target.close(), (warmUp + duration + timeout) * 1000)
  progress.start(target)
  try {
    const { requests, seconds, cpu, ...rest } = await drive(target, options, common)
    const { sent, answered, failed, received } = target
    return {
      requests,
      seconds,
      rate: requests / seconds,
      latency: latencyOf(histogram),
      sent,
      answered,
      failed,
      received,
      outcomes: Object.fromEntries(target.outcomes),
      cpu: options.rate === null && requests > 0 ? cpu / requests : null,
      ...rest,
    }
  } finally {
    clearTimeout(deadline)
    progress.end()
    await target.close()
  }
}

interface Measured {
  requests: number
  seconds: number
  cpu: number
  backlog: number | null
  maxStartDelay: number | null
}

type Common = Omit<Parameters<typeof closedLoop>[1], 'width'>

async function drive(target: Target, options: LoadOptions, common: Common): Promise<Measured> {
  const { rate, connections, pipelining } = options
  if (rate === null) {
    const width = connections * pipelining
    const round = await closedLoop(target, { ...common, width, samples: Number.POSITIVE_INFINITY })
    return { ...round, backlog: null, maxStartDelay: null }
  }
  const { requests, failures, seconds, cpu, backlog, maxStartDelay } = await openLoop(target, { ...common, rate })
  return { requests: requests - failures, seconds, cpu, backlog, maxStartDelay }
}
