import { fileURLToPath } from 'node:url'
import t from 'tap'
import { run, runtime } from '../runtimes/runtimes.js'

// Node 20 has no zstd, and later versions treat frames differently, so the test of `decompress` runs on all of them.

const program = fileURLToPath(new URL('../interceptors/decompress.test.js', import.meta.url))

t.setTimeout(200_000)

const found = await Promise.all(
  ['node@22', 'node@24', 'node@26'].map(async (name) => ({ name, node: await runtime(name) })),
)

for (const { name, node } of found) {
  const skip = typeof node === 'string' ? node : false
  t.test(`decompress, with zstd, on ${name}`, { skip }, async (t) => {
    if (typeof node === 'string') return
    const { code, stdout } = await run(node.path, [program])
    t.match(stdout, /^ok \d+ - decodes zstd bodies of several frames/m)
    t.equal(
      code,
      0,
      stdout
        .split('\n')
        .filter((line) => /^\s*not ok/.test(line))
        .join('\n'),
    )
  })
}
