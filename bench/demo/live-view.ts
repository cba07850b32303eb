/** State of a running scenario, as the live view shows it. */
export interface Progress {
  name: string
  completed: number
  /** Number of requests, or null for a scenario that ends by time. */
  total: number | null
  seconds: number
  /** Servers, with the number of requests that each has served so far. */
  servers: readonly { name: string; served: number; down: boolean }[]
  stats: object | null
}

const BAR_LENGTH = 28

/** Returns the lines of a live view. Server rates cover the time since `previous`, which is of the same scenario. */
export function render(progress: Progress, previous: Progress | null, width: number): string[] {
  const { name, completed, total, seconds, servers, stats } = progress
  const percentage = total === null ? '' : `  ${bar(completed / total)} ${Math.floor((100 * completed) / total)} %`
  const rates = serverRates(progress, previous)
  const highestRate = Math.max(1, ...rates)
  const nameWidth = Math.max(0, ...servers.map((server) => server.name.length))
  const lines = [
    `  ${name}: ${completed} requests, ${seconds > 0 ? Math.round(completed / seconds) : 0} requests/s${percentage}`,
    ...servers.map((server, index) => {
      const rate = rates[index] as number
      return `    ${server.name.padEnd(nameWidth)}  ${bar(rate / highestRate)} ${server.down ? 'DOWN' : `${rate} requests/s`}`
    }),
  ]
  if (stats !== null) {
    const values = Object.entries(stats).map(([name, value]) => `${name} ${value}`)
    lines.push(`    ${values.join('  ')}`)
  }
  return lines.map((line) => line.slice(0, width - 1))
}

/** Returns requests per second of each server, since `previous` or since the start. */
function serverRates(progress: Progress, previous: Progress | null): number[] {
  const seconds = progress.seconds - (previous?.seconds ?? 0)
  return progress.servers.map(({ served }, index) =>
    seconds > 0 ? Math.max(0, Math.round((served - (previous?.servers[index]?.served ?? 0)) / seconds)) : 0,
  )
}

function bar(fraction: number): string {
  const full = Math.round(Math.min(1, Math.max(0, fraction)) * BAR_LENGTH)
  return '█'.repeat(full) + '░'.repeat(BAR_LENGTH - full)
}

/** Returns the terminal output that replaces the last `count` lines by others. */
export function redraw(count: number, lines: readonly string[]): string {
  return `${count > 0 ? `\x1b[${count}A` : ''}\r\x1b[J${lines.map((line) => `${line}\n`).join('')}`
}
