import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bundle, entryText, type Host, like, type Order } from './hosts.js'
import { run } from './runtimes.js'

/** Bundles the program into one CommonJS file and returns its path. */
async function commonFile(esbuild: string, part: { order: Order; name: string; around?(run: string): string }) {
  const { order, name, around } = part
  const source = join(order.folder, `entry-${name}.js`)
  writeFileSync(source, entryText(order, around))
  await bundle(esbuild, order.folder, [source, '--format=cjs', '--platform=node', '--out-extension:.js=.cjs'])
  return join(order.folder, `entry-${name}.cjs`)
}

const worker: Host = {
  name: 'worker thread',
  needs: ['node@26'],
  endsByItself: true,
  async prepare([path = ''], order) {
    writeFileSync(join(order.folder, 'entry-thread.js'), entryText(order))
    const text =
      "import { Worker } from 'node:worker_threads'\nnew Worker(new URL('./entry-thread.js', import.meta.url))\n"
    writeFileSync(join(order.folder, 'entry-worker.js'), text)
    return [path, 'entry-worker.js']
  },
}

/** Globals that a `vm` context shares with Node. All others, such as Array and Error, are the context's own. */
const LENT = [
  'AbortController AbortSignal Blob Buffer FormData URL URLSearchParams TextEncoder TextDecoder WebAssembly',
  'clearImmediate clearTimeout console crypto fetch performance process queueMicrotask require setImmediate setTimeout',
  'Headers ReadableStream',
].flatMap((line) => line.split(' '))

function context(name: string, part: { lent: readonly string[]; options: string }): Host {
  return {
    name,
    needs: ['node@26', 'esbuild'],
    endsByItself: true,
    async prepare([path = '', esbuild = ''], order) {
      const short = name.replace(/\W/g, '-')
      const file = await commonFile(esbuild, { order, name: short })
      const text = `const lent = { ${part.lent.join(', ')}, module: { exports: {} } }
const code = require('node:fs').readFileSync(${JSON.stringify(file)}, 'utf8')
require('node:vm').runInNewContext(code, lent, ${part.options})\n`
      writeFileSync(join(order.folder, `${short}.cjs`), text)
      return [path, `${short}.cjs`]
    },
  }
}

/**
 * Runs the program like a page of Chromium or Electron under `script-src 'self'`: V8 throws when the context generates code
 * from strings or compiles WebAssembly.
 */
const policed = context('content security policy', {
  lent: LENT.filter((name) => name !== 'WebAssembly'),
  options: '{ contextCodeGeneration: { strings: false, wasm: false } }',
})

const single: Host = {
  name: 'single executable',
  needs: ['node@26', 'esbuild'],
  endsByItself: true,
  async prepare([path = '', esbuild = ''], order) {
    const main = await commonFile(esbuild, { order, name: 'single' })
    const output = join(order.folder, 'single')
    const configuration = join(order.folder, 'single.json')
    writeFileSync(configuration, JSON.stringify({ main, output, disableExperimentalSEAWarning: true }))
    const made = await run(path, ['--build-sea', configuration])
    if (made.code !== 0) throw new Error(made.stderr)
    return [output]
  },
}

function snapshot(needs: string): Host {
  return {
    name: `snapshot, ${needs}`,
    needs: [needs, 'esbuild'],
    endsByItself: true,
    async prepare([path = '', esbuild = ''], order) {
      const around = (run: string) => `require('node:v8').startupSnapshot.setDeserializeMainFunction(() => { ${run} })`
      const file = await commonFile(esbuild, { order, name: 'snapshot', around })
      const blob = join(order.folder, `${needs}.blob`)
      const made = await run(path, ['--snapshot-blob', blob, '--build-snapshot', file])
      if (made.code !== 0) throw new Error(made.stderr)
      return [path, '--snapshot-blob', blob]
    },
  }
}

/** Node with restrictions, or in other forms than a process with an ES module. */
export const constrained: readonly Host[] = [
  like('permission, 22', { needs: 'node@22', flags: ['--experimental-permission', '--allow-fs-read=*'] }),
  like('permission, 26', { needs: 'node@26', flags: ['--permission', '--allow-fs-read=*', '--allow-net'] }),
  like('frozen intrinsics', { needs: 'node@26', flags: ['--frozen-intrinsics'] }),
  like('no code from strings', { needs: 'node@26', flags: ['--disallow-code-generation-from-strings'] }),
  worker,
  context('vm context', { lent: LENT, options: '{}' }),
  policed,
  single,
  snapshot('node@24'),
  snapshot('node@26'),
]
