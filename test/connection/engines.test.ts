import type { IncomingMessage, ServerResponse } from 'node:http'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { Agent, BalancedPool, Client, Pool, RoundRobinPool } from '../../lib/index.js'
import { run } from '../runtimes/runtimes.js'
import { httpOrigin, type Origin } from '../servers/origin.js'

const program = fileURLToPath(new URL('reading.js', import.meta.url))
const LONG = 'l'.repeat(200_000)

function answer(request: IncomingMessage, reply: ServerResponse): void {
  if (request.url === '/broken') return void request.socket.end('HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n')
  if (request.url === '/empty') return void reply.writeHead(204).end()
  reply.setHeader('content-type', 'text/plain')
  if (request.url === '/length') return void reply.end('x'.repeat(1000))
  if (request.method === 'HEAD') return void reply.end()
  reply.setHeader('trailer', 'x-sum')
  reply.write(LONG)
  reply.write('and more')
  reply.addTrailers({ 'x-sum': '7' })
  reply.end()
}

const plain = [200, 'text/plain', 1000, {}]
const chunked = [200, 'text/plain', 200_008, { 'x-sum': '7' }]
const headOnly = [200, 'text/plain', 0, {}]
const mixed = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? plain : chunked))
const BROKEN = ['HPE_INVALID_HEADER_TOKEN', null]
const EXPECTED = [
  [['UND_ERR_DESTROYED', null], 'AbortError', 'x'.repeat(1000)],
  [plain, plain, ...mixed, headOnly, headOnly, [204, null, 0, {}], 3],
  [Array.from({ length: 30 }, () => 1000), 200_008],
  BROKEN,
]

/** Makes the import of the JavaScript parser fail. */
const WITHOUT = `data:text/javascript,import { register } from 'node:module';\
register('data:text/javascript,' + encodeURIComponent(\`export async function resolve(specifier, context, next) {\
  if (specifier.includes('script-engine')) throw new Error('no such file');\
  return next(specifier, context)\
}\`))`

async function read(
  origin: Origin,
  mode: string,
  flags: string[] = [],
): Promise<{ results: unknown[]; loaded: boolean }> {
  const { code, stdout, stderr } = await run(process.execPath, [...flags, program, origin.url, mode])
  if (code !== 0) throw new Error(`${flags} ${mode} ended with ${code}: ${stderr}`)
  return JSON.parse(stdout)
}

t.test('parses the same with and without WebAssembly, and loads only the parser in use', async (t) => {
  const origin = await httpOrigin(answer)
  const ways: [string, string[], boolean][] = [
    ['auto', [], false],
    ['wasm', [], false],
    ['js', [], true],
    ['stub', [], true],
    ['auto', ['--jitless'], true],
    ['auto', ['--no-expose-wasm'], true],
    ['auto', ['--wasm-max-mem-pages=2'], true],
    ['auto', ['--disable-wasm-trap-handler'], false],
  ]
  for (const [mode, flags, loaded] of ways) {
    if (flags.includes('--disable-wasm-trap-handler') && !process.allowedNodeEnvironmentFlags.has(flags[0] as string)) {
      continue
    }
    t.strictSame(await read(origin, mode, flags), { results: EXPECTED, loaded }, `${mode} ${flags}`)
  }
  await origin.close()
})

t.test('requests fail with the reason if no parser can be loaded', async (t) => {
  const origin = await httpOrigin(answer)
  const { results, loaded } = await read(origin, 'none', ['--jitless', '--import', WITHOUT])
  t.strictSame(results, [['ERR_WEBASSEMBLY_NOT_SUPPORTED', 'no such file']])
  t.equal(loaded, false)
  await origin.close()
})

t.test('every dispatcher accepts the parser option, and rejects invalid values', async (t) => {
  const origin = await httpOrigin(answer)
  for (const parser of ['auto', 'wasm', 'js', null] as const) {
    const dispatchers = [
      new Client(origin.url, { parser }),
      new Pool(origin.url, { parser }),
      new RoundRobinPool(origin.url, { parser }),
      new BalancedPool(origin.url, { parser }),
      new Agent({ parser }),
    ]
    for (const dispatcher of dispatchers) {
      const { body } = await dispatcher.request({ origin: origin.url, path: '/chunked', method: 'GET' })
      t.equal((await body.text()).length, 200_008)
      await dispatcher.close()
    }
  }
  for (const parser of ['llhttp', '', 1, true, {}] as never[]) {
    const refused = { code: 'UND_ERR_INVALID_ARG', message: /parser.*'auto', 'wasm' or 'js'/ }
    t.throws(() => new Client(origin.url, { parser }), refused)
    t.throws(() => new Pool(origin.url, { parser }), refused)
    t.throws(() => new RoundRobinPool(origin.url, { parser }), refused)
    t.throws(() => new BalancedPool(origin.url, { parser }), refused)
    t.throws(() => new Agent({ parser }), refused)
  }
  await origin.close()
})
