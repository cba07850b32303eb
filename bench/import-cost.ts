// `make import-cost`: time and memory of an import, and of a first request.
import { nodes } from './package/nodes.js'
import { startOrigins } from './package/origin.js'
import { starts } from './package/starts.js'
import { columns } from './report/text.js'

const rounds = Number(process.argv[2] ?? 15)
const mega = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MB`
const origins = await startOrigins()
try {
  for (const { name, path, libraries } of nodes()) {
    const results = starts(libraries, { node: path, rounds, url: origins.http })
    const [nothing, , undici] = results
    const rows = results.map((start, i) => [
      libraries[i]?.name ?? '',
      `${start.imported.toFixed(1)} ms`,
      `${(start.imported / (undici?.imported ?? 1)).toFixed(2)}×`,
      `${start.cpuTime.toFixed(1)} ms`,
      `${(start.cpuTime / (undici?.cpuTime ?? 1)).toFixed(2)}×`,
      mega(start.rssAfterImport - (nothing?.rssAfterImport ?? 0)),
      mega(start.rssAfterRequest - (nothing?.rssAfterRequest ?? 0)),
    ])
    const head = [
      name,
      'import',
      'ratio to undici',
      'CPU time',
      'ratio to undici',
      'RSS after import',
      'RSS after a request',
    ]
    for (const line of columns([head, ...rows.slice(1)])) console.log(line)
    console.log(`  RSS is what exceeds that of a process without imports, ${mega(nothing?.rssAfterImport ?? 0)}\n`)
  }
} finally {
  origins.stop()
}
