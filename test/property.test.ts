import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { newFolder } from './servers/program.js'

t.test('a failing property prints the command that reproduces it', async (t) => {
  const folder = newFolder()
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'failing.mjs')
  const property = new URL('./property.js', import.meta.url).href
  writeFileSync(
    file,
    `import fc from ${JSON.stringify(property)}
try {
  await fc.assert(fc.asyncProperty(fc.nat(), async (n) => n < 1000))
  fc.assert(fc.property(fc.nat(), (n) => n < 1000))
} catch ({ message }) {
  console.log(message)
}`,
  )
  const run = (env: NodeJS.ProcessEnv) =>
    spawnSync(process.execPath, [file], { cwd: folder, env: { PATH: process.env.PATH, ...env }, encoding: 'utf8' })
      .stdout
  const first = run({})
  const [, seed] = /^again: SLUICE_PROPERTY_SEED=(-?\d+) node failing\.mjs$/m.exec(first) ?? []
  t.match(first, /Counterexample: \[1000\]/)
  t.equal(run({ SLUICE_PROPERTY_SEED: seed }), first)
})

t.test('all property tests print that command', async (t) => {
  const folder = fileURLToPath(new URL('../../test', import.meta.url))
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  const direct = files.filter((name) => /^import .* from 'fast-check'/m.test(readFileSync(join(folder, name), 'utf8')))
  t.strictSame(direct, ['property.ts'])
})
