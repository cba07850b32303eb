import { readFileSync } from 'node:fs'

/** All that the event loop holds. `getActiveResourcesInfo` would not do: an idle connection is not referenced. */
export function handles(): string {
  const { libuv } = process.report.getReport() as unknown as { libuv: { type: string }[] }
  const counts = new Map<string, number>()
  for (const { type } of libuv) counts.set(type, (counts.get(type) ?? 0) + 1)
  const kinds = [...counts].sort(([a], [b]) => (a < b ? -1 : 1))
  return kinds.map(([type, count]) => `${type} ${count}`).join(', ')
}

/** Bytes of the heap in use once the garbage is gone; Node has to run with `--expose-gc`. */
export function heapUsed(): number {
  for (let i = 0; i < 4; i++) globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

/** Bytes of memory that are the process's own. RSS counts pages of Node's file also, as many as the system likes. */
export function ownMemory(): number {
  if (process.platform !== 'linux') return process.memoryUsage.rss()
  const [, kilobytes = Number.NaN] = /^RssAnon:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
  return 1024 * Number(kilobytes)
}
