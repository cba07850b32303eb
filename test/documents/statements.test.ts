// Statements of undici's documents other than examples: options, methods, channels and errors.

import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import * as sluice from '../../lib/index.js'
import { Agent, BalancedPool, Client, Dispatcher, errors, Pool, RoundRobinPool } from '../../lib/index.js'
import { authority, serverIdentity } from '../servers/certificates.js'
import { event, httpOrigin, httpsOrigin } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'
import { documents, textOf } from './blocks.js'

const get = { path: '/', method: 'GET' }

/** Source text of lib, in which names are searched. */
function source(): string {
  const folder = fileURLToPath(new URL('../../../lib/', import.meta.url))
  const files = readdirSync(folder, { recursive: true }).map(String)
  const read = files.filter((name) => name.endsWith('.ts') && !name.includes('.generated'))
  return read.map((name) => readFileSync(`${folder}/${name}`, 'utf8')).join('\n')
}

/** Documented names that do not apply to HTTP/1.1 or this library, and names of parameters. */
const ignored: Record<string, string[]> = {
  Client: [
    'useH2c',
    'maxConcurrentStreams',
    'connectionWindowSize',
    'pingInterval',
    'h2Options',
    'settings',
    'webSocket',
    'maxFragments',
    'maxPayloadSize',
    'eventSource',
    'maxEventSize',
  ],
  Connector: ['err'],
  RetryHandler: ['err', 'retryHandlers'],
  RetryAgent: ['err'],
  DiagnosticsChannel: ['websocket', 'extensions', 'handshakeResponse', 'payload'],
}

