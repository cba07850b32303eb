import t from 'tap'
import { bundlers } from '../../bench/package/bundlers.js'
import { Project, pack } from '../../bench/package/project.js'
import { bundleSizes, LIMITS } from '../../bench/package/sizes.js'
import { run } from '../runtimes/runtimes.js'
import { httpOrigin } from '../servers/origin.js'

/** Words of what the program of the bundles does not use. */
const UNUSED = [
  'no_proxy',
  'undici:proxy:connected',
  'UND_ERR_PRX_CONN',
  'UND_ERR_REQ_RETRY',
  'UND_ERR_REDIRECT_MAX',
  'ZSTD_',
  'createBrotliDecompress(',
  'undici.globalDispatcher',
]

t.test('a bundle contains only the modules that a program uses, and runs', async (t) => {
  const project = new Project()
  t.teardown(() => project.remove())
  const sizes = await bundleSizes(project)
  t.ok(sizes.length > bundlers.length)
  for (const { name, gzipped, limit } of sizes) {
    if (limit !== null) t.ok(gzipped <= limit, `${name}: ${gzipped} of ${limit} bytes`)
  }
  const whole = project.read('esbuild-whole/main.mjs').toString()
  for (const word of UNUSED) t.ok(whole.includes(word), `all of it has ${word}`)

  const origin = await httpOrigin((_request, response) => response.end('hello'))
  t.teardown(() => origin.close())
  for (const { name } of bundlers) {
    const bundle = project.read(`${name}-four/main.mjs`).toString()
    t.strictSame(
      UNUSED.filter((word) => bundle.includes(word)),
      [],
      `${name} leaves out what is not used`,
    )
    const { code, stdout, stderr } = await run(process.execPath, [project.path(`${name}-four/main.mjs`), origin.url])
    t.equal(code, 0, stderr)
    // Names of classes are the minifier's.
    t.equal(stdout.replace(/^\S+/gm, ''), ' 200 hello\n'.repeat(4))
  }
})

t.test('the package is below its size limit and contains only used files', async (t) => {
  const { unpackedSize, files } = pack()
  t.ok(unpackedSize <= LIMITS.unpacked, `${unpackedSize} of ${LIMITS.unpacked} bytes`)
  t.strictSame(
    files
      .map(({ path }) => path)
      .filter((path) => !/^dist\/package\/[\w-]+\.(js|min\.js|cjs|d\.ts|d\.cts|wasm)$/.test(path)),
    ['LICENSE', 'README.md', 'package.json'],
  )
})
