/** Figures of one workload: a row of a table in bench/README.md. */
export interface Figures {
  title: string
  unit: string
  /** Clients and their figures, sluice first. Clients that were not measured are omitted. */
  bars: { name: string; value: number }[]
  baseline: number
}

/** Reads the table of one Node. Only rows in which more is better are returned. */
export function figuresOf(readme: string, node: string): Figures[] {
  const section = readme.split(/^## /m).find((part) => part.startsWith(`Node ${node}\n`)) ?? ''
  const rows = section.split('\n').filter((line) => /\((requests|MB)\/s\) \|/.test(line))
  return rows.map((row) => {
    const [workload = '', sluice, undici, pipelined, other = '', baseline] = row.split(' | ')
    const [, title = '', unit = ''] = /^\| (.*) \((.*)\)$/.exec(workload) ?? []
    const peer = /^(.*) \((.*)\)$/.exec(other)
    const bars = [
      { name: 'sluice', value: amount(sluice) },
      { name: 'undici', value: amount(undici) },
      { name: 'undici, blocking: false', value: amount(pipelined) },
      { name: peer?.[2] ?? '', value: amount(peer?.[1]) },
    ]
    return { title, unit, bars: bars.filter(({ value }) => value > 0), baseline: amount(baseline) }
  })
}

function amount(text: string | undefined): number {
  return text === undefined || text === '–' ? 0 : Number(text.replaceAll(' ', ''))
}

const WIDTH = 880
const [LEFT, RIGHT, BAR, GAP] = [190, 180, 15, 34]
const HEADING = 'Throughput, compared with raw sockets'
const INK = '#57606a'

/** Draws bars as percentages of the raw socket baseline, one group for each workload. */
export function speedPicture(figures: readonly Figures[], subtitle: string): string {
  const lines: string[] = []
  let y = 66
  const text = (x: number, content: string, more: string) =>
    lines.push(`<text x="${x}" y="${y + 11}" fill="${INK}"${more}>${escaped(content)}</text>`)
  for (const { title, unit, bars, baseline } of figures) {
    text(LEFT, title, ' font-weight="bold"')
    y += 18
    for (const { name, value } of bars) {
      const width = Math.round(((WIDTH - LEFT - RIGHT) * value) / Math.max(baseline, value))
      const color = name === 'sluice' ? '#1f77b4' : '#b0b7bf'
      text(LEFT - 8, name, ' text-anchor="end"')
      lines.push(`<rect x="${LEFT}" y="${y}" width="${width}" height="${BAR - 2}" fill="${color}"/>`)
      const percentage = `${Math.round((100 * value) / baseline)} %`
      text(LEFT + width + 6, `${grouped(value)} ${unit}, ${percentage}`, '')
      y += BAR
    }
    y += GAP - 18
  }
  const head = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" font-family="system-ui, sans-serif" font-size="12">`,
    `<title>${HEADING}</title>`,
    `<text x="${LEFT}" y="24" fill="${INK}" font-size="15" font-weight="bold">${HEADING}</text>`,
    `<text x="${LEFT}" y="44" fill="${INK}">${escaped(subtitle)}</text>`,
  ]
  return `${[...head, ...lines, '</svg>'].join('\n')}\n`
}

const grouped = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ' ')

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
