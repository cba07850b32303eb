import { join } from 'node:path'
import t from 'tap'
import { startOrigins } from '../../bench/package/origin.js'
import { root } from '../../bench/package/project.js'
import { contendersFor, starts } from '../../bench/package/starts.js'
import { missing, packages } from '../bench/packages.js'

const major = Number(process.versions.node.split('.')[0])
const skip = major >= 22 ? false : missing()

t.test('importing takes a fraction of what importing undici takes, in time and memory', { skip }, async (t) => {
  const contenders = contendersFor({
    major,
    packages: major >= 22 ? '' : join(packages().folder, 'node_modules'),
    root,
  })
  const origins = await startOrigins()
  t.teardown(() => origins.stop())
  const part = { node: process.execPath, rounds: 5, url: origins.https, ca: origins.ca }
  const [nothing, ours, theirs] = starts(contenders, part)
  if (nothing === undefined || ours === undefined || theirs === undefined) throw new Error('a contender is missing')
  // `make import-cost` and `make cold-start` show how much. A busy machine must not fail this, nor pages that the system
  // counts to RSS as it likes.
  t.ok(ours.worked < theirs.worked / 2, `${ours.worked} ms to ${theirs.worked}`)
  t.ok(ours.answered < theirs.answered, `${ours.answered} ms to ${theirs.answered}`)
  const [held, heldByTheirs] = [ours.heldImported - nothing.heldImported, theirs.heldImported - nothing.heldImported]
  t.ok(held < heldByTheirs / 2, `${held} bytes to ${heldByTheirs}`)
  t.ok(nothing.imported < ours.imported && ours.imported < ours.answered && ours.answered < ours.since)
})
