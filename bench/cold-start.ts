// `make cold-start`: a function as a service. A fresh process imports, connects over TLS and gets the first byte.
import { nodes } from './package/nodes.js'
import { startOrigins } from './package/origin.js'
import { starts } from './package/starts.js'
import { columns } from './report/text.js'

const rounds = Number(process.argv[2] ?? 15)
const origins = await startOrigins()
try {
  for (const { name, path, contenders } of nodes()) {
    const two = contenders.slice(1)
    const found = starts(two, { node: path, rounds, url: origins.https, ca: origins.ca })
    const theirs = found[1]
    const rows = found.map((start, i) => [
      two[i]?.name ?? '',
      `${start.answered.toFixed(0)} ms`,
      `${(start.answered / (theirs?.answered ?? 1)).toFixed(2)}×`,
      `${start.since.toFixed(0)} ms`,
      `${(start.since / (theirs?.since ?? 1)).toFixed(2)}×`,
    ])
    const head = [name, 'import to first byte', 'to undici', 'with the start of Node', 'to undici']
    for (const line of columns([head, ...rows])) console.log(line)
    console.log()
  }
} finally {
  origins.stop()
}
