import { once } from 'node:events'
import t from 'tap'
import { Client, Pool } from '../../../lib/index.js'
import { bytes } from '../bytes.js'
import {
  ask,
  blackHole,
  describe,
  FarServers,
  link,
  noSocketsLeft,
  onFar,
  onNear,
  setSysctl,
} from '../network-control.js'

const HOST = '10.77.1.2'
const REST = { running: 0, pending: 0, size: 0 }

await t.test('connectTimeout fails requests when packets are lost', async (t) => {
  const far = await FarServers.start(t)
  const pool = new Pool(far.url(HOST), { connections: 3, connectTimeout: 300 })
  blackHole(true)
  const started = performance.now()
  const outcomes = await Promise.all(Array.from({ length: 6 }, () => ask(pool, { path: '/bytes/10' })))
  t.ok(performance.now() - started >= 300, 'not before the timeout')
  t.strictSame([...new Set(outcomes.map(describe))], ['ConnectTimeoutError UND_ERR_CONNECT_TIMEOUT connect'])
  t.match(pool.stats, { ...REST, queued: 0, connected: 0 })
  blackHole(false)
  t.equal(describe(await ask(pool, { path: '/bytes/10' })), 'answered')
  await pool.close()
})

await t.test('timeouts fail requests when the network goes silent', async (t) => {
  const far = await FarServers.start(t)
  const client = new Client(far.url(HOST), { headersTimeout: 300, bodyTimeout: 300, connectTimeout: 5000 })
  const { body } = await client.request({ path: '/half', method: 'GET' })
  blackHole(true)
  await far.command({ do: 'release' })
  const error = await body.text().catch((error) => error)
  t.equal(describe({ body: null, error }), 'BodyTimeoutError UND_ERR_BODY_TIMEOUT body')
  t.match(client.stats, { ...REST, connected: false })
  blackHole(false)

  t.equal(describe(await ask(client, { path: '/bytes/10' })), 'answered')
  blackHole(true)
  const idle = await ask(client, { path: '/bytes/11' })
  t.match(idle.error, { code: 'UND_ERR_HEADERS_TIMEOUT', fault: 'timeout', reusedSocket: true })
  t.match(client.stats, { ...REST, connected: false })
  blackHole(false)
  t.equal(describe(await ask(client, { path: '/bytes/12' })), 'answered', 'the next request uses a new connection')
  await client.close()
})

await t.test('falls back to IPv4 when IPv6 is unreachable', async (t) => {
  const far = await FarServers.start(t)
  const eyes = { autoSelectFamily: true, autoSelectFamilyAttemptTimeout: 100, connectTimeout: 5000 }
  const client = new Client(far.url('both.test'), eyes)
  blackHole(true, 'fd77:1::1/128')
  t.equal(String((await ask(client, { path: '/where' })).body), `::ffff:${HOST}`)
  blackHole(true)
  const neither = new Client(far.url('both.test'), { ...eyes, connectTimeout: 500 })
  t.equal(describe(await ask(neither, { path: '/where' })), 'ConnectTimeoutError UND_ERR_CONNECT_TIMEOUT connect')
  blackHole(false)
  blackHole(false, 'fd77:1::1/128')
  t.equal(String((await ask(neither, { path: '/where' })).body), 'fd77:1::2', 'uses IPv6 again when it is reachable')
  await Promise.all([client.close(), neither.close()])
})

await t.test('recovers after a server restart without connection close', async (t) => {
  setSysctl('far', 'ipv4/tcp_orphan_retries', 1)
  const far = await FarServers.start(t)
  const { port } = far.ready
  const clients = [new Client(far.url(HOST)), new Client(far.url(HOST))] as const
  for (const client of clients) t.equal(describe(await ask(client, { path: '/bytes/10' })), 'answered')
  link('down')
  await far.kill()
  // The kernel drops the server's half-closed connection after a while.
  while (onFar('ss', '-tanH', 'state', 'connected').trim() !== '')
    await new Promise((resolve) => setTimeout(resolve, 20))
  link('up')
  const again = await FarServers.start(t, port)
  t.match(clients[0].stats, { connected: true }, 'the client has not noticed the restart')
  const post = await ask(clients[0], { path: '/echo/x', method: 'POST', body: Buffer.from('x') })
  t.match(post.error, { reusedSocket: true, phase: 'wait' })
  t.match(post.error?.code, /^(ECONNRESET|UND_ERR_SOCKET)$/)
  t.equal(describe(await ask(clients[1], { path: '/bytes/11' })), 'answered', 'a GET is sent again')
  t.strictSame(await again.command({ do: 'counts' }), { 'GET /bytes/11': 1 })
  t.equal(describe(await ask(clients[0], { path: '/bytes/12' })), 'answered')
  await Promise.all(clients.map((client) => client.close()))
})

await t.test('bodies complete when a link goes down and comes up again', async (t) => {
  const far = await FarServers.start(t)
  const pool = new Pool(far.url(HOST), { connections: 4, bodyTimeout: 20_000 })
  const answers = await Promise.all([1, 2, 3, 4].map(() => pool.request({ path: '/paced/200000', method: 'GET' })))
  const bodies = answers.map(({ body }) => body.arrayBuffer())
  link('down')
  setTimeout(link, 300, 'up')
  for (const body of bodies) t.ok(Buffer.from(await body).equals(bytes(200_000)))
  t.match(pool.stats, { ...REST, queued: 0 })
  await pool.close()
})

await t.test('times out when the path drops large packets, and recovers', async (t) => {
  const far = await FarServers.start(t)
  // Without this, a veth pair passes large segments that the kernel splits later.
  onNear('ip', 'link', 'set', 'smooth', 'gso_max_segs', '1')
  const client = new Client(far.url(HOST), { headersTimeout: 500, bodyTimeout: 500 })
  const disconnected = once(client, 'disconnect')
  t.equal(describe(await ask(client, { path: '/bytes/10' })), 'answered')
  // The client's segments keep the size that was negotiated when it connected.
  setSysctl('near', 'ipv4/tcp_mtu_probing', 0)
  onFar('ip', 'link', 'set', 'smooth', 'mtu', '1000')
  const upload = await ask(client, { path: '/echo/y', method: 'POST', body: bytes(100_000) })
  t.match(upload.error, { code: 'UND_ERR_HEADERS_TIMEOUT', reusedSocket: true })
  await disconnected
  onFar('ip', 'link', 'set', 'smooth', 'mtu', '1500')
  const again = await ask(client, { path: '/echo/z', method: 'POST', body: bytes(100_000) })
  t.ok(again.body?.equals(bytes(100_000)))
  t.strictSame(await far.command({ do: 'counts' }), { 'GET /bytes/10': 1, 'POST /echo/z': 1 })
  await client.close()
})

await t.test('leaves no socket behind', noSocketsLeft)
