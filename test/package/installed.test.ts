import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import ts from 'typescript'
import { Project, root } from '../../bench/package/project.js'
import { run } from '../runtimes/runtimes.js'
import { httpOrigin } from '../servers/origin.js'

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: Record<string, unknown> }
const entries = Object.keys(manifest.exports).filter((name) => !/\.(json|wasm)$/.test(name))
const specifiers = entries.map((name) => name.replace(/^\./, 'sluice'))

/** Program that sends a request with a client, and prints the exports of each entry. */
const REST = `
const client = new main.Client(process.argv[2])
client.request({ path: '/', method: 'GET' }).then(async ({ statusCode, body }) => {
  console.log(JSON.stringify({ statusCode, text: await body.text(), names: all.map((one) => Object.keys(one).length) }))
  await client.close()
})
`

async function answersIn(t: Test, part: { manifest: Record<string, unknown>; file: string; text: string }) {
  const project = new Project(part.manifest)
  t.teardown(() => project.remove())
  const origin = await httpOrigin((_request, response) => response.end('hello'))
  t.teardown(() => origin.close())
  const path = project.write(part.file, `${part.text}\n${REST}`)
  const { code, stdout, stderr } = await run(process.execPath, [path, origin.url])
  t.equal(code, 0, stderr)
  const { statusCode, text, names } = JSON.parse(stdout) as { statusCode: number; text: string; names: number[] }
  t.strictSame({ statusCode, text }, { statusCode: 200, text: 'hello' })
  t.ok(names.length === specifiers.length && names.every((count) => count > 0))
}

t.test('an ES module imports each entry', async (t) => {
  const imports = specifiers.map((name, i) => `import * as e${i} from '${name}'`)
  const all = `const all = [${specifiers.map((_, i) => `e${i}`).join(', ')}], main = e0`
  await answersIn(t, { manifest: { type: 'module' }, file: 'main.js', text: [...imports, all].join('\n') })
})

t.test('CommonJS requires each entry', async (t) => {
  const text = `const all = ${JSON.stringify(specifiers)}.map((name) => require(name)), main = all[0]`
  await answersIn(t, { manifest: {}, file: 'main.js', text })
})

t.test('all entries share one library', async (t) => {
  const project = new Project()
  t.teardown(() => project.remove())
  const path = project.write(
    'main.js',
    `import * as all from 'sluice'
    import { Client } from 'sluice/client'
    import { retry } from 'sluice/interceptors'
    import { HTTPParserError } from 'sluice/errors'
    import { createRequire } from 'node:module'
    import * as single from 'sluice/single'
    const required = createRequire(import.meta.url)('sluice')
    const same = [Client === all.Client, required.Client === all.Client, all.default.Client === all.Client, retry === all.interceptors.retry, HTTPParserError === all.errors.HTTPParserError]
    const named = Object.keys(single).filter((name) => /^[A-Z]/.test(name) && single[name].name !== name)
    console.log(JSON.stringify({ same, named }))`,
  )
  const { stdout, stderr } = await run(process.execPath, [path])
  t.strictSame(JSON.parse(stdout || JSON.stringify(stderr)), {
    same: [true, true, true, true, true],
    // Its documented name is another.
    named: ['BalancedPoolMissingUpstreamError'],
  })
})

t.test('sluice.min.js runs without other files; without WebAssembly it loads script-engine.js', async (t) => {
  const project = new Project()
  t.teardown(() => project.remove())
  const copy = (name: string) => project.write(`vendor/${name}`, readFileSync(join(root, 'dist/package', name), 'utf8'))
  copy('sluice.min.js')
  const origin = await httpOrigin((_request, response) => response.end('hello'))
  t.teardown(() => origin.close())
  const path = project.write(
    'main.js',
    `import { request } from './vendor/sluice.min.js'
    await request(process.argv[2], { reset: true }).then(
      async ({ body }) => console.log(await body.text()),
      ({ code, message }) => console.log(code, message),
    )`,
  )
  const outputOf = async (...flags: string[]) => (await run(process.execPath, [...flags, path, origin.url])).stdout
  t.equal(await outputOf(), 'hello\n')
  t.match(
    await outputOf('--jitless'),
    /^ERR_WEBASSEMBLY_NOT_SUPPORTED .*script-engine\.js of the package .*: deploy it beside sluice\n$/,
  )
  copy('script-engine.js')
  t.equal(await outputOf('--jitless'), 'hello\n')
})

const TYPED = `
import { Client, type ClientOptions, errors, interceptors, type Pool } from 'sluice'
import { Agent, type AgentOptions } from 'sluice/agent'
import { HTTPParserError } from 'sluice/errors'
import { redirect, type RetryOptions } from 'sluice/interceptors'
import type * as single from 'sluice/single'

const options: ClientOptions = { pipelining: 2 }
const client: single.Client = new Client('http://localhost', options).compose(interceptors.retry()) as Client
const retrying: RetryOptions = { maxRetries: 1 }
export const agent = new Agent({ connections: 1 } satisfies AgentOptions).compose(redirect({ maxRedirections: 1 }))
export async function text(pool: Pool): Promise<string | undefined> {
  try {
    const { body } = await client.request({ path: '/', method: 'GET' })
    return await body.text()
  } catch (error) {
    if (error instanceof errors.ConnectTimeoutError) return error.code
    if (error instanceof HTTPParserError) return error.data
    return String(pool.stats.running + (retrying.maxRetries ?? 0))
  }
}
// @ts-expect-error: no such option
new Client('http://localhost', { pipelinig: 2 })
`

for (const resolution of ['nodenext', 'bundler'] as const) {
  t.test(`TypeScript compiles against it, resolution ${resolution}`, async (t) => {
    const project = new Project()
    t.teardown(() => project.remove())
    project.link('@types/node')
    project.link('undici-types')
    const file = project.write('main.ts', TYPED + specifiers.map((name) => `\nimport '${name}'`).join(''))
    const program = ts.createProgram([file], {
      target: ts.ScriptTarget.ES2022,
      module: resolution === 'nodenext' ? ts.ModuleKind.NodeNext : ts.ModuleKind.ESNext,
      moduleResolution: resolution === 'nodenext' ? ts.ModuleResolutionKind.NodeNext : ts.ModuleResolutionKind.Bundler,
      strict: true,
      noEmit: true,
      types: ['node'],
      typeRoots: [project.path('node_modules/@types')],
    })
    const diagnostics = ts.getPreEmitDiagnostics(program)
    t.strictSame(
      diagnostics.map(
        ({ file, messageText }) => `${file?.fileName} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
      ),
      [],
    )
    const ours = program.getSourceFiles().filter(({ fileName }) => fileName.includes('/sluice/dist/package/'))
    t.ok(ours.length > 1)
  })
}

t.test('each entry of the manifest is a published file, and each published file is used', async (t) => {
  const project = new Project()
  t.teardown(() => project.remove())
  const targets = new Set(
    JSON.stringify(manifest.exports)
      .match(/\.\/dist\/package\/[^"]+/g)
      ?.map((path) => path.replace('./dist/package/', '')),
  )
  const published = readdirSync(project.path('node_modules/sluice/dist/package'))
  // Only runtimes without WebAssembly load script-engine.js. An entry for ES modules re-exports declarations of CommonJS.
  t.strictSame(published.filter((name) => !targets.has(name)).sort(), ['script-engine.cjs', 'script-engine.js'])
  t.strictSame(
    [...targets].filter((name) => !published.includes(name)),
    [],
  )
})
