import { PassThrough } from 'node:stream'
import t from 'tap'
import { BalancedPool, discover, type UpstreamChange } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

const get = { path: '/', method: 'GET' }

/** Changes that were written have been taken when the next one is asked for. */
function changes(): { source: AsyncIterable<UpstreamChange>; tell(change: unknown): void; stream: PassThrough } {
  const stream = new PassThrough({ objectMode: true })
  return { source: stream, stream, tell: (change) => void stream.write(change) }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

t.test('upstreams come and go; what is under way is ended', async (t) => {
  let finish = () => {}
  const first = await httpOrigin((_request, reply) => {
    finish = () => reply.end('first')
    reply.flushHeaders()
  })
  const second = await httpOrigin((_request, reply) => reply.end('second'))
  const pool = new BalancedPool()
  const { source, tell, stream } = changes()
  const discovery = discover(pool, source)
  tell({ add: [first.url] })
  await turn()
  const begun = await pool.request(get)
  tell({ add: [{ origin: second.url, weight: 2 }], remove: [new URL(first.url)] })
  await turn()
  t.strictSame(pool.upstreams, [second.url])
  t.equal(await (await pool.request(get)).body.text(), 'second')
  finish()
  t.equal(await begun.body.text(), 'first')
  discovery.stop()
  tell({ remove: [second.url] })
  await turn()
  t.strictSame(pool.upstreams, [second.url], 'nothing more is taken')
  t.ok(stream.destroyed, 'the source is told')
  await pool.close()
  await Promise.all([first.close(), second.close()])
})

t.test('what is wrong is told, and the last known upstreams stay', async (t) => {
  const pool = new BalancedPool()
  const { source, tell, stream } = changes()
  const errors: unknown[] = []
  discover(pool, source, (error) => void errors.push(error))
  tell({ add: ['http://a', 'nonsense', 'http://b'], remove: 'http://a' })
  await turn()
  t.strictSame(pool.upstreams, ['http://a', 'http://b'])
  t.match(errors, [{ code: 'UND_ERR_INVALID_ARG' }, { code: 'UND_ERR_INVALID_ARG' }])
  stream.destroy(new Error('lost'))
  await turn()
  t.match(errors[2], { message: 'lost' })
  t.strictSame(pool.upstreams, ['http://a', 'http://b'])
  await pool.close()
})

t.test('arguments that are none', async (t) => {
  const pool = new BalancedPool()
  t.throws(() => discover(pool, [] as never), { code: 'UND_ERR_INVALID_ARG' })
  t.throws(() => discover({} as never, changes().source), { code: 'UND_ERR_INVALID_ARG' })
  t.throws(() => discover(pool, changes().source, 1 as never), { code: 'UND_ERR_INVALID_ARG' })
  await pool.close()
})
