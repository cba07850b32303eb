import { runtime } from '../../runtimes/runtimes.js'
import { complaintOf, libraries, markdown, play, prepare, trees } from './run.js'

// Runs the scenarios of all packages, or of the named ones, and prints failures and the table: `make libraries ARGS=urllib`.
const names = process.argv.slice(2)
const node = await runtime('node@24')
const folders = typeof node === 'string' ? node : await prepare()
if (typeof node === 'string' || typeof folders === 'string') throw new Error(String(folders))
const counts: Record<string, number> = {}
for (const [name, library] of Object.entries(libraries)) {
  if (names.length > 0 && !names.includes(name)) continue
  for (const over of trees) {
    const outcomes = await play(node, folders[over], library)
    counts[name] = outcomes.length
    for (const outcome of outcomes) {
      const complaint = complaintOf(library, over, outcome)
      if (complaint === null) continue
      process.exitCode = 1
      console.log(`${name} over ${over}: ${outcome.name}: ${complaint}`)
    }
  }
}
console.log(markdown(counts))
