import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { newFolder } from '../servers/program.js'
import { lacks, libraryOf, optionsOf } from './reference.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))

t.test('exports document meaning, unit, default, errors and source', async (t) => {
  const entries = readdirSync(join(root, 'lib/entries')).map((name) => `lib/entries/${name}`)
  const library = libraryOf(root, ['lib/index.ts', ...entries])
  t.strictSame(lacks(library), [])

  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  for (const name of ['ClientOptions', 'PoolOptions', 'BalancedPoolOptions', 'AgentOptions']) {
    const all = optionsOf(library, name)
    t.ok(all.length > 20, name)
    t.strictSame(
      all.filter((option) => !readme.includes(`\`${option}\``)),
      [],
      `${name} in the README`,
    )
  }
})

const complete = `
/** How a thing is made. Source: a document. */
export interface ThingOptions {
  /** Longest wait in ms. Default: 5. */
  wait?: number
  /** Its name. */
  name: string
  /** Accepted and ignored. */
  old?: number
}
/** Checks options. @throws {RangeError} always */
function check(options: ThingOptions): void {
  throw new RangeError(options.name)
}
/** What two have in common. */
class Base {
  /** Does what both do. */
  shared(): void {}
}
/** A thing of RFC 9110. */
export class Thing extends Base {
  #hidden = 1
  /** @throws {RangeError} an option is wrong */
  constructor(options: ThingOptions) {
    super()
    check(options)
  }
  /** Whether there is any. */
  get any(): boolean {
    return this.#hidden > 0
  }
  /** @internal */
  inner(): void {}
}
/** Makes a thing. Specific to sluice. @throws {RangeError} an option is wrong */
export function make(options: ThingOptions): Thing {
  return new Thing(options)
}
/** Another name of it. */
export type Same = Thing
`

function lackingIn(text: string): string[] {
  const folder = newFolder()
  mkdirSync(join(folder, 'lib'))
  writeFileSync(
    join(folder, 'tsconfig.json'),
    '{ "compilerOptions": { "target": "es2022", "noLib": true, "types": [] } }',
  )
  writeFileSync(join(folder, 'lib/index.ts'), text)
  try {
    return lacks(libraryOf(folder, ['lib/index.ts']))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

t.test('reports missing parts of a docstring', async (t) => {
  t.strictSame(lackingIn(complete), [])
  const spoiled: [string, string, string][] = [
    ['/** How a thing is made. Source: a document. */', '', 'ThingOptions: no meaning'],
    [' Source: a document.', '', 'ThingOptions: no source'],
    ['/** Longest wait in ms. Default: 5. */', '', 'ThingOptions.wait: no meaning'],
    [' Default: 5.', '', 'ThingOptions.wait: no default'],
    [' in ms', '', 'ThingOptions.wait: no unit'],
    ['/** Its name. */', '', 'ThingOptions.name: no meaning'],
    ['A thing of RFC 9110', 'A thing of ours', 'Thing: no source'],
    ['/** @throws {RangeError} an option is wrong */', '', 'Thing.constructor: no @throws, though check does'],
    ['/** Whether there is any. */', '', 'Thing.any: no meaning'],
    ['/** Does what both do. */', '', 'Base.shared: no meaning'],
    ['/** @internal */', '', 'Thing.inner: no meaning'],
    [' Specific to sluice.', '', 'make: no source'],
    [
      'Specific to sluice. @throws {RangeError} an option is wrong',
      'Specific to sluice.',
      'make: no @throws, though Thing does',
    ],
    ['Specific to sluice. @throws {RangeError}', 'Specific to sluice. @throws', 'make: a @throws that names no error'],
    ['/** Another name of it. */', '/** Same. */', 'Same: no meaning'],
  ]
  for (const [text, instead, complaint] of spoiled) {
    t.ok(lackingIn(complete.replace(text, instead)).includes(complaint), complaint)
  }
})
