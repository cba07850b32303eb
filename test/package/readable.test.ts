import { join } from 'node:path'
import t from 'tap'
import { Project } from '../../bench/package/project.js'
import { run } from '../runtimes/runtimes.js'

const project = new Project({})
t.teardown(() => project.remove())
const published = (name: string) => project.read(join('node_modules/sluice/dist/package', name)).toString()

/** Programs that end by an uncaught error, and frames of its stack. */
const programs = {
  'an invalid URL': { text: "new sluice.Pool('localhost:3000')", frame: /^ {4}at .*(main|copy)\.[cm]js:2:1/m },
  'an error of a listener': {
    text: `const client = new sluice.Client('http://127.0.0.1:1')
    client.on('connectionError', () => { throw new Error('mine') })
    client.request({ path: '/', method: 'GET' }).catch(() => {})`,
    frame: /^ {4}at callUserCode .*sluice\.c?js:\d+:\d+\)$/m,
  },
}

for (const [name, { text, frame }] of Object.entries(programs)) {
  for (const [file, load] of [
    ['main.mjs', "import * as sluice from 'sluice'"],
    ['main.cjs', "const sluice = require('sluice')"],
    ['copy.cjs', "const sluice = require('./node_modules/sluice/dist/package/sluice.cjs')"],
  ] as const) {
    t.test(`${name} prints less than 1 KB and names functions, ${file}`, async (t) => {
      const { code, stderr } = await run(process.execPath, [project.write(file, `${load}\n${text}`)])
      t.equal(code, 1)
      // Paths are counted as they would be in a project.
      const printed = stderr.replaceAll(project.folder, '/project')
      t.ok(printed.length < 1024, `${printed.length} characters: ${printed}`)
      t.match(printed, frame)
    })
  }
}

t.test('the code has one statement a line, in ASCII, with the names of functions', async (t) => {
  for (const name of ['sluice.js', 'sluice.cjs', 'script-engine.js', 'script-engine.cjs']) {
    // The parser is one long string.
    const lines = published(name)
      .split('\n')
      .filter((line) => !/packed ?= ?["']/.test(line))
    const longest = Math.max(...lines.map(({ length }) => length))
    t.ok(longest < 1300, `${name}: the longest line has ${longest} characters`)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII
    t.notMatch(published(name), /[^\x00-\x7f]/, `${name} would take twice the memory`)
  }
  for (const name of ['class Client ', 'class SocketReader', 'function hedge(']) t.match(published('sluice.js'), name)
})

t.test('a profile names functions', async (t) => {
  const file = project.write(
    'profiled.mjs',
    `import { Client } from 'sluice'
    import { createServer } from 'node:http'
    import { Session } from 'node:inspector'
    const server = createServer((_request, response) => response.end('hello'))
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
    const client = new Client('http://127.0.0.1:' + server.address().port)
    const session = new Session()
    session.connect()
    const post = (method, params) => new Promise((resolve, reject) => {
      session.post(method, params, (error, result) => (error ? reject(error) : resolve(result)))
    })
    await post('Profiler.enable')
    await post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })
    const { body } = await client.request({ path: '/', method: 'GET' })
    await body.text()
    const { result } = await post('Profiler.takePreciseCoverage')
    const ours = result.filter(({ url }) => url.endsWith('/sluice.js')).flatMap(({ functions }) => functions)
    console.log(ours.map(({ functionName }) => functionName).join())
    await client.close()
    server.close()`,
  )
  const { stdout, stderr } = await run(process.execPath, [file])
  const called = stdout.trim().split(',')
  t.equal(stderr, '')
  for (const name of ['request', 'attach', 'onBytes', 'text']) t.ok(called.includes(name), name)
})
