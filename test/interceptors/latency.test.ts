import { once } from 'node:events'
import t from 'tap'
import { Client, interceptors, LatencyRecorder, Pool, type Timings } from '../../lib/index.js'
import { httpOrigin, rawOrigin } from '../servers/origin.js'
import { refusal } from '../servers/recorder.js'

const get = { path: '/', method: 'GET' }

function counts({ queue, connect, firstByte }: LatencyRecorder): number[] {
  return [queue, connect, firstByte].map(({ count }) => count)
}

t.test('records queue time, connect time and time to first byte', async (t) => {
  const origin = await httpOrigin((_request, reply) => setTimeout(() => reply.end('ok'), 20))
  const latency = new LatencyRecorder()
  const pool = new Pool(origin.url, { connections: 1 })
  const recorded = pool.compose(interceptors.latency(latency))
  const own: Partial<Timings> = {}
  const all = [get, { ...get, timings: own }, { ...get, timings: true }].map((request) => recorded.request(request))
  for (const result of await Promise.all(all)) {
    t.ok(result.timings)
    await result.body.text()
  }
  t.strictSame(counts(latency), [3, 1, 3], 'one connection was opened')
  t.ok(latency.firstByte.percentile(0) >= 19)
  t.ok(latency.queue.max >= 1.98 * latency.firstByte.percentile(0), 'the last request waits for two others')
  t.ok(latency.connect.max <= latency.queue.percentile(0) * 1.01, 'queue time includes connect time')
  t.ok((own.end as number) > 0)
  t.match(JSON.parse(JSON.stringify(latency)), {
    queue: { count: 3 },
    connect: { count: 1 },
    firstByte: { p99: Number },
  })
  latency.reset()
  t.strictSame(counts(latency), [0, 0, 0])
  await pool.request(get).then(({ body }) => body.text())
  t.strictSame(counts(latency), [0, 0, 0], 'requests without the interceptor are not counted')
  await pool.close()
  await origin.close()
})

t.test('records failed requests, upgrades and each attempt of a retry', async (t) => {
  let failures = 0
  const origin = await rawOrigin((socket) => {
    socket.once('data', (chunk: Buffer) => {
      if (chunk.includes('upgrade')) socket.write('HTTP/1.1 101 Go\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')
      else if (failures-- > 0) socket.destroy()
      else socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
    })
  })
  const latency = new LatencyRecorder()
  const client = new Client(origin.url)
  const recorded = client.compose(interceptors.latency(latency))
  failures = 1
  await t.rejects(recorded.request(get), { code: 'UND_ERR_SOCKET' })
  t.strictSame(counts(latency), [1, 1, 0])
  const { socket } = await recorded.upgrade({ path: '/', protocol: 'x' })
  t.strictSame(counts(latency), [2, 2, 1])
  socket.destroy()
  await once(socket, 'close')
  failures = 2
  const retrying = recorded.compose(interceptors.retry({ minTimeout: 0 }))
  await (await retrying.request(get)).body.text()
  t.strictSame(counts(latency), [5, 5, 2])
  await client.close()
  await origin.close()
  const refused = new Client(origin.url).compose(interceptors.latency(latency))
  await t.rejects(refused.request(get), { code: 'ECONNREFUSED' })
  t.strictSame(counts(latency), [5, 5, 2], 'a refused connection records no time')
  await refused.close()
})

t.test('rejects an invalid recorder or timings object', async (t) => {
  for (const recorder of [undefined, null, {}] as never[]) {
    t.throws(() => interceptors.latency(recorder), { code: 'UND_ERR_INVALID_ARG' })
  }
  const client = new Client('http://localhost:1').compose(interceptors.latency(new LatencyRecorder()))
  for (const timings of ['x', Object.freeze({})] as never[]) {
    t.match(refusal(client, { ...get, timings }), { code: 'UND_ERR_INVALID_ARG' })
  }
  await client.destroy()
})
