import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { errors, interceptors } from '../../lib/index.js'
import { newFolder } from '../servers/program.js'

t.setTimeout(200_000)

const root = fileURLToPath(new URL('../../..', import.meta.url))
const run = promisify(execFile)
const folder = newFolder()
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

const page = (name: string) => readFileSync(join(folder, `${name}.html`), 'utf8')
/** Text of a page without its markup. */
const textOf = (name: string) =>
  page(name)
    .replace(/<[^>]*>/g, '')
    .replace(/\s+/g, ' ')
/** Names in the index of a page, by its headings. */
function indexOf(html: string): Record<string, string[]> {
  const [, ...sections] = html.split('<h3 class="tsd-index-heading')
  const lists = sections.map((section) => {
    const [list = ''] = section.split('</section>')
    const names = [...list.matchAll(/class="tsd-index-link">.*?<span>(.*?)<\/span>/g)]
    const heading = />([^<]+)</.exec(list)?.[1] as string
    return [heading, names.map(([, name]) => (name as string).replace(/<[^>]*>|\?/g, ''))] as const
  })
  return Object.fromEntries(lists)
}

t.before(async () => {
  const { stdout, stderr } = await run(process.execPath, [join(root, 'wasm/reference.mjs'), folder], { cwd: root })
  t.equal(stdout + stderr, `${folder}/index.html\n`, 'no warnings: every type is exported, every link has a target')
})

t.test('make docs builds the reference', async (t) => {
  const { stdout } = await run('make', ['-n', '-o', 'build', 'docs'], { cwd: root })
  t.match(stdout, /^node wasm\/reference\.mjs docs$/m)
})

t.test('the reference groups exports', async (t) => {
  const names = [...page('modules').matchAll(/<h2 class="tsd-anchor-link" id="[^"]*">([^<]+)/g)].map(([, name]) => name)
  t.strictSame(names, [
    'Functions',
    'Clients',
    'Interceptors',
    'Load balancing',
    'Handlers',
    'Errors',
    'Options',
    'Types named as in undici',
    'Types',
  ])
})

t.test('options, results, interceptors, connectors and errors have pages, which are linked', async (t) => {
  const pages = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  for (const name of Object.keys(errors)) t.ok(pages.includes(`classes/errors.${name}.html`), name)
  for (const name of Object.keys(interceptors)) t.ok(pages.includes(`functions/interceptors.${name}.html`), name)
  for (const name of ['Decompress', 'DNS', 'Dump', 'Hedge', 'Redirect', 'ResponseError', 'Retry'])
    t.match(page('modules/interceptors'), new RegExp(`href="\\.\\./interfaces/(\\w+\\.)?${name}Options\\.html`), name)
  t.ok(pages.includes('interfaces/ConnectorOptions.html'))
  for (const name of ['RequestOptions', 'ResponseData', 'UpgradeOptions'])
    t.match(page('classes/Client'), `href="../interfaces/${name}.html"`, name)
  t.match(page('classes/Client'), /Throws<a[^\n]*<\/h4><p><a href="errors\.InvalidArgumentError\.html"/)
  t.match(textOf('classes/Client'), 'const client = new Client(', 'with its example')
  t.match(textOf('classes/errors.BodyTimeoutError'), 'code: &quot;UND_ERR_BODY_TIMEOUT&quot;')
  const broken = pages
    .filter((name) => name.endsWith('.html'))
    .flatMap((name) =>
      [...readFileSync(join(folder, name), 'utf8').matchAll(/href="(?!https?:)([^"#]+)/g)]
        .filter(([, target]) => !existsSync(join(folder, dirname(name), decodeURI(target as string))))
        .map(([, target]) => `${name}: ${target}`),
    )
  t.strictSame(broken, [])
})

t.test('options without effect are in lists of their own', async (t) => {
  const lists = indexOf(page('interfaces/ClientOptions'))
  t.match(lists, { Properties: /./, 'Ignored options': /./, 'Rejected options': /./ })
  t.ok(lists['Ignored options']?.includes('allowH2'))
  t.ok(lists['Rejected options']?.includes('keepAlive'))
  t.notOk(lists.Properties?.some((name) => /allowH2|keepAlive$/.test(name)))
})

t.test('the reference shows nothing internal', async (t) => {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.html') || name === 'index.html') continue
    const text = textOf(name.slice(0, -5))
    t.notMatch(text, /LifecycleDispatcher|OriginPool|UndiciCompatible|UnlessErased|BASE_CODE|processClock/, name)
    t.notMatch(text, /Repeats the first overload/, name)
  }
})
