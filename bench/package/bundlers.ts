import { join } from 'node:path'
import { nodeResolve } from '@rollup/plugin-node-resolve'
import { build, transform } from 'esbuild'
import { rollup } from 'rollup'
import webpack from 'webpack'
import type { Project } from './project.js'

/** Bundles a file of a project into `<folder>/main.mjs`, minified, with lazily loaded chunks beside it. */
export interface Bundler {
  readonly name: string
  bundle(project: Project, part: { from: string; folder: string }): Promise<void>
}

const esbuild: Bundler = {
  name: 'esbuild',
  async bundle(project, { from, folder }) {
    await build({
      entryPoints: { main: project.path(from) },
      outdir: project.path(folder),
      outExtension: { '.js': '.mjs' },
      bundle: true,
      minify: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      logLevel: 'error',
      // CommonJS dependencies load Node's modules by require.
      banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
    })
  },
}

const byRollup: Bundler = {
  name: 'rollup',
  async bundle(project, { from, folder }) {
    const bundle = await rollup({
      input: { main: project.path(from) },
      external: /^node:/,
      plugins: [
        nodeResolve({ exportConditions: ['node'] }),
        { name: 'minify', renderChunk: (code) => transform(code, { minify: true, format: 'esm' }) },
      ],
    })
    await bundle.write({ dir: project.path(folder), entryFileNames: '[name].mjs', chunkFileNames: '[name].mjs' })
    await bundle.close()
  },
}

const byWebpack: Bundler = {
  name: 'webpack',
  bundle: (project, { from, folder }) =>
    new Promise((resolve, reject) => {
      const compiler = webpack({
        mode: 'production',
        target: 'node20',
        context: project.folder,
        entry: { main: `./${from}` },
        experiments: { outputModule: true },
        output: {
          path: join(project.folder, folder),
          filename: '[name].mjs',
          chunkFilename: '[name].mjs',
          module: true,
          chunkFormat: 'module',
          library: { type: 'module' },
        },
      })
      compiler?.run((error, stats) => {
        compiler.close(() => {
          if (error !== null) reject(error)
          else if (stats?.hasErrors() === true) reject(new Error(stats.toString()))
          else resolve()
        })
      })
    }),
}

export const bundlers: readonly Bundler[] = [esbuild, byRollup, byWebpack]
