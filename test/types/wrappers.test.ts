/** Compilers write declarations for programs that export what sluice returns, and these declarations compile. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'
import { Project } from '../../bench/package/project.js'
import { run, runtime } from '../runtimes/runtimes.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const sources = ['library', 'entries']
const project = new Project()
project.link('@types/node')
for (const name of sources) {
  const text = readFileSync(join(root, `test/types/declarations/wrappers/${name}.ts`), 'utf8')
  project.write(`source/${name}.ts`, text)
}
t.teardown(() => project.remove())

const common = { target: 'es2022', lib: ['es2022'], types: [], strict: true }
const bundler = { module: 'esnext', moduleResolution: 'bundler' }
const modes = [
  { ...common, module: 'nodenext', exactOptionalPropertyTypes: false },
  { ...common, module: 'nodenext', exactOptionalPropertyTypes: true },
  { ...common, ...bundler, exactOptionalPropertyTypes: false },
  { ...common, ...bundler, exactOptionalPropertyTypes: true },
]

interface Compiler {
  readonly name: string
  /** Compiles with a tsconfig.json. Returns the errors. */
  compile(config: string): string | Promise<string>
  readonly skip: string | false
}

const parsed = new Map<string, ts.SourceFile | undefined>()

/** Compiles in this process, so that files are parsed once for all modes. */
function compileLocked(config: string): string {
  const { config: read } = ts.readConfigFile(config, ts.sys.readFile)
  const { options, fileNames } = ts.parseJsonConfigFileContent(read, ts.sys, project.folder)
  const host = ts.createCompilerHost(options)
  const { getSourceFile } = host
  host.getSourceFile = (path, settings, ...rest) => {
    const key = `${path} ${typeof settings === 'object' ? settings.impliedNodeFormat : ''}`
    if (!parsed.has(key)) parsed.set(key, getSourceFile(path, settings, ...rest))
    return parsed.get(key)
  }
  const program = ts.createProgram(fileNames, options, host)
  const found = [...ts.getPreEmitDiagnostics(program), ...program.emit().diagnostics]
  return ts.formatDiagnostics(found, host)
}

const newest = await runtime('typescript')
const compilers: Compiler[] = [
  { name: `TypeScript ${ts.version}`, compile: compileLocked, skip: false },
  typeof newest === 'string'
    ? { name: 'the newest TypeScript', compile: () => '', skip: newest }
    : {
        name: `TypeScript ${newest.version}`,
        compile: async (config) => (await run(newest.path, ['-p', config])).stdout,
        skip: false,
      },
]

for (const [number, { name, compile, skip }] of compilers.entries()) {
  for (const [i, mode] of modes.entries()) {
    const title = `${name}, ${mode.module}, exactOptionalPropertyTypes: ${mode.exactOptionalPropertyTypes}`
    t.test(title, { skip }, async (t) => {
      const outDir = `out-${number}-${i}`
      const write = {
        ...mode,
        skipLibCheck: i > 0,
        declaration: true,
        emitDeclarationOnly: true,
        rootDir: 'source',
        outDir,
      }
      const made = { compilerOptions: write, include: ['source'] }
      t.equal(await compile(project.write(`${outDir}.json`, JSON.stringify(made))), '')
      const files = sources.map((source) => `${outDir}/${source}.d.ts`)
      for (const file of files) t.notMatch(project.read(file).toString(), /(?::|=>|<) ?any\b/, file)
      const again = { compilerOptions: { ...mode, noEmit: true }, files }
      t.equal(await compile(project.write(`${outDir}-read.json`, JSON.stringify(again))), '')
    })
  }
}
