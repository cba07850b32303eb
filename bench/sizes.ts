// `make sizes`: prints the size of the library in bundles and in node_modules. Exit code 1 above the limits.
import { Project } from './package/project.js'
import { bundleSizes, LIMITS, unpackedSize } from './package/sizes.js'
import { columns } from './report/text.js'

const shown = (bytes: number | null) => (bytes === null ? '' : `${(bytes / 1000).toFixed(1)} KB`)

const project = new Project()
try {
  const sizes = await bundleSizes(project)
  const unpacked = unpackedSize()
  const rows = [
    ['', 'minified', 'gzipped', 'limit'],
    ...sizes.map(({ name, minified, gzipped, limit }) => [name, shown(minified), shown(gzipped), shown(limit)]),
    ['installed, unpacked', shown(unpacked), '', shown(LIMITS.unpacked)],
  ]
  for (const line of columns(rows)) console.log(line)
  const tooLarge = sizes.some(({ gzipped, limit }) => limit !== null && gzipped > limit) || unpacked > LIMITS.unpacked
  if (tooLarge) process.exitCode = 1
} finally {
  project.remove()
}
