import { behaviours, percentile, type Result } from './simulation.js'

const COLOURS = ['#888888', '#d1495b', '#e8a33d', '#2f7ed8', '#33a06f', '#7a4fbf', '#14213d', '#b5179e']
const WIDTH = 820
const HEIGHT = 330
const POINTS = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999]

function text(x: number, y: number, content: string, anchor = 'start'): string {
  return `<text x="${x}" y="${y}" font-size="11" text-anchor="${anchor}">${content}</text>`
}

/** Two pictures in one: latency by percentile, both axes logarithmic, and the share of each backend. */
export function picture(results: readonly { name: string; result: Result }[]): string {
  const most = Math.log10(Math.max(...results.map(({ result }) => percentile(result.latencies, 0.9999))))
  const x = (part: number) => 50 + (-Math.log10(1 - part) / 4) * (WIDTH - 330)
  const y = (latency: number) => HEIGHT - 30 - (Math.log10(Math.max(1, latency)) / most) * (HEIGHT - 60)
  const parts: string[] = [text(50, 18, 'latency in ms by percentile')]
  for (const part of [0.5, 0.9, 0.99, 0.999, 0.9999]) {
    parts.push(text(x(part), HEIGHT - 12, `p${Number((part * 100).toFixed(2))}`, 'middle'))
  }
  for (let power = 0; power <= most; power++) {
    const at = y(10 ** power)
    parts.push(`<path d="M50 ${at}H${WIDTH - 280}" stroke="#ddd"/>`, text(44, at + 4, String(10 ** power), 'end'))
  }
  results.forEach(({ name, result }, index) => {
    const colour = COLOURS[index % COLOURS.length]
    const line = POINTS.map((part) => `${x(part).toFixed(1)},${y(percentile(result.latencies, part)).toFixed(1)}`)
    parts.push(`<polyline points="${line.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`)
    parts.push(`<rect x="${WIDTH - 265}" y="${30 + index * 18}" width="12" height="10" fill="${colour}"/>`)
    parts.push(text(WIDTH - 247, 39 + index * 18, name))
    const top = HEIGHT + 40 + index * 34
    parts.push(text(50, top + 14, name))
    let left = 260
    result.shares.forEach((share, backend) => {
      const width = share * (WIDTH - 280)
      const tone = backend < 6 ? `hsl(150 40% ${55 + backend * 5}%)` : `hsl(${(backend - 6) * 25} 70% 60%)`
      const title = `<title>${behaviours[backend]?.name}: ${(share * 100).toFixed(2)} %</title>`
      parts.push(`<rect x="${left}" y="${top}" width="${width}" height="20" fill="${tone}">${title}</rect>`)
      left += width
    })
  })
  const bottom = HEIGHT + 40 + results.length * 34
  parts.push(text(50, HEIGHT + 28, 'share of the tries: green the healthy, then slow, flapping, dead, recovering'))
  const open = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${bottom}" font-family="sans-serif">`
  return `${open}<rect width="100%" height="100%" fill="white"/>${parts.join('')}</svg>\n`
}
