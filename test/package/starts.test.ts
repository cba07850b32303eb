import { join } from 'node:path'
import t from 'tap'
import { startOrigins } from '../../bench/package/origin.js'
import { root } from '../../bench/package/project.js'
import { librariesFor, starts } from '../../bench/package/starts.js'
import { missing, packages } from '../bench/packages.js'

const major = Number(process.versions.node.split('.')[0])
const skip = major >= 22 ? false : missing()

t.test('importing takes a fraction of what importing undici takes, in time and memory', { skip }, async (t) => {
  const libraries = librariesFor({
    major,
    packages: major >= 22 ? '' : join(packages().folder, 'node_modules'),
    root,
  })
  const origins = await startOrigins()
  t.teardown(() => origins.stop())
  const part = { node: process.execPath, rounds: 5, url: origins.https, ca: origins.ca }
  const [nothing, ours, theirs] = starts(libraries, part)
  if (nothing === undefined || ours === undefined || theirs === undefined) throw new Error('a library is missing')
  // `make import-cost` and `make cold-start` print figures. The limits here hold on a busy machine too; RSS is not compared,
  // because it counts a varying number of mapped pages.
  t.ok(ours.cpuTime < theirs.cpuTime / 2, `${ours.cpuTime} ms to ${theirs.cpuTime}`)
  t.ok(ours.firstByte < theirs.firstByte, `${ours.firstByte} ms to ${theirs.firstByte}`)
  const [ourHeap, theirHeap] = [
    ours.heapAfterImport - nothing.heapAfterImport,
    theirs.heapAfterImport - nothing.heapAfterImport,
  ]
  t.ok(ourHeap < theirHeap / 2, `${ourHeap} bytes to ${theirHeap}`)
  t.ok(nothing.imported < ours.imported && ours.imported < ours.firstByte && ours.firstByte < ours.sinceProcessStart)
})
