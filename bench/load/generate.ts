import { arrivals } from '../harness/arrivals.js'
import { closedLoop } from '../harness/closed-loop.js'
import { type Histogram, type Latency, latencyOf } from '../harness/histogram.js'
import type { LoadOptions } from './options.js'
import type { Progress } from './progress.js'
import { Target } from './target.js'

/** What came of a load. */
export interface LoadReport {
  /** Answers in the measured time, and how long that was (s). */
  requests: number
  seconds: number
  rate: number
  latency: Latency
  /** Of the whole time, warm-up included. */
  sent: number
  answered: number
  failed: number
  received: number
  outcomes: Record<string, number>
  /** CPU time per request, µs; null at a fixed rate, where waiting takes CPU time too. */
  cpu: number | null
  /** At a fixed rate: most requests under way, and how late (ms) the latest of them started; else null. */
  backlog: number | null
  latest: number | null
}

/** Drives the load to its end. */
export async function generate(options: LoadOptions, histogram: Histogram, progress: Progress): Promise<LoadReport> {
  const target = new Target(options)
  const onAnswer = (latency: number) => progress.answer(latency)
  const { duration, warmUp, timeout } = options
  const common = { warm: warmUp, seconds: duration, histogram, onAnswer, onFailure: () => {} }
  // Whatever is not answered by then fails.
  const late = setTimeout(() => void target.close(), (warmUp + duration + timeout) * 1000)
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
    clearTimeout(late)
    progress.end()
    await target.close()
  }
}

interface Driven {
  requests: number
  seconds: number
  cpu: number
  backlog: number | null
  latest: number | null
}

type Common = Omit<Parameters<typeof closedLoop>[1], 'width'>

async function drive(target: Target, options: LoadOptions, common: Common): Promise<Driven> {
  const { rate, connections, pipelining } = options
  if (rate === null) {
    const width = connections * pipelining
    const round = await closedLoop(target, { ...common, width, samples: Number.POSITIVE_INFINITY })
    return { ...round, backlog: null, latest: null }
  }
  const { requests, failures, seconds, cpu, backlog, latest } = await arrivals(target, { ...common, rate })
  return { requests: requests - failures, seconds, cpu, backlog, latest }
}
