// `make cold-start`: a new process imports the library, connects over TLS and receives the first byte, as in serverless functions.
import { nodes } from './package/nodes.js'
import { startOrigins } from './package/origin.js'
import { starts } from './package/starts.js'
import { columns } from './report/text.js'

const rounds = Number(process.argv[2] ?? 15)
const origins = await startOrigins()
try {
  for (const { name, path, libraries } of nodes()) {
    const measured = libraries.slice(1)
    const results = starts(measured, { node: path, rounds, url: origins.https, ca: origins.ca })
    const undici = results[1]
    const rows = results.map((start, i) => [
      measured[i]?.name ?? '',
      `${start.firstByte.toFixed(0)} ms`,
      `${(start.firstByte / (undici?.firstByte ?? 1)).toFixed(2)}×`,
      `${start.sinceProcessStart.toFixed(0)} ms`,
      `${(start.sinceProcessStart / (undici?.sinceProcessStart ?? 1)).toFixed(2)}×`,
    ])
    const head = [name, 'import to first byte', 'ratio to undici', 'including the start of Node', 'ratio to undici']
    for (const line of columns([head, ...rows])) console.log(line)
    console.log()
  }
} finally {
  origins.stop()
}
