import type { Histogram } from '../harness/histogram.js'
import { columns, number } from '../report/text.js'
import type { LoadReport } from './generate.js'
import type { LoadOptions } from './options.js'

const PERCENTILES = [50, 75, 90, 99, 99.9, 99.99, 99.999]

/** What a person wants to know. */
export function lines(options: LoadOptions, report: LoadReport, histogram: Histogram): string[] {
  const { url, rate, duration, warmUp, connections, pipelining } = options
  const asked = rate === null ? 'as many as go' : `${number(rate)} requests/s`
  const late =
    report.latest === null ? [] : [`${report.backlog} under way at most, the latest ${number(report.latest)} ms late`]
  const outcomes = Object.entries(report.outcomes).map(([outcome, count]) => `${outcome}: ${number(count)}`)
  const facts = [
    ['answers', `${number(report.requests)} in ${report.seconds.toFixed(2)} s: ${number(report.rate)}/s`],
    ['in all', [`${number(report.sent)} sent`, ...outcomes, ...late].join(', ')],
    ['bodies', `${(report.received / 1e6).toFixed(1)} MB`],
    ...(report.cpu === null ? [] : [['CPU', `${number(report.cpu)} µs per request`]]),
  ]
  return [
    `${options.method} ${url.href}: ${asked} for ${duration} s after ${warmUp} s, ${connections} connections, pipelining ${pipelining}`,
    ...facts.map(([name = '', value]) => `${name.padEnd(9)}${value}`),
    ...(report.latency.samples === 0 ? [] : latency(options, report, histogram)),
  ]
}

function latency({ rate }: LoadOptions, report: LoadReport, histogram: Histogram): string[] {
  return [
    `latency  from ${rate === null ? 'when each request was sent' : 'when each request was meant to start'}, µs`,
    ...columns([...rows(histogram), ['max', number(report.latency.max)]]).map((line) => `  ${line}`),
  ]
}

function rows(histogram: Histogram): string[][] {
  return PERCENTILES.map((percentile) => [`${percentile} %`, number(histogram.getValueAtPercentile(percentile) / 1000)])
}

/** The distribution in ms, as HdrHistogram's plotters read it. */
export function distribution(histogram: Histogram): string {
  return histogram.outputPercentileDistribution(5, 1e6)
}
