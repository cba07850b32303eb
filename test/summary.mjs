// Adds up the results that tap left behind, and says how many assertions held in one plain line.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = '.tap/test-results'
let passed = 0
let failed = 0
let skipped = 0

for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !entry.name.endsWith('.tap')) continue
  count(readFileSync(join(entry.parentPath ?? entry.path, entry.name), 'utf8'))
}

/** A result counts when it is no summary of a subtest, which comes right after the subtest's plan. */
function count(text) {
  let afterPlan = false
  for (const line of text.split('\n')) {
    const result = /^(\s*)(not ok|ok) \d+(.*)$/.exec(line)
    if (result === null) {
      if (/^\s+1\.\.\d+/.test(line)) afterPlan = true
      continue
    }
    if (/# SKIP/i.test(result[3])) skipped++
    else if (result[2] === 'not ok') failed++
    else if (!afterPlan) passed++
    afterPlan = false
  }
}

if (skipped > 0) console.log(`${skipped} skipped: see the reasons above`)
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0
