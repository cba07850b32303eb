import type { Packages } from '../harness/packages.js'
import type { CurveResult, Report, TableResult } from '../harness/results.js'
import { heading } from './text.js'

interface Picture {
  name: string
  text: string
}

const WIDTH = 900
const BAR = 26

/** Draws one SVG picture for each result, by echarts without a browser. */
export async function pictures(report: Report, packages: Packages): Promise<Picture[]> {
  const echarts = await packages.load('echarts')
  const draw = (option: object, height: number): string => {
    const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height })
    chart.setOption({ animation: false, backgroundColor: '#fff', color: palette, ...option })
    const text = chart.renderToSVGString() as string
    chart.dispose()
    return text
  }
  const subtitle = `node ${report.machine.node}, ${report.machine.cores} × ${report.machine.cpu}`
  const all: Picture[] = []
  for (const result of report.results) {
    const name = `${result.name.replace(/[^a-z0-9]+/gi, '-')}.svg`
    if (result.kind === 'curve') all.push({ name, text: draw(curve(result, subtitle), 420) })
    else all.push({ name, text: draw(bars(result, subtitle), 110 + BAR * result.rows.length) })
  }
  return all
}

/** Colors of curves of peers. */
const palette = ['#d62728', '#2ca02c', '#9467bd', '#8c564b']

const colors = { sluice: '#1f77b4', peer: '#b0b7bf', baseline: '#e3a008' }

/** Draws medians as bars, with a line from the lowest to the highest round. */
function bars(result: TableResult, subtext: string): object {
  const rows = result.rows.filter((row) => row.rounds.length > 0)
  const rated = result.kind === 'rate'
  const shown = (row: (typeof rows)[number]) => (rated ? (row.latency?.p99 ?? 0) : row.rate.median)
  const highest = Math.max(1, ...rows.map((row) => (rated ? shown(row) : row.rate.high)))
  const step = 10 ** Math.floor(Math.log10(highest)) / 2
  const base = {
    title: { text: heading(result), subtext, left: 'center', textStyle: { fontSize: 14 } },
    grid: { left: 170, right: 90, top: 60, bottom: 30 },
    xAxis: {
      type: 'value',
      max: Math.ceil(highest / step) * step,
      name: rated ? 'p99, µs' : result.unit,
      nameLocation: 'end',
    },
    yAxis: { type: 'category', inverse: true, data: rows.map(({ client }) => client) },
  }
  const data = rows.map((row) => ({ value: Math.round(shown(row)), itemStyle: { color: colors[row.role] } }))
  const bar = { type: 'bar', data, label: { show: true, position: 'insideLeft' } }
  const spread = rows.map(({ rate }, index) => [
    { coord: [rate.low, index], symbol: 'none' },
    { coord: [rate.high, index], symbol: 'none' },
  ])
  const markLine = { silent: true, lineStyle: { color: '#333', width: 2, type: 'solid' }, data: spread }
  return { ...base, series: [rated ? bar : { ...bar, markLine }] }
}

function curve(result: CurveResult, subtext: string): object {
  return {
    title: { text: heading(result), subtext, left: 'center', textStyle: { fontSize: 14 } },
    legend: { bottom: 0 },
    grid: { left: 90, right: 40, top: 60, bottom: 70 },
    xAxis: { type: 'log', name: result.axis, nameLocation: 'middle', nameGap: 25 },
    yAxis: { type: 'log', name: result.unit },
    series: result.series.map(({ client, role, values }) => ({
      name: client,
      type: 'line',
      ...(role === 'peer' ? {} : { itemStyle: { color: colors[role] }, lineStyle: { width: 3 } }),
      data: values.flatMap((value, index) =>
        value === null ? [] : [[result.sizes[index], Math.max(1, value.median)]],
      ),
    })),
  }
}
