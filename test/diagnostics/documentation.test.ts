import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import t from 'tap'
import { run } from '../runtimes/runtimes.js'
import { freePort } from '../servers/program.js'

const package_ = createRequire(import.meta.url).resolve('undici/package.json')
const text = readFileSync(new URL('docs/docs/api/DiagnosticsChannel.md', `file://${package_}`), 'utf8')

/** The documentation's examples, as programs; those of web sockets are not about this library. */
function examples(language: 'mjs' | 'cjs'): string[] {
  const found = [...text.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs'))].map(([, code]) => code as string)
  return found.filter((code) => !code.includes('undici:websocket'))
}

/** Runs the examples in a program that then sends a request that is answered and one that can not be. */
async function outputOf(codes: string[]): Promise<{ lines: string[]; port: string; refused: number }> {
  const refused = await freePort()
  const modules = codes.map((code) => {
    const module = code.includes('require(')
      ? `import { createRequire } from 'node:module'; const require = createRequire('/'); ${code}`
      : code
    return `await import(${JSON.stringify(`data:text/javascript,${encodeURIComponent(module)}`)})`
  })
  const program = `
    import http from 'node:http'
    import { Client } from ${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)}
    console.error = (value) => console.log('error:', value.code ?? value)
    const server = http.createServer((request, reply) => {
      reply.sendDate = false
      reply.setHeader('trailer', 'x-sum')
      reply.write('answer')
      reply.addTrailers({ 'x-sum': '1', 'x-hello': request.headers.hello ?? 'none' })
      reply.end()
    })
    server.listen(0, '127.0.0.1', async () => {
      const { port } = server.address()
      ${modules.join('\n')}
      console.log('port', port)
      const client = new Client('http://127.0.0.1:' + port)
      const { body } = await client.request({ path: '/path?query', method: 'POST', body: 'text', headers: { a: 'b' } })
      await body.text()
      await client.close()
      server.close()
      const lost = new Client('http://127.0.0.1:${refused}')
      await lost.request({ path: '/', method: 'GET' }).catch(() => {})
      await lost.close()
    })
  `
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program])
  const lines = stdout.trimEnd().split('\n')
  return { lines, port: (lines.find((line) => line.startsWith('port')) as string).slice(5), refused }
}

t.test("the documentation's examples say what it says", async (t) => {
  const codes = examples('mjs')
  t.equal(codes.length, 14)
  const { lines, port, refused } = await outputOf(codes)
  const origin = `http://127.0.0.1:${port}`
  const line = 'POST /path?query HTTP/1.1'
  const fields = [`host: 127.0.0.1:${port}`, 'connection: keep-alive', 'a: b', 'hello: world', 'content-length: 4']
  const expected = [
    `POST ${origin} /path?query`,
    `origin ${origin}`,
    'completed false',
    'method POST',
    'path /path?query',
    "headers [ 'a', 'b' ]",
    `Full headers list: ${[line, ...fields, '']}`,
    'sent 4 bytes',
    'statusCode 200',
    'OK',
    'received 6 bytes',
    'completed true',
    "[ 'x-sum', '1', 'x-hello', 'world' ]",
    `GET http://127.0.0.1:${refused} /`,
    `error: Connect failed with connect ECONNREFUSED 127.0.0.1:${refused}`,
    'error: ECONNREFUSED',
  ]
  let from = 0
  for (const line of expected) {
    const at = lines.indexOf(line, from)
    t.ok(at >= 0, `${line}, in its place`)
    from = Math.max(from, at + 1)
  }
})

t.test('the CommonJS program of the documentation works', async (t) => {
  const { lines, port, refused } = await outputOf(examples('cjs'))
  const printed = [`POST http://127.0.0.1:${port} /path?query`, `GET http://127.0.0.1:${refused} /`]
  t.strictSame(
    lines.filter((line) => !line.startsWith('port')),
    printed,
  )
})
