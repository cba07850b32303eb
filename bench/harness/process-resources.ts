import { readFileSync } from 'node:fs'

/** Counts the handles of the event loop. `getActiveResourcesInfo` omits unreferenced ones, such as idle connections. */
export function handles(): string {
  const { libuv } = process.report.getReport() as unknown as { libuv: { type: string }[] }
  const counts = new Map<string, number>()
  for (const { type } of libuv) counts.set(type, (counts.get(type) ?? 0) + 1)
  const kinds = [...counts].sort(([a], [b]) => (a < b ? -1 : 1))
  return kinds.map(([type, count]) => `${type} ${count}`).join(', ')
}

/** Returns the used heap in bytes after garbage collection. Requires `--expose-gc`. */
export function heapUsed(): number {
  for (let i = 0; i < 4; i++) globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

/** Returns anonymous memory in bytes. RSS also counts mapped pages of the Node executable, a number that varies. */
export function ownMemory(): number {
  if (process.platform !== 'linux') return process.memoryUsage.rss()
  const [, kilobytes = Number.NaN] = /^RssAnon:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
  return 1024 * Number(kilobytes)
}
