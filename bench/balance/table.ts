import type { Behaviour } from './behaviours.js'
import { percentile } from './simulation.js'

/** Result of one client, simulated or over sockets. */
export interface Row {
  name: string
  requests: number
  success: number
  latencies: Float64Array
  shares: readonly number[]
}

export function row(cells: readonly (string | number)[]): string {
  return `| ${cells.join(' | ')} |`
}

/** Returns a Markdown table. The first `healthy` backends share one column. */
export function table(rows: readonly Row[], behaviours: readonly Behaviour[], healthy: number): string {
  const percent = (part: number) => (part * 100).toFixed(1)
  const otherTitles = behaviours.slice(healthy).map(({ name }) => `${name} %`)
  const healthyTitle = healthy > 0 ? ['healthy, each %'] : []
  const titles = ['strategy', 'requests', 'success %', 'p50', 'p99', 'p99.9', ...healthyTitle, ...otherTitles]
  const lines = rows.map(({ name, requests, success, latencies, shares }) => {
    const times = [0.5, 0.99, 0.999].map((part) => percentile(latencies, part).toFixed(0))
    const each = shares.slice(0, healthy).reduce((sum, share) => sum + share, 0) / healthy
    const mean = healthy > 0 ? [percent(each)] : []
    return row([name, requests, (success * 100).toFixed(3), ...times, ...mean, ...shares.slice(healthy).map(percent)])
  })
  return [row(titles), row(titles.map((_, index) => (index === 0 ? '---' : '--:'))), ...lines].join('\n')
}
