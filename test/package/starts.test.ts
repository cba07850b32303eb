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
  // `make import-cost` shows how much; a busy machine must not fail this.
  t.ok(ours.imported < theirs.imported / 2, `${ours.imported} ms to ${theirs.imported}`)
  t.ok(ours.answered < theirs.answered, `${ours.answered} ms to ${theirs.answered}`)
  t.ok(ours.rssImported < theirs.rssImported, `${ours.rssImported} bytes to ${theirs.rssImported}`)
  t.ok(nothing.imported < ours.imported && ours.imported < ours.answered && ours.answered < ours.since)
})
