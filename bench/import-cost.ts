// `make import-cost`: what the library costs a program that only names it, and one that sends a first request.
import { nodes } from './package/nodes.js'
import { startOrigins } from './package/origin.js'
import { starts } from './package/starts.js'
import { columns } from './report/text.js'

const rounds = Number(process.argv[2] ?? 15)
const mega = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MB`
const origins = await startOrigins()
try {
  for (const { name, path, contenders } of nodes()) {
    const found = starts(contenders, { node: path, rounds, url: origins.http })
    const [least, , most] = found
    const rows = found.map((start, i) => [
      contenders[i]?.name ?? '',
      `${start.imported.toFixed(1)} ms`,
      `${(start.imported / (most?.imported ?? 1)).toFixed(2)}×`,
      `${start.worked.toFixed(1)} ms`,
      `${(start.worked / (most?.worked ?? 1)).toFixed(2)}×`,
      mega(start.rssImported - (least?.rssImported ?? 0)),
      mega(start.rssAnswered - (least?.rssAnswered ?? 0)),
    ])
    const head = [name, 'import', 'to undici', 'processor time', 'to undici', 'RSS after import', 'RSS after a request']
    for (const line of columns([head, ...rows.slice(1)])) console.log(line)
    console.log(`  RSS beyond that of a process that imports nothing, ${mega(least?.rssImported ?? 0)}\n`)
  }
} finally {
  origins.stop()
}
