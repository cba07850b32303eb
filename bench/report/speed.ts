/** A line of a table in bench/README.md: what each did of one workload. */
export interface Figures {
  title: string
  unit: string
  /** Who and how much; the first is sluice. Whoever was not measured is left out. */
  bars: { name: string; value: number }[]
  floor: number
}

/** Reads the table of one Node: the lines in which more is better. */
export function figuresOf(readme: string, node: string): Figures[] {
  const section = readme.split(/^## /m).find((part) => part.startsWith(`Node ${node}\n`)) ?? ''
  const rows = section.split('\n').filter((line) => /\((requests|MB)\/s\) \|/.test(line))
  return rows.map((row) => {
    const [what = '', sluice, undici, pipelined, other = '', floor] = row.split(' | ')
    const [, title = '', unit = ''] = /^\| (.*) \((.*)\)$/.exec(what) ?? []
    const peer = /^(.*) \((.*)\)$/.exec(other)
    const bars = [
      { name: 'sluice', value: amount(sluice) },
      { name: 'undici', value: amount(undici) },
      { name: 'undici, blocking: false', value: amount(pipelined) },
      { name: peer?.[2] ?? '', value: amount(peer?.[1]) },
    ]
    return { title, unit, bars: bars.filter(({ value }) => value > 0), floor: amount(floor) }
  })
}

function amount(text: string | undefined): number {
  return text === undefined || text === '–' ? 0 : Number(text.replaceAll(' ', ''))
}

const WIDTH = 880
const [LEFT, RIGHT, BAR, GAP] = [190, 180, 15, 34]
const HEADING = 'What each reaches of what bare sockets carry'
const INK = '#57606a'

/** Bars of how much of the floor each reaches, one group for each workload. */
export function speedPicture(figures: readonly Figures[], subtitle: string): string {
  const lines: string[] = []
  let y = 66
  const text = (x: number, content: string, more: string) =>
    lines.push(`<text x="${x}" y="${y + 11}" fill="${INK}"${more}>${escaped(content)}</text>`)
  for (const { title, unit, bars, floor } of figures) {
    text(LEFT, title, ' font-weight="bold"')
    y += 18
    for (const { name, value } of bars) {
      const width = Math.round(((WIDTH - LEFT - RIGHT) * value) / Math.max(floor, value))
      const color = name === 'sluice' ? '#1f77b4' : '#b0b7bf'
      text(LEFT - 8, name, ' text-anchor="end"')
      lines.push(`<rect x="${LEFT}" y="${y}" width="${width}" height="${BAR - 2}" fill="${color}"/>`)
      const share = `${Math.round((100 * value) / floor)} %`
      text(LEFT + width + 6, `${grouped(value)} ${unit}, ${share}`, '')
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
