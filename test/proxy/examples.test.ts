import { spawn } from 'node:child_process'
import t from 'tap'
import { blocksOf } from '../documents/blocks.js'
import { httpOrigin } from '../servers/origin.js'
import { proxyServer } from '../servers/proxy.js'

const library = new URL('../../lib/index.js', import.meta.url).href

/** Runs a program with some of the environment its own; what it printed, errors included. */
function run(program: string, environment: Record<string, string>): Promise<string> {
  const names = ['http_proxy', 'https_proxy', 'no_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY']
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !names.includes(name)))
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { env: { ...env, ...environment } })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  return new Promise((resolve) => child.on('close', (code) => resolve(`${output}${code}`)))
}

t.test('the examples of EnvHttpProxyAgent.md work', async (t) => {
  const origin = await httpOrigin((_request, reply) => reply.end('{"foo":"bar"}'))
  const proxy = await proxyServer()
  const blocks = blocksOf('EnvHttpProxyAgent')
  t.equal(blocks.length, 6)
  for (const { text, heading } of blocks) {
    // `fetch` is the runtime's: it takes our dispatchers, and the global one by install().
    const imported = text.replace(/import \{(.*)\} from 'undici'/, (_, names: string) => {
      const ours = names.replace(/, fetch|fetch, /, '').replace(/ $/, ', install ')
      return `import {${ours}} from '${library}'`
    })
    t.not(imported, text)
    const installed = imported.replace(/^setGlobalDispatcher\((\w+)\)$/m, '$&\ninstall($1)')
    const program = installed.replaceAll('http://localhost:3000', origin.url)
    const before = proxy.forwards.length
    const output = await run(program, { http_proxy: proxy.url })
    t.match(output, /0$/, heading)
    if (!heading.startsWith('Example')) continue
    t.match(output, /^response received 200\n/, heading)
    t.equal(proxy.forwards.length, before + 1, `${heading}: through the proxy`)
  }
  await Promise.all([proxy.close(), origin.close()])
})
