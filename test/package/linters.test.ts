import { join } from 'node:path'
import t from 'tap'
import { Project, pack, root } from '../../bench/package/project.js'
import { run } from '../runtimes/runtimes.js'

/** Runs a development dependency. */
function tool(name: string, args: readonly string[]) {
  return run(process.execPath, [join(root, 'node_modules', name), ...args])
}

t.test('publint reports no problem', async (t) => {
  const project = new Project()
  t.teardown(() => project.remove())
  const folder = project.path('node_modules/sluice')
  const { code, stdout, stderr } = await tool('publint/src/cli.js', ['run', folder, '--strict', '--pack', 'false'])
  t.equal(code, 0, `${stdout}${stderr}`)
  t.match(stdout, /All good/)
})

t.test('arethetypeswrong reports no problem', async (t) => {
  const project = new Project()
  t.teardown(() => project.remove())
  const file = join(project.folder, pack(project.folder).filename)
  const options = ['--no-color', '--exclude-entrypoints', './llhttp.wasm']
  const { code, stdout, stderr } = await tool('@arethetypeswrong/cli/dist/index.js', [file, ...options])
  t.equal(code, 0, `${stdout}${stderr}`)
  t.match(stdout, /No problems found/)
  // The main entry, those of the parts, and package.json, in four ways to resolve them.
  t.match(stdout, /"sluice\/single" .*CJS.*ESM/)
})
