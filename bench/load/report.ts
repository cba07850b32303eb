import type { Histogram } from '../harness/histogram.js'
import { columns, number } from '../report/text.js'
import type { LoadReport } from './generate.js'
import type { LoadOptions } from './options.js'

const PERCENTILES = [50, 75, 90, 99, 99.9, 99.99, 99.999]

/** Returns the report as lines of text. */
export function lines(options: LoadOptions, report: LoadReport, histogram: Histogram): string[] {
  const { url, rate, duration, warmUp, connections, pipelining } = options
  const load = rate === null ? 'as many requests as possible' : `${number(rate)} requests/s`
  const delays =
    report.maxStartDelay === null
      ? []
      : [`at most ${report.backlog} in flight`, `started at most ${number(report.maxStartDelay)} ms late`]
  const outcomes = Object.entries(report.outcomes).map(([outcome, count]) => `${outcome}: ${number(count)}`)
  const facts = [
    ['responses', `${number(report.requests)} in ${report.seconds.toFixed(2)} s: ${number(report.rate)}/s`],
    ['total', [`${number(report.sent)} sent`, ...outcomes, ...delays].join(', ')],
    ['bodies', `${(report.received / 1e6).toFixed(1)} MB`],
    ...(report.cpu === null ? [] : [['CPU', `${number(report.cpu)} µs per request`]]),
  ]
  return [
    `${options.method} ${url.href}: ${load} for ${duration} s after a warm-up of ${warmUp} s, ${connections} connections, pipelining ${pipelining}`,
    ...facts.map(([name = '', value]) => `${name.padEnd(11)}${value}`),
    ...(report.latency.samples === 0 ? [] : latency(options, report, histogram)),
  ]
}

function latency({ rate }: LoadOptions, report: LoadReport, histogram: Histogram): string[] {
  return [
    `latency in µs, from the ${rate === null ? '' : 'intended '}start of each request`,
    ...columns([...rows(histogram), ['max', number(report.latency.max)]]).map((line) => `  ${line}`),
  ]
}

function rows(histogram: Histogram): string[][] {
  return PERCENTILES.map((percentile) => [`${percentile} %`, number(histogram.getValueAtPercentile(percentile) / 1000)])
}

/** Returns the latency distribution in ms, in the format of HdrHistogram plotters. */
export function distribution(histogram: Histogram): string {
  return histogram.outputPercentileDistribution(5, 1e6)
}
