import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { decompressBase64 } from '../../lib/base/builtin-modules.js'
import { Client } from '../../lib/index.js'
import { packed } from '../../lib/wire/binary.generated.js'
import { defaultLimits } from '../../lib/wire/parser-limits.js'
import { onRequests, rawOrigin } from '../servers/origin.js'
import { rejectedByRule } from './rejected-cases.js'

/** Offset of the lenient flags in the `llhttp_t` of this binary. */
const LENIENT_FLAGS = 46

interface Llhttp {
  memory: { readonly buffer: ArrayBuffer; grow(pages: number): number }
  llhttp_reset(parser: number): void
}

declare const WebAssembly: {
  Module: { new (bytes: Uint8Array): object; exports(module: object): { name: string }[] }
  Instance: new (module: object, imports: object) => { exports: object }
}

t.test('the binary exports no function that sets a lenient flag', async (t) => {
  const module = new WebAssembly.Module(decompressBase64(packed))
  const names = WebAssembly.Module.exports(module).map(({ name }) => name)
  t.strictSame(
    names.filter((name) => /lenient|strict/i.test(name)),
    [],
  )
  const { exports } = new WebAssembly.Instance(module, { env: new Proxy({}, { get: () => () => 0 }) })
  const { memory, llhttp_reset } = exports as unknown as Llhttp
  const parser = memory.grow(1) * 65536
  const flags = () => new DataView(memory.buffer).getUint16(parser + LENIENT_FLAGS, true)
  t.equal(flags(), 0, 'no lenient flag is set')
  llhttp_reset(parser)
  t.equal(flags(), 0)
})

t.test('the parser has no options but limits', async (t) => {
  t.strictSame(Object.keys(defaultLimits).sort(), [
    'maxChunkOverhead',
    'maxHeaderBytes',
    'maxHeaderCount',
    'maxInformational',
  ])
})

/** One rejected response per rule. */
const samples = Object.entries(rejectedByRule).flatMap(([rule, cases]) => {
  const given = cases.find(({ limits, requests }) => limits === undefined && requests[0]?.method === 'GET')
  return given === undefined ? [] : [{ rule, given }]
})

async function answersOf(options: object): Promise<Map<string, string>> {
  const left = [...samples]
  const origin = await rawOrigin((socket) =>
    onRequests(socket, () => socket.end(Buffer.from(left.shift()?.given.raw ?? '', 'latin1'))),
  )
  const answers = new Map<string, string>()
  for (const { rule } of samples) {
    const client = new Client(origin.url, options)
    const answer = await client
      .request({ path: '/', method: 'GET' })
      .then(async ({ body }) => `taken: ${await body.text()}`)
      .catch((error) => String(error.code))
    answers.set(rule, answer)
    await client.destroy()
  }
  await origin.close()
  return answers
}

t.test('a Client rejects invalid responses, even with options that mean leniency in other libraries', async (t) => {
  const lax = { insecureHTTPParser: true, lenient: true, strict: false, insecure: true, requireHostHeader: false }
  for (const parser of ['wasm', 'js'] as const) {
    for (const [rule, answer] of await answersOf({ ...lax, strictContentLength: false, parser })) {
      // Bytes after a complete response close the connection, but the response is delivered.
      if (rule.startsWith('no bytes follow')) t.equal(answer, 'taken: hello', rule)
      else t.match(answer, /^(HPE_|UND_ERR_)/, `${rule}, ${parser}`)
    }
  }
})

const child = process.env.SLUICE_LENIENCE === 'child'

t.test('node --insecure-http-parser has no effect', { skip: child }, async (t) => {
  const { status, stdout } = spawnSync(process.execPath, ['--insecure-http-parser', fileURLToPath(import.meta.url)], {
    encoding: 'utf8',
    env: { ...process.env, SLUICE_LENIENCE: 'child' },
    timeout: 60_000,
  })
  t.equal(status, 0, stdout)
})
