// `make peers`: runs every case against every server. ARGS: `--server nginx`, `--only TLS`, `--markdown`, `--slowest`.
import { parseArgs } from 'node:util'
import { runMatrix, servers } from './run.js'
import { judge, markdown, plain } from './table.js'

const { values } = parseArgs({
  options: {
    server: { type: 'string', default: '' },
    only: { type: 'string', default: '' },
    markdown: { type: 'boolean', default: false },
    slowest: { type: 'boolean', default: false },
  },
})

const start = performance.now()
const results = await runMatrix({
  servers: servers.filter(({ name }) => name.includes(values.server)),
  only: values.only,
})
const judged = results.map(judge)
console.log(values.markdown ? markdown(judged) : plain(results))
for (const { server, outcomes } of results) {
  if (typeof outcomes === 'string') console.log(`${server.name} is not here: ${outcomes}`)
  else if (values.slowest) {
    const slow = outcomes.toSorted((a, b) => b.milliseconds - a.milliseconds).slice(0, 5)
    for (const { capability, name, milliseconds } of slow) {
      console.log(`${server.name}: ${capability}: ${name}: ${milliseconds.toFixed(0)} ms`)
    }
  }
}
console.log(`\n${((performance.now() - start) / 1000).toFixed(1)} s`)
if (!values.markdown) {
  for (const { name, lacks, defects = {} } of results.map(({ server }) => server)) {
    for (const [title, reason] of Object.entries(lacks)) console.log(`n/a     ${name}: ${title}: ${reason}`)
    for (const [title, { because }] of Object.entries(defects)) console.log(`defect  ${name}: ${title}: ${because}`)
  }
}
for (const { complaints } of judged) {
  for (const complaint of complaints) {
    process.exitCode = 1
    console.log(`\n${complaint}`)
  }
}
