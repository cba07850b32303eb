import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Packages } from '../harness/packages.js'
import type { Behaviour } from './behaviours.js'
import { percentile } from './simulation.js'
import type { Row } from './table.js'

const WIDTH = 900
const POINTS = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999]
const palette = ['#888888', '#d1495b', '#e8a33d', '#2f7ed8', '#33a06f', '#7a4fbf', '#14213d', '#b5179e', '#8c564b']

/** Position of a percentile on an axis on which each nine has the same length. */
const nines = (part: number) => -Math.log10(1 - part)

/** Draws latency by percentile, both axes logarithmic. */
export function latencies(rows: readonly Row[], title: string): object {
  const label = (value: number) => `p${Number((100 - 100 * 10 ** -value).toFixed(2))}`
  return {
    title: { text: title, subtext: 'latency in ms by percentile', left: 'center', textStyle: { fontSize: 14 } },
    legend: { bottom: 0 },
    grid: { left: 70, right: 40, top: 60, bottom: 30 + 25 * Math.ceil(rows.length / 3) },
    xAxis: { type: 'value', min: 0, max: 3, interval: 1, axisLabel: { formatter: label } },
    yAxis: { type: 'log', name: 'ms' },
    series: rows.map(({ name, latencies }) => ({
      name,
      type: 'line',
      showSymbol: false,
      data: POINTS.map((part) => [nines(part), Math.max(0.1, percentile(latencies, part))]),
    })),
  }
}

/** Draws the percentage of attempts that each backend received, with the success rate of each client. */
export function shares(rows: readonly Row[], behaviours: readonly Behaviour[], title: string): object {
  const names = rows.map(({ name, success }) => `${name}\n${(success * 100).toFixed(2)} % answered`)
  return {
    title: { text: title, subtext: '% of the attempts', left: 'center', textStyle: { fontSize: 14 } },
    legend: { bottom: 0 },
    grid: { left: 250, right: 30, top: 60, bottom: 80 },
    xAxis: { type: 'value', max: 100 },
    yAxis: { type: 'category', inverse: true, data: names },
    series: behaviours.map(({ name }, index) => ({
      name,
      type: 'bar',
      stack: 'all',
      data: rows.map((one) => Number(((one.shares[index] ?? 0) * 100).toFixed(2))),
    })),
  }
}

export interface Choices {
  n: number
  random: number
  two: number
}

/** Draws by how much the fullest of n backends exceeds the mean, beside the theoretical bound. */
export function choices(points: readonly Choices[]): object {
  const line = (name: string, of: (point: Choices) => number, dashed = false) => ({
    name,
    type: 'line',
    lineStyle: { type: dashed ? 'dashed' : 'solid' },
    data: points.map((point) => [point.n, Number(of(point).toFixed(2))]),
  })
  return {
    title: {
      text: 'Requests of the fullest of n backends above the mean',
      left: 'center',
      textStyle: { fontSize: 14 },
    },
    legend: { bottom: 0 },
    grid: { left: 70, right: 40, top: 60, bottom: 70 },
    xAxis: { type: 'log', name: 'backends', nameLocation: 'middle', nameGap: 25 },
    yAxis: { type: 'log', name: 'requests', min: 0.5 },
    series: [
      line('random', ({ random }) => random),
      line('least-requests', ({ two }) => two),
      line('ln ln n / ln 2', ({ n }) => bound(n), true),
    ],
  }
}

/** Bound for two random choices, up to a constant: Azar, Broder, Karlin and Upfal, 1994. */
export function bound(n: number): number {
  return Math.log(Math.log(n)) / Math.LN2
}

/** Writes pictures as SVG, by echarts without a browser, and returns their paths. */
export async function draw(pictures: Record<string, object>, packages: Packages): Promise<string[]> {
  const echarts = await packages.load('echarts')
  const folder = 'bench/results'
  mkdirSync(folder, { recursive: true })
  return Object.entries(pictures).map(([name, option]) => {
    const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: 460 })
    chart.setOption({ animation: false, backgroundColor: '#fff', color: palette, ...option })
    const path = join(folder, `balance-${name}.svg`)
    writeFileSync(path, `${chart.renderToSVGString()}\n`)
    chart.dispose()
    return path
  })
}