t.test('every option and field that undici documents is supported or listed as not included', async (t) => {
  const names = new Set(source().match(/\w+/g))
  for (const document of documents) {
    const items = [...textOf(document).matchAll(/^ *\* `(\w+)` \{/gm)].map((match) => match[1] as string)
    const unknown = new Set(items.filter((name) => !names.has(name) && !ignored[document]?.includes(name)))
    t.strictSame([...unknown], [], document)
  }
})

t.test('every method and property that undici documents exists', async (t) => {
  const classes = new Map(Object.entries(sluice).map(([name, value]) => [name.toLowerCase(), value]))
  for (const document of documents) {
    for (const [, holder, member] of textOf(document).matchAll(/^### `(\w+)\.(\w+)/gm)) {
      const Class = classes.get((holder as string).toLowerCase()) as { prototype: object } | undefined
      t.ok(Class !== undefined && (member as string) in Class.prototype, `${holder}.${member}`)
    }
  }
})

t.test('every channel that undici documents is published or listed as not included', async (t) => {
  const known = source()
  const channels = [...textOf('DiagnosticsChannel').matchAll(/^## Event: `'(undici:[\w:-]+)'`/gm)].map(
    ([, name]) => name,
  )
  t.ok(channels.length > 10)
  for (const name of channels as string[]) {
    if (!/websocket|pending-requests/.test(name)) t.ok(known.includes(`'${name}'`), name)
  }
})

t.test('every error that undici documents exists with its name and code', async (t) => {
  const sections = textOf('Errors')
    .split(/^## Class: /m)
    .slice(1)
  t.ok(sections.length > 25)
  const documented = sections.map((section) => {
    const of = (field: string) =>
      new RegExp(`\`${field}\` \\{string\\} (?:Always|.*Default:\\*\\*) *\`'(\\w+)'\``).exec(section)?.[1]
    const name = /^`(\w+)`/.exec(section)?.[1] as keyof typeof errors
    const Class = errors[name] as new (...values: unknown[]) => Error & { code?: string }
    const error = name === 'RequestRetryError' || name === 'ResponseError' ? new Class('x', 500, {}) : new Class()
    t.equal(error.name, of('name'), name)
    if (name !== 'HTTPParserError') t.equal(error.code, of('code'), name)
    t.ok(error instanceof Class && error instanceof Error)
    const apart = name === 'HTTPParserError' || name === 'WebAssemblyNotSupportedError'
    t.equal(error instanceof errors.UndiciError, !apart, name)
    return name
  })
  const ours = ['QueueFullError', 'QueueTimeoutError', 'TotalTimeoutError']
  t.strictSame(Object.keys(errors).sort(), [...documented, ...ours].sort(), 'no other errors are exported')
  const refused = new errors.Socks5ProxyError('x', 'UND_ERR_SOCKS5_AUTH')
  t.match(refused, { code: 'UND_ERR_SOCKS5_AUTH', message: 'x' })
})

t.test('without WebAssembly, requests fail with ERR_WEBASSEMBLY_NOT_SUPPORTED', async (t) => {
  const program = `
    import { Client } from ${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)}
    const client = new Client('http://localhost:1', { parser: 'wasm' })
    const error = await client.request({ path: '/', method: 'GET' }).catch((error) => error)
    console.log(error.name, error.code, error.message.includes('WebAssembly'))
    await client.close()`
  const flags = ['--jitless', '--input-type=module', '-e', program]
  const output = execFileSync(process.execPath, flags, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  t.equal(output.trim(), 'Error ERR_WEBASSEMBLY_NOT_SUPPORTED true')
})

t.test('drain passes the dispatchers with free capacity, the outermost first', async (t) => {
  const origin = await httpOrigin((_request, reply) => void reply.end('x'))
  const chains: [Dispatcher, string[]][] = [
    [new Client(origin.url), ['Client']],
    [new Pool(origin.url, { connections: 1 }), ['Pool', 'Client']],
    [new RoundRobinPool(origin.url, { connections: 1 }), ['RoundRobinPool', 'Client']],
    [new BalancedPool(origin.url, { connections: 1 }), ['BalancedPool', 'Pool', 'Client']],
    [new Agent({ connections: 1 }), ['Agent', 'Client']],
    [new Agent({ connections: 2 }), ['Agent', 'Pool', 'Client']],
  ]
  for (const [dispatcher, names] of chains) {
    const drained = event<[URL, object[]]>(dispatcher, 'drain')
    while (dispatcher.dispatch({ ...get, origin: origin.url }, new Recorder()));
    const [url, targets] = await drained
    t.equal(url.origin, origin.url)
    t.strictSame(
      targets.map((target) => target.constructor.name),
      names,
    )
    t.equal(targets[0], dispatcher)
    await dispatcher.close()
  }
  await origin.close()
})

t.test('the callbacks of close and destroy get no error', async (t) => {
  for (const dispatcher of [new Client('http://localhost'), new Pool('http://localhost'), new Agent()]) {
    const callbackArguments = (end: (callback: () => void) => void) =>
      new Promise((resolve) => end((...values: unknown[]) => resolve(values)))
    t.strictSame(await callbackArguments((callback) => dispatcher.close(callback)), [null])
    t.strictSame(await callbackArguments((callback) => dispatcher.destroy(callback)), [null])
    t.strictSame(await callbackArguments((callback) => dispatcher.destroy(null, callback)), [null])
  }
})

t.test('the methods of Dispatcher itself are not implemented', async (t) => {
  const bare = new (Dispatcher as unknown as new () => Record<string, () => void>)()
  for (const name of ['dispatch', 'close', 'destroy']) {
    t.throws(
      () => bare[name]?.(),
      { message: `${name}() is not implemented: a subclass of Dispatcher must override it` },
      name,
    )
  }
})

t.test('connections: 0 means no limit, and tls options reach the connector', async (t) => {
  const ca = await authority()
  const origin = await httpsOrigin((_request, reply) => void reply.end('x'), await serverIdentity(ca))
  const pool = new Pool(origin.url, { connections: 0, tls: { ca: ca.cert } })
  const answers = [1, 2, 3].map(() => pool.request(get).then(({ body }) => body.text()))
  t.strictSame(await Promise.all(answers), ['x', 'x', 'x'])
  t.equal(pool.stats.connected, 3)
  await pool.close()
  const nearer = new Client(origin.url, { tls: { rejectUnauthorized: false }, connect: { rejectUnauthorized: true } })
  await t.rejects(nearer.request(get), { code: /UNABLE_TO_VERIFY|SELF_SIGNED/ })
  await nearer.close()
  t.throws(() => new Client(origin.url, { tls: 1 as never }), { code: 'UND_ERR_INVALID_ARG', message: /^tls must be/ })
  await origin.close()
})
