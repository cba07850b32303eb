/** What a part of the demo shows while it runs. */
export interface Scene {
  what: string
  done: number
  /** Null: it ends by time. */
  total: number | null
  seconds: number
  /** Who serves, and how many requests each has served by now. */
  servers: readonly { name: string; served: number; down: boolean }[]
  stats: object | null
}

const BAR = 28

/** The lines of a live view. Rates of servers are of the time since the scene before, which is of the same part. */
export function frame(scene: Scene, before: Scene | null, width: number): string[] {
  const { what, done, total, seconds, servers, stats } = scene
  const progress = total === null ? '' : `  ${bar(done / total)} ${Math.floor((100 * done) / total)} %`
  const since = before === null ? null : { seconds: seconds - before.seconds, servers: before.servers }
  const rates = servers.map(({ served }, at) => {
    const passed = since?.seconds ?? seconds
    return passed > 0 ? Math.max(0, Math.round((served - (since?.servers[at]?.served ?? 0)) / passed)) : 0
  })
  const most = Math.max(1, ...rates)
  const longest = Math.max(0, ...servers.map(({ name }) => name.length))
  const lines = [
    `  ${what}: ${done} requests, ${seconds > 0 ? Math.round(done / seconds) : 0} requests/s${progress}`,
    ...servers.map(({ name, down }, at) => {
      const rate = rates[at] as number
      return `    ${name.padEnd(longest)}  ${bar(rate / most)} ${down ? 'DOWN' : `${rate} requests/s`}`
    }),
    ...(stats === null
      ? []
      : [
          `    ${Object.entries(stats)
            .map(([name, value]) => `${name} ${value}`)
            .join('  ')}`,
        ]),
  ]
  return lines.map((line) => line.slice(0, width - 1))
}

function bar(share: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * BAR)
  return '█'.repeat(full) + '░'.repeat(BAR - full)
}

/** Takes `count` lines back and writes others in their place. */
export function redraw(count: number, lines: readonly string[]): string {
  return `${count > 0 ? `\x1b[${count}A` : ''}\r\x1b[J${lines.map((line) => `${line}\n`).join('')}`
}
