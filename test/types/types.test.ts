import t from 'tap'
import { Compilation, type Mode, programNames } from './compile.js'

const modes: Mode[] = [
  { resolution: 'nodenext', exactOptionalPropertyTypes: false },
  { resolution: 'bundler', exactOptionalPropertyTypes: true },
]

/** Names of caches, which sluice does not have, and of a class that is an interface here. */
const notOurs = /^(prototype|cache|deduplicate|CacheInterceptorOpts|Deduplicate\w+)$/

for (const mode of modes) {
  const { resolution, exactOptionalPropertyTypes } = mode
  t.test(`${resolution}, exactOptionalPropertyTypes: ${exactOptionalPropertyTypes}`, async (t) => {
    const declarations = [
      'both-ways',
      'given-back',
      'own',
      'shapes',
      ...(exactOptionalPropertyTypes ? [] : ['results']),
    ]
    const compilation = new Compilation(
      mode,
      declarations.map((name) => `declarations/${name}.ts`),
    )
    t.strictSame(compilation.ofDeclarations(), [], 'our declarations')
    for (const name of declarations) t.strictSame(compilation.ofFile(`declarations/${name}.ts`), [], name)
    const [theirs, ours] = [compilation.names('undici'), compilation.names('sluice')]
    // The default export of undici is an object with all it has, caches and mocks included.
    ours.delete('default')
    for (const [name, within] of ours) {
      const missing = (theirs.get(name) ?? []).filter((one) => !within.includes(one) && !notOurs.test(one))
      t.strictSame(missing, [], `all names within ${name}`)
    }
    const names = programNames()
    t.ok(names.length >= 15)
    for (const name of names) {
      t.strictSame(compilation.ofProgram(name, 'undici'), [], `${name} against undici`)
      t.strictSame(compilation.ofProgram(name, 'sluice'), [], `${name} against sluice`)
    }
  })
}
