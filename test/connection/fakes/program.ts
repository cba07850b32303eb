import { once } from 'node:events'
import net from 'node:net'
import { Readable } from 'node:stream'
import { mock } from 'node:test'
import { countingServer } from '../../servers/counting.js'
import { fakeTime, type Time } from './time.js'

/** Replays, idle connections and timeouts under the fake timers `kind`. Prints the results as JSON. */
const [, , kind, when] = process.argv

function install(): Time | null {
  if (kind === 'node:test') mock.timers.enable()
  if (kind === 'node:test, time alone') mock.timers.enable({ apis: ['setTimeout', 'Date'] })
  return kind?.startsWith('hand-made') ? fakeTime(kind.endsWith('alone')) : null
}

const realImmediate = setImmediate
const turn = () => new Promise<void>((resolve) => realImmediate(() => resolve()))

let time = when === 'before' ? install() : null
const { Client, Pool } = await import('../../../lib/index.js')
if (when === 'after') time = install()

const results: Record<string, unknown> = {}
const server = await countingServer()
const body = 'what is sent'

async function outcomeOf(request: Promise<{ body: { text(): Promise<string> } }>): Promise<unknown> {
  try {
    return await (await request).body.text()
  } catch (error) {
    const { code, reusedSocket, replaySafe } = error as Record<string, unknown>
    return [code, reusedSocket, replaySafe]
  }
}

async function lost(method: 'GET' | 'POST', pipelining: number): Promise<unknown> {
  server.expect({ request: 1, of: 'response', after: 0, how: 'fin' })
  const client = new Client(server.url, { pipelining })
  await outcomeOf(client.request({ path: '/first', method: 'GET' }))
  const answers = [outcomeOf(client.request({ path: '/it', method, body: method === 'POST' ? body : null }))]
  if (pipelining > 1) answers.push(outcomeOf(client.request({ path: '/next', method: 'GET' })))
  const outcomes = [...(await Promise.all(answers)), server.executions.get('/it')]
  await client.close()
  return outcomes
}

async function idle(): Promise<unknown> {
  server.expect(null)
  const pool = new Pool(server.url, { connections: 1 })
  await outcomeOf(pool.request({ path: '/first', method: 'GET' }))
  const disconnected = once(pool, 'disconnect')
  for (const socket of server.sockets) socket.end()
  await disconnected
  const first = await outcomeOf(pool.request({ path: '/it', method: 'POST', body }))
  // Idle for long by the fake clock, and for a moment by the real one.
  time?.pass(1000)
  const second = await outcomeOf(pool.request({ path: '/again', method: 'POST', body }))
  await pool.close()
  return [first, second, server.executions.get('/it'), server.executions.get('/again')]
}

async function uploads(): Promise<unknown> {
  server.expect(null)
  const client = new Client(server.url)
  const pieces = () => Array.from({ length: 20 }, () => Buffer.alloc(65_536, 'x'))
  const outcomes = [
    await outcomeOf(client.request({ path: '/stream', method: 'PUT', body: Readable.from(pieces()) })),
    await outcomeOf(client.request({ path: '/pieces', method: 'PUT', body: pieces() })),
    await outcomeOf(client.request({ path: '/bytes', method: 'PUT', body: Buffer.concat(pieces()) })),
  ]
  await client.close()
  return outcomes
}

/** A server that sends nothing, and a clock that is stopped or advanced. */
async function timeouts(): Promise<unknown> {
  const silent = net.createServer((socket) => socket.resume())
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as net.AddressInfo
  const client = new Client(`http://127.0.0.1:${port}`, { headersTimeout: 40 })
  let outcome: unknown = 'waits'
  const request = outcomeOf(client.request({ path: '/', method: 'GET' })).then((what) => (outcome = what))
  const [seconds, rest] = process.hrtime()
  const realMs = () => {
    const [now, part] = process.hrtime([seconds, rest])
    return now * 1000 + part / 1e6
  }
  while (realMs() < 120) await turn()
  const frozen = outcome
  time?.pass(39)
  for (let i = 0; i < 4; i++) await turn()
  const before = outcome
  time?.pass(1)
  for (let i = 0; i < 4; i++) await turn()
  const after = outcome
  await client.destroy()
  await request
  silent.close()
  return [frozen, before, after]
}

results.get = await lost('GET', 1)
results.pipelined = await lost('GET', 5)
results.post = await lost('POST', 1)
results.idle = await idle()
results.uploads = await uploads()
if (time !== null) results.timeouts = await timeouts()
await server.close()
process.stdout.write(JSON.stringify(results), () => process.exit())
